"""Peers that mean harm, and a client that meets them in a process of its own, where its memory can be looked at.

``python -m tests.reliability.hostile WORLD KERNEL`` reads a case and an address a line, and writes what came of it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dockerwire import (
    DockerWireError,
    HijackRequest,
    InsecureWarning,
    Limits,
    Request,
    StreamError,
    Timeouts,
    TLSConfig,
    api,
)
from tests.support.exchanges import attach, documents, frame, frames, records, whole
from tests.support.websocket import CONTINUATION, PING, message, switched
from tests.support.worlds import WORLDS, World

MIB = 1024 * 1024
BODY = 2 * MIB
LIMITS = replace(Limits(), body=BODY)
"""The defaults, but for answers read whole: their 256 MiB would be all there is to see."""
HEAD, DOCUMENT, PIECE, LINE = LIMITS.head, LIMITS.document, LIMITS.piece, LIMITS.line

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TO_THE_END = OK + b"\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
OOPS = b"HTTP/1.1 500 Oops\r\n"
FOUR_GIB = b"\xff\xff\xff\xff"


OFFER = 300 * MIB
"""By each peer."""
_SERVER_HELLO = b"\x02\x00\x00\x2d\x03\x03" + bytes(33) + b"\xc0\x2f\x00\x00\x05\xff\x01\x00\x01\x00"


def _record(data: bytes) -> bytes:
    """A record of a TLS handshake."""
    return b"\x16\x03\x03" + len(data).to_bytes(2, "big") + data


class Case(NamedTuple):
    """A peer that answers `request` with `head` and then `piece` without end, or as often as the test wants.

    `error` is the name of what has to come of it, `says` a part of its text; `limit` is the one in force, in bytes.
    """

    request: Callable[[], Any]
    head: bytes | Callable[[bytes], bytes]
    piece: bytes
    error: str
    says: str = ""
    limit: int = 0
    way: str = "items"
    """How it is read: item by item, in ``batches``, or ``send`` for what is read whole."""
    negotiate: bool = False
    """Whether this is what already the first request of all meets."""
    tls: bool = False
    """Whether all this comes in place of a handshake."""
    dear: int = 1
    """How much longer than others it takes to read."""


def _heads(request: Callable[[], Any], name: str) -> dict[str, Case]:
    return {
        f"status line, {name}": Case(request, b"HTTP/1.1 200 ", b"x", "LimitExceeded", "head", HEAD),
        f"header line, {name}": Case(request, OK + b"X: ", b"x", "LimitExceeded", "head", HEAD),
        f"header fields, {name}": Case(request, OK, b"X: y\r\n", "LimitExceeded", "head", HEAD),
        f"interim answers, {name}": Case(
            request, b"HTTP", b"/1.1 100 Continue\r\n\r\nHTTP", "LimitExceeded", "interim", HEAD
        ),
        f"no HTTP, {name}": Case(request, b"", b"\x00\xffSSH-2.0 ", "Malformed", "not HTTP", HEAD),
    }


def _websocket() -> Any:
    return api.container_attach_websocket("c", tty=True)


def _ended(request: Callable[[], Any], head: Any, piece: bytes, limit: int, way: str = "items", dear: int = 1) -> Case:
    """One that never breaks a rule, so that it is read as long as it lasts."""
    return Case(request, head, piece, "", limit=limit, way=way, dear=dear)


CASES: dict[str, Case] = {
    # 1 - 4
    **_heads(whole, "answer"),
    **_heads(lambda: frames(tty=False), "stream"),
    **_heads(attach, "hijack"),
    "status line, negotiation": Case(whole, b"HTTP/1.1 200 ", b"x", "LimitExceeded", "head", HEAD, negotiate=True),
    # 5 - 8
    "chunk extension": Case(whole, CHUNKED + b"1;", b"x", "LimitExceeded", "", LIMITS.chunk_line),
    "chunks with extensions": Case(
        whole, CHUNKED, b"1;%b\r\nx\r\n" % (b"e" * 100), "LimitExceeded", "", 2 * LIMITS.chunk_extensions
    ),
    "chunks with small extensions": Case(
        lambda: frames(tty=True), CHUNKED, b"1;abc\r\nx\r\n", "LimitExceeded", "", 8 * LIMITS.chunk_extensions
    ),
    "chunk size 2^63": Case(whole, CHUNKED + b"8000000000000000\r\n", b"x", "Malformed"),
    "chunk size 2^64-1": Case(whole, CHUNKED + b"ffffffffffffffff\r\n", b"x", "Malformed"),
    "chunk size 2^64+3": Case(whole, CHUNKED + b"10000000000000003\r\n", b"x", "Malformed"),
    "chunk size of zeros": Case(whole, CHUNKED, b"0", "LimitExceeded", "", LIMITS.chunk_line),
    "trailers": Case(whole, CHUNKED + b"0\r\n", b"A: b\r\n", "LimitExceeded", "", LIMITS.trailers),
    "trailer": Case(whole, CHUNKED + b"0\r\nA: ", b"b", "LimitExceeded", "", LIMITS.trailers),
    "whole answer": Case(whole, TO_THE_END, b"x", "LimitExceeded", "", BODY),
    "whole answer in chunks of a byte": Case(whole, CHUNKED, b"1\r\nx\r\n", "LimitExceeded", "", 6 * BODY),
    "length of 2^64": Case(whole, OK + b"Content-Length: 18446744073709551616\r\n\r\n", b"x", "LimitExceeded"),
    # 9 - 11
    "JSON string": Case(documents, TO_THE_END + b'"', b"x", "LimitExceeded", "", DOCUMENT),
    "JSON string, in chunks": Case(
        documents, CHUNKED + b'1\r\n"\r\n', b"1000\r\n%b\r\n" % (b"x" * 4096), "LimitExceeded", "", DOCUMENT
    ),
    "JSON number": Case(documents, TO_THE_END, b"1", "LimitExceeded", "", DOCUMENT),
    "JSON nesting": Case(documents, TO_THE_END, b"[", "LimitExceeded", "", LIMITS.depth),
    "JSON nesting, whole": Case(
        api.container_list, OK + b"Content-Length: %d\r\n\r\n" % BODY, b"[", "Malformed", "", 3 * BODY
    ),
    "white space between documents": _ended(documents, TO_THE_END, b" \n\r\t", 0),
    # 12, 13
    "4 GiB frame, silence": Case(
        lambda: frames(tty=False), TO_THE_END + b"\1\0\0\0" + FOUR_GIB, b"", "Timeout", "idle", PIECE
    ),
    "4 GiB frame": Case(lambda: frames(tty=False), TO_THE_END + b"\1\0\0\0" + FOUR_GIB, b"x", "Truncated", "", PIECE),
    "4 GiB frame, batches": Case(
        lambda: frames(tty=False), TO_THE_END + b"\1\0\0\0" + FOUR_GIB, b"x", "Truncated", "", PIECE, way="batches"
    ),
    "4 GiB of trouble": Case(
        lambda: frames(tty=False), TO_THE_END + b"\3\0\0\0" + FOUR_GIB, b"x", "Truncated", "", PIECE
    ),
    "frame of type 72": Case(lambda: frames(tty=False), TO_THE_END, b"HTTP/1.1", "Malformed"),
    "empty frames": _ended(lambda: frames(tty=False), TO_THE_END, frame(1, b""), 0, dear=16),
    "empty frames, batches": _ended(lambda: frames(tty=False), TO_THE_END, frame(2, b""), 0, "batches", dear=4),
    "log line": _ended(lambda: records(timestamps=False, tty=True), TO_THE_END, b"x", LINE),
    "log line, batches": _ended(lambda: records(timestamps=False, tty=True), TO_THE_END, b"x", LINE, "batches"),
    "WebSocket message": Case(
        _websocket,
        lambda asked: switched(asked) + message(b"x", fin=False),
        message(b"x" * 1000, CONTINUATION, fin=False),
        "Truncated",
        limit=PIECE,
    ),
    "WebSocket frame of 2^62": Case(
        _websocket, lambda asked: switched(asked) + b"\x82\x7f\x3f" + bytes(7), b"x", "Truncated", limit=PIECE
    ),
    "WebSocket pings": Case(_websocket, switched, message(b"x" * 100, PING), "Truncated", dear=16),
    # 14
    "error body": Case(whole, OOPS + b"\r\n", b"x", "ServerError", "xxx", LIMITS.error_body),
    "error body of a stream": Case(documents, OOPS + b"\r\n", b"x", "ServerError", "xxx", LIMITS.error_body),
    "error body, in chunks": Case(
        whole, OOPS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", "ServerError", "", 6 * LIMITS.error_body
    ),
    # 16
    "101 nobody asked for": Case(whole, UPGRADED, b"x", "Malformed"),
    "101 nobody asked for, stream": Case(lambda: frames(tty=False), UPGRADED, b"x", "Malformed"),
    "length and chunked": Case(
        whole, OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"x", "Malformed"
    ),
    "two lengths": Case(whole, OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"x", "Malformed"),
    "gzip": Case(
        documents, OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "Malformed", "gzip"
    ),
}


CASES |= {
    "TLS certificate of 16 MiB": Case(
        whole,
        _record(_SERVER_HELLO) + _record(b"\x0b\xff\xff\xff\xff\xff\xfc"),
        _record(b"x" * 16000),
        "ConnectError",
        "TLS failed",
        tls=True,
    ),
    "TLS handshake begun without end": Case(whole, b"", _record(bytes(4)), "Timeout", "connect", tls=True),
}


def _memory(name: str) -> int:
    """A number of bytes in ``/proc/self/status``."""
    with Path("/proc/self/status").open() as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))


def _trim() -> None:
    """Give back what was freed, so that it does not hide what is taken next."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew


