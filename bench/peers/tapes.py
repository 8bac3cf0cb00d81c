"""The tapes of the side-by-side: answers of the shape that engines send, made with a fixed seed, never stored.

    python bench/peers/tapes.py FOLDER

writes into FOLDER, for the replay server, each body and the lengths of its HTTP chunks (uint32, this machine's byte
order), a list of them (``tapes.txt``: name, framing, content type, body file, chunks file) and what a client must see
of one repetition of each (``tapes.json``: items, and bytes of payload, body and wire).
"""

from __future__ import annotations

import json
import random
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FRAMES = 63256
DOCUMENTS_SIZE = 16 * 1024 * 1024  # bytes of a tape of documents
CONTAINERS = 2000
COALESCED = 32768
STAMP = "2026-11-23T13:%02d:%02d.%09dZ "
START_NS = 1_795_439_685_000_000_000
WORDS = (
    "GET POST 200 404 request connection user=%d id=%x path=/api/v1/items /healthz duration=%dms level=info "
    'level=warn msg="slow query" retry closed by peer cache miss hit worker-%d queue=%d bytes started done naive '
    'reason="context deadline exceeded" trace=%x {"key":"value","n":%d} upstream 10.0.%d.7:8080 | INFO DEBUG WARN -'
)

MEMORY = (
    "active_anon active_file cache dirty inactive_anon inactive_file mapped_file pgfault pgmajfault pgpgin "
    "pgpgout rss rss_huge total_active_anon total_active_file total_cache total_dirty total_inactive_anon "
    "total_inactive_file total_mapped_file total_pgfault total_pgmajfault total_pgpgin total_pgpgout total_rss "
    "total_rss_huge total_unevictable total_writeback unevictable writeback"
)
OPERATIONS = ("Read", "Write", "Sync", "Async", "Total")
ACTIONS = "create attach start die stop destroy kill exec_create exec_start health_status"


def _hex(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(digits * 4):0{digits}x}"


