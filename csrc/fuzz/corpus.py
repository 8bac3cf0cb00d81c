"""The inputs that the fuzz targets begin with.

corpus.py unpack TARGET DIRECTORY    the kept inputs of a target, and those made of the test vectors, as files
corpus.py pack TARGET DIRECTORY      keep the files there (that the merge of libFuzzer left, of which seeds are let go)

Kept inputs are in TARGET.corpus, one a line in hexadecimal digits. The first bytes of an input are its options
(see the target).
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VECTORS = HERE.parent.parent / "tests" / "vectors"
LONGEST = 2048


def content(form: dict[str, Any]) -> bytes:
    if "text" in form:
        return str(form["text"]).encode()
    return base64.b64decode(form.get("b64", ""))


def vectors(name: str) -> list[bytes]:
    """The inputs of ``<name>.json`` that are short enough."""
    rows = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]
    inputs = [content(row["input"]) for row in rows]
    return [data for data in inputs if 0 < len(data) <= LONGEST]


def captured(pattern: str) -> list[bytes]:
    """Bodies of recorded answers, as they were chunked."""
    found = [path.read_bytes().partition(b"\r\n\r\n")[2] for path in sorted((VECTORS / "captures").glob(pattern))]
    return [body for body in found if len(body) <= LONGEST]


def chunked(data: bytes, size: int = 100) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def body(coded: bytes) -> bytes:
    """What a whole chunked body carries."""
    data = b""
    while coded[:1] not in (b"", b"0"):
        size, _, coded = coded.partition(b"\r\n")
        data, coded = data + coded[: int(size, 16)], coded[int(size, 16) + 2 :]
    return data


def frame(stream: int, data: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def logs() -> Iterator[tuple[int, bytes]]:
    """The options of a log decoder, and what it reads."""
    for pattern, options in (("logs-notty-timestamps", 8), ("logs-details", 24), ("logs-notty", 0)):
        for coded in captured(f"*/{pattern}.raw"):
            for limit in (1, 7):
                yield options | limit, body(coded)
    for pattern, options in (("logs-tty-timestamps", 40), ("logs-tty", 32)):
        for coded in captured(f"*/{pattern}.raw"):
            yield options | 7, body(coded)
    for stamp in vectors("timestamps"):
        yield 15, frame(1, stamp + b" a\n") + frame(2, stamp + b" b") + frame(1, stamp + b" c\n")
    for row in json.loads((VECTORS / "log_details.json").read_text("utf-8"))["vectors"]:
        yield 23, frame(1, content(row["input"]) + b" text\n")
    yield 7, frame(1, b"a\nb\n\nc") + frame(3, b"oh\nno\n") + frame(1, b"") + frame(2, b"e\n") + frame(0, b"d\n")


def seeds(target: str) -> Iterator[bytes]:
    if target == "chunked":
        yield from (b"\x7f\0" + data for data in vectors("http_chunked"))
    elif target == "demux":
        for data in vectors("stdcopy"):
            yield from (b"\x07\0" + data, b"\x01\1" + data)
    elif target in ("json", "project"):
        yield from (b"\x3f\0" + data for data in vectors("json_stream"))
        yield b'\x3f\0{"a":{"b":1},"c":[{"d":2},{"d":[1,null]}],"":"\\u00e9"}\n{"a":{"b":"x"},"c":[]}\n' * 2
    elif target == "log":
        yield from (bytes((options, 3)) + data for options, data in logs())
    elif target in ("through", "columns"):
        log = 2 if target == "through" else 3
        frames = 0 if target == "through" else 2
        for data in vectors("stdcopy"):
            yield b"\x07" + bytes((0xFC | frames, 0)) + chunked(data)
        for options, data in logs():
            yield bytes((options, 0xFC | log, 3)) + chunked(data)
        for name in ("logs-notty", "logs-burst"):
            yield from (b"\x07" + bytes((0xFC | frames, 0)) + coded for coded in captured(f"*/{name}.raw"))
        if target == "through":
            yield from (b"\x3f\xfd\0" + chunked(data, 30) for data in vectors("json_stream"))
            yield from (b"\x07\xfc\0" + data for data in vectors("http_chunked"))
        else:
            yield from (b"\x07\0\0" + data for data in vectors("stdcopy"))
            yield from (bytes((options, 1, 0)) + data for options, data in logs())
    elif target == "ndjson":
        texts = (*vectors("json_stream")[:200], bytes(range(256)), "é€\U0001f600".encode() * 9, b'"\\' * 20)
        yield from (bytes((number % 41, number % 256, number % 251)) + text for number, text in enumerate(texts))


def named(inputs: Iterator[bytes]) -> dict[str, bytes]:
    return {hashlib.sha256(data).hexdigest()[:16]: data for data in inputs}


def kept(target: str) -> Iterator[bytes]:
    path = HERE / f"{target}.corpus"
    if path.exists():
        yield from map(bytes.fromhex, path.read_text("ascii").split())


def main(command: str, target: str, directory: str) -> None:
    folder = Path(directory)
    if command == "unpack":
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in {**named(seeds(target)), **named(kept(target))}.items():
            (folder / name).write_bytes(data)
    else:
        found = named(path.read_bytes() for path in folder.iterdir())
        for name in named(seeds(target)):
            found.pop(name, None)
        lines = sorted((data.hex() for data in found.values()), key=lambda line: (len(line), line))
        (HERE / f"{target}.corpus").write_text("".join(f"{line}\n" for line in lines), "ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