async def _read(client: Any, case: Case) -> int:
    """How much came."""
    request, count = case.request(), 0
    if isinstance(request, Request):
        return len(await client.send(request))
    opened = client.attach(request) if isinstance(request, HijackRequest) else client.stream(request)
    async with opened as items:
        source = items.batches() if case.way == "batches" else items
        while True:
            try:
                async for one in source:
                    count += len(one) if case.way == "batches" else 1
            except StreamError:
                count += 1
            else:
                return count


def meet(world: World, kernel: str, case: Case, host: str) -> dict[str, Any]:
    """What came of a request to such a peer."""

    async def scenario() -> dict[str, Any]:
        async with world.client(
            host,
            version=None if case.negotiate else "1.44",
            kernel=kernel,
            limits=LIMITS,
            tls=TLSConfig(verify=False) if case.tls else None,
            timeout=Timeouts(connect=2 if case.tls else 30, head=60, idle=1 if case.error == "Timeout" else 60),
        ) as client:
            found: dict[str, Any] = {"error": "", "text": "", "count": 0}
            try:
                found["count"] = await _read(client, case)
            except DockerWireError as error:
                found.update(error=type(error).__name__, text=str(error))
            found["left"] = len(client._core._busy)
            return found

    _trim()
    before = _memory("VmRSS")
    begin = time.perf_counter()
    found: dict[str, Any] = world.run(scenario)
    seconds = time.perf_counter() - begin
    return {**found, "growth": _memory("VmHWM") - before, "seconds": seconds}


def main() -> None:
    warnings.simplefilter("ignore", InsecureWarning)
    world = next(world for world in WORLDS if world.name == sys.argv[1])
    for line in sys.stdin:
        name, host = json.loads(line)
        print(json.dumps(meet(world, sys.argv[2], CASES[name], host)), flush=True)


if __name__ == "__main__":
    main()