def log_lines() -> list[tuple[int, bytes]]:
    """(stream, line with its newline): 12 bytes to 16 KiB, 257 on average, one in eight on stderr."""
    rng = random.Random(20261123)
    pool = " ".join(
        w.replace("%d", str(rng.randrange(999))).replace("%x", _hex(rng, 8)) for w in WORDS.split(" ") * 400
    )
    text = pool.encode()
    lines = []
    for _ in range(FRAMES):
        size = min(16384, max(12, int(rng.lognormvariate(4.825, 1.2))))
        at = rng.randrange(len(text) - 16384)
        lines.append((2 if rng.random() < 0.125 else 1, text[at : at + size - 1] + b"\n"))
    return lines


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def stats() -> Iterator[bytes]:
    """One container's statistics, second by second, as an engine with cgroup v1 and some disks tells them."""
    rng = random.Random(1)
    number, counters = 0, [rng.randrange(1, 10**9) for _ in range(80)]
    cpu = system = 5_422_090_000_000
    previous: dict[str, Any] = {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}}
    while True:
        counter = iter(counters)
        cpu, system = cpu + rng.randrange(10**8), system + 2 * 10**9
        used = [cpu // 3, cpu - cpu // 3]
        now: dict[str, Any] = {
            "cpu_usage": {
                "total_usage": cpu,
                "percpu_usage": used,
                "usage_in_kernelmode": cpu // 4 // 10**7 * 10**7,
                "usage_in_usermode": cpu // 2 // 10**7 * 10**7,
            },
            "system_cpu_usage": system,
            "online_cpus": 2,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        }
        operations = [{"major": 8, "minor": 0, "op": op, "value": next(counter)} for op in OPERATIONS]
        yield _compact(
            {
                "read": STAMP.strip() % (number // 60 % 60, number % 60, rng.randrange(10**9)),
                "preread": STAMP.strip() % ((number - 1) // 60 % 60, (number - 1) % 60, rng.randrange(10**9)),
                "pids_stats": {"current": 2 + number % 7},
                "blkio_stats": {
                    "io_service_bytes_recursive": operations,
                    "io_serviced_recursive": operations,
                    "io_queue_recursive": [],
                    "io_service_time_recursive": [],
                    "io_wait_time_recursive": [],
                    "io_merged_recursive": [],
                    "io_time_recursive": [],
                    "sectors_recursive": [],
                },
                "num_procs": 0,
                "storage_stats": {},
                "cpu_stats": now,
                "precpu_stats": previous,
                "memory_stats": {
                    "usage": next(counter),
                    "max_usage": next(counter),
                    "stats": {name: next(counter) for name in MEMORY.split()},
                    "limit": 25276514304,
                },
                "name": "/musing_kepler",
                "id": "4421b1ffb8769310f5e64f40d357f77817ee2d2cab34372fefe3ca5196b4e4c1",
                "networks": {
                    "eth0": {
                        way + "_" + what: next(counter)
                        for way in ("rx", "tx")
                        for what in ("bytes", "packets", "errors", "dropped")
                    }
                },
            }
        )
        counters = [value + rng.randrange(4096) for value in counters]
        previous, number = now, number + 1


def events() -> Iterator[bytes]:
    rng = random.Random(2)
    time_ns = START_NS
    while True:
        time_ns += rng.randrange(10**9)
        identifier, action, image = (
            _hex(rng, 64),
            rng.choice(ACTIONS.split()),
            f"registry.example.com/team/app:{_hex(rng, 7)}",
        )
        attributes = {
            "com.docker.compose.config-hash": _hex(rng, 64),
            "com.docker.compose.project": "shop",
            "com.docker.compose.service": rng.choice(["web", "database", "queue"]),
            "image": image,
            "name": f"shop-{rng.choice(['fervent', 'musing'])}-{rng.randrange(99)}",
        }
        if action == "die":
            attributes |= {"exitCode": str(rng.randrange(3)), "execDuration": str(rng.randrange(999))}
        yield _compact(
            {
                "status": action,
                "id": identifier,
                "from": image,
                "Type": "container",
                "Action": action,
                "Actor": {"ID": identifier, "Attributes": attributes},
                "scope": "local",
                "time": time_ns // 10**9,
                "timeNano": time_ns,
            }
        )


def pull() -> Iterator[bytes]:
    """The progress of an image's layers, as Go writes it: ">" is ``\\u003e``."""
    rng = random.Random(3)
    while True:
        layer, total = _hex(rng, 12), rng.randrange(10**6, 10**8)
        yield _compact({"status": "Pulling fs layer", "progressDetail": {}, "id": layer})
        for status in ("Downloading", "Extracting"):
            for step in range(1, 3 + rng.randrange(3)):
                done = total * step // 7
                bar = f"[{'=' * (done * 50 // total) + '>':50}]  {done / 1e6:.4g}MB/{total / 1e6:.4g}MB"
                document = {"status": status, "progressDetail": {"current": done, "total": total}, "progress": bar}
                yield _compact({**document, "id": layer}).replace(b">", b"\\u003e")
            if status == "Downloading":
                yield _compact({"status": "Verifying Checksum", "progressDetail": {}, "id": layer})
                yield _compact({"status": "Download complete", "progressDetail": {}, "id": layer})
        yield _compact({"status": "Pull complete", "progressDetail": {}, "id": layer})


def containers(count: int) -> bytes:
    rng = random.Random(4)
    result = []
    for number in range(count):
        identifier, image = _hex(rng, 64), f"registry.example.com/team/app-{number % 40}:1.{number % 9}.0"
        network, port = _hex(rng, 64), 10000 + number
        result.append(
            {
                "Id": identifier,
                "Names": [f"/shop-web-{number}"],
                "Image": image,
                "ImageID": "sha256:" + _hex(rng, 64),
                "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'",
                "Created": 1795439685 - number,
                "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}],
                "Labels": {
                    "com.docker.compose.project": "shop",
                    "com.docker.compose.service": "web",
                    "com.docker.compose.container-number": str(number),
                },
                "State": "running",
                "Status": f"Up {1 + number % 23} hours",
                "HostConfig": {"NetworkMode": "shop_default"},
                "NetworkSettings": {
                    "Networks": {
                        "shop_default": {
                            "IPAMConfig": None,
                            "Links": None,
                            "Aliases": None,
                            "NetworkID": network,
                            "EndpointID": _hex(rng, 64),
                            "Gateway": "172.18.0.1",
                            "IPAddress": f"172.18.{number // 250}.{number % 250 + 2}",
                            "IPPrefixLen": 16,
                            "IPv6Gateway": "",
                            "GlobalIPv6Address": "",
                            "GlobalIPv6PrefixLen": 0,
                            "MacAddress": f"02:42:ac:12:{number // 250:02x}:{number % 250 + 2:02x}",
                            "DriverOpts": None,
                        }
                    }
                },
                "Mounts": [],
            }
        )
    return _compact(result) + b"\n"


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _until(documents: Iterator[bytes], size: int, end: bytes) -> list[bytes]:
    result, total = [], 0
    while total < size:
        result.append(next(documents) + end)
        total += len(result[-1])
    return result


class Folder:
    """Where tapes are written; `close` writes the two lists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []
        self.expected: dict[str, dict[str, int]] = {}

    def add(self, name: str, framing: str, kind: str, pieces: Iterable[bytes], items: int, payload: int) -> None:
        """`framing`: ``chunked``, ``flushed`` (the same, a write for each chunk), ``length`` or ``raw``; one piece is
        one chunk. `kind` is the content type, or ``-``."""
        pieces = list(pieces)
        body = b"".join(pieces)
        (self._path / f"{name}.body").write_bytes(body)
        (self._path / f"{name}.chunks").write_bytes(array("I", map(len, pieces)).tobytes())
        self._lines.append(f"{name} {framing} {kind} {name}.body {name}.chunks\n")
        overhead = sum(len(f"{len(piece):x}") + 4 for piece in pieces) if framing in ("chunked", "flushed") else 0
        self.expected[name] = {
            "items": items,
            "units": items or len(pieces),  # what figures are given for: with a TTY, chunks
            "payload": payload,
            "body": len(body),
            "wire": len(body) + overhead,
        }

    def close(self) -> None:
        (self._path / "tapes.txt").write_text("".join(self._lines))
        (self._path / "tapes.json").write_text(json.dumps(self.expected, indent=1))


def make(path: Path) -> dict[str, dict[str, int]]:
    """Write all tapes into the folder `path`; what a client must see of each."""
    folder = Folder(path)
    lines = log_lines()
    payload = sum(len(line) for _, line in lines)
    framed = [frame(stream, line) for stream, line in lines]
    whole = b"".join(framed)
    folder.add("logs", "chunked", "-", framed, len(lines), payload)
    coalesced = [whole[at : at + COALESCED] for at in range(0, len(whole), COALESCED)]
    folder.add("logs_co", "chunked", "-", coalesced, len(lines), payload)
    folder.add("logs_f", "flushed", "-", framed, len(lines), payload)
    folder.add("attach", "raw", "-", framed, len(lines), payload)
    stamped = []
    time_ns = 0
    rng = random.Random(5)
    for stream, line in lines:
        time_ns += rng.randrange(2_000_000)
        seconds = time_ns // 10**9
        stamped.append(frame(stream, (STAMP % (seconds // 60, seconds % 60, time_ns % 10**9)).encode() + line))
    folder.add("logs_ts", "chunked", "-", stamped, len(lines), payload + 31 * len(lines))
    plain = [line[:-2] + b"\r\n" for _, line in lines]
    folder.add("tty", "chunked", "-", plain, 0, payload)
    folder.add("tty_s", "chunked", "-", plain[:4000], 0, sum(map(len, plain[:4000])))
    kinds = {"stats": ("-", b"\n"), "events": ("application/json", b"\n"), "pull": ("application/json", b"\r\n")}
    for make_documents in (stats, events, pull):
        name = make_documents.__name__
        kind, end = kinds[name]
        documents = _until(make_documents(), DOCUMENTS_SIZE, end)
        total = sum(map(len, documents))
        folder.add(name, "chunked", kind, documents, len(documents), total - len(end) * len(documents))
    many = containers(CONTAINERS)
    folder.add("list_cl", "length", "application/json", [many], CONTAINERS, len(many))
    folder.add("list_ch", "chunked", "application/json", [many], CONTAINERS, len(many))
    few = containers(10)
    folder.add("list10", "length", "application/json", [few], 10, len(few))
    folder.close()
    return folder.expected


if __name__ == "__main__":
    for name, expected in make(Path(sys.argv[1])).items():
        print(f"{name:8}", *(f"{key} {value}" for key, value in expected.items()))
