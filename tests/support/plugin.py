"""A managed plugin for the tests, made here byte by byte: neither a compiler nor a registry is needed."""

from __future__ import annotations

import io
import json
import platform
import struct
import tarfile
import uuid
from typing import Any

SOCKET = "dockerwire.sock"
_ADDRESS = struct.pack("<H", 1) + f"/run/docker/plugins/{SOCKET}\0".encode()  # AF_UNIX
_SIGTERM = struct.pack("<Q", 1 << 14)  # as a set

_BASE, _HEADERS = 0x400000, 64 + 56
_DATA = _BASE + _HEADERS
_CODE = _DATA + 64

# The program, as the arguments of its system calls: it listens on the socket that the engine looks for, which is all an
# engine wants of a plugin that it never calls, and ends at SIGTERM, which the first process of a namespace has to wait
# for. What it opens first is descriptor 3.
_CALLS = [
    ("socket", 1, 1, 0, 0),
    ("bind", 3, _DATA, len(_ADDRESS), 0),
    ("listen", 3, 16, 0, 0),
    ("rt_sigprocmask", 0, _DATA + 56, 0, 8),
    ("rt_sigtimedwait", _DATA + 56, 0, 0, 8),
    ("exit", 0, 0, 0, 0),
]
_NUMBERS = {
    "x86_64": {"socket": 41, "bind": 49, "listen": 50, "rt_sigprocmask": 14, "rt_sigtimedwait": 128, "exit": 60},
    "aarch64": {"socket": 198, "bind": 200, "listen": 201, "rt_sigprocmask": 135, "rt_sigtimedwait": 137, "exit": 93},
}


def _x86_64(number: int, arguments: list[int]) -> bytes:
    # mov edi/esi/edx/r10d/eax, value; syscall
    moves = zip((b"\xbf", b"\xbe", b"\xba", b"\x41\xba", b"\xb8"), (*arguments, number), strict=True)
    return b"".join(move + struct.pack("<I", value) for move, value in moves) + b"\x0f\x05"


def _aarch64(number: int, arguments: list[int]) -> bytes:
    # movz x0…x3/x8, low half; movk the same, high half; svc 0
    code = b""
    for register, value in zip((0, 1, 2, 3, 8), (*arguments, number), strict=True):
        code += struct.pack("<I", 0xD2800000 | (value & 0xFFFF) << 5 | register)
        code += struct.pack("<I", 0xF2A00000 | (value >> 16) << 5 | register)
    return code + struct.pack("<I", 0xD4000001)


def program(machine: str) -> bytes:
    """The static ELF program of the plugin."""
    elf_machine, call = {"x86_64": (62, _x86_64), "aarch64": (183, _aarch64)}[machine]
    data = _ADDRESS.ljust(56, b"\0") + _SIGTERM
    code = b"".join(call(_NUMBERS[machine][name], arguments) for name, *arguments in _CALLS)
    size = _HEADERS + len(data) + len(code)
    header = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, elf_machine, 1, _CODE, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)  # all of the file, to read and run
    return header + segment + data + code


def plugin_archive(**config: Any) -> bytes:
    """The body of `POST /plugins/create?name=…` (`application/x-tar`); `config` goes into its config.json.

    It asks for one capability, so that its privileges are not empty; DEBUG can be set. No two have the same content:
    engines refuse what they still hold, and collect what was deleted in the background.
    """
    whole: dict[str, Any] = {
        "description": "nothing, for tests",
        "documentation": "",
        "entrypoint": ["/plugin"],
        "workdir": "/",
        "interface": {"types": ["docker.logdriver/1.0"], "socket": SOCKET},
        "network": {"type": "none"},
        "linux": {"capabilities": ["CAP_SYS_ADMIN"], "allowAllDevices": False, "devices": None},
        "mounts": None,
        "env": [{"name": "DEBUG", "description": "", "settable": ["value"], "value": "0"}],
        "args": {"name": "", "description": "", "settable": None, "value": None},
        **config,
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content, mode in (
            ("config.json", json.dumps(whole).encode(), 0o644),
            ("rootfs/plugin", program(platform.machine()), 0o755),
            ("rootfs/unique", uuid.uuid4().bytes, 0o644),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()
