"""``exec``: a command in a container, with pipes or in a terminal."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from typing import Any

from .. import api
from ..api.types import ExecConfig, ExecStartConfig
from ..drivers.sync import Client
from ..errors import ConnectionLost
from .interactive import (
    ENDING,
    REQUEST_SECONDS,
    Conversation,
    Signals,
    add_detach_keys,
    add_process,
    complain_of_no_terminal,
    console_size,
    detach_keys,
    is_a_terminal,
    process,
    raw_terminal,
)
from .terminal import complain

_GRACE = 2.0  # seconds that an engine may take to notice the end of a command whose output has ended


def add(command: Any) -> None:
    parser = command("exec", run)
    add_process(parser)
    parser.add_argument("-d", "--detach", action="store_true", help="do not wait for it")
    parser.add_argument("--privileged", action="store_true")
    add_detach_keys(parser)
    parser.add_argument("--raw", action="store_true", help="leave control characters as they are, also on a terminal")
    parser.add_argument("container")
    parser.add_argument("command", nargs=argparse.REMAINDER)


def run(client: Client, given: argparse.Namespace) -> int:
    if not given.command:
        complain("exec: a command is needed")
        return 2
    takes_input = given.interactive and not given.detach
    if takes_input and given.tty and not is_a_terminal():
        return complain_of_no_terminal()
    keys = detach_keys(given.detach_keys) if takes_input and given.tty else None
    config: ExecConfig = {"Cmd": given.command}
    start: ExecStartConfig = {"Tty": given.tty}
    if not given.detach:
        config["AttachStdout"] = config["AttachStderr"] = True
    if takes_input:
        config["AttachStdin"] = True
    if given.tty:
        config["Tty"] = True
        if keys is not None and keys.text is not None:
            config["DetachKeys"] = keys.text
        if (size := console_size(client)) is not None:
            config["ConsoleSize"] = start["ConsoleSize"] = size
    if given.privileged:
        config["Privileged"] = True
    exec_id = client.containers.exec(given.container, {**config, **process(given)})["Id"]
    if given.detach:
        client.exec.start_detached(exec_id, start)
        return 0

    def resize(height: int, width: int) -> None:
        client.send(api.exec_resize(exec_id, h=height, w=width), timeout=REQUEST_SECONDS)

    with ExitStack() as stack:
        session = stack.enter_context(client.attach(api.exec_start(exec_id, start)))
        signals = stack.enter_context(Signals(ENDING))
        if keys is not None:
            stack.enter_context(raw_terminal())
        conversation = Conversation(
            session,
            signals,
            stdin=takes_input,
            keys=keys and keys.codes,
            raw=given.raw,
            resize=resize if given.tty else None,
        )
        conversation.run()
    if conversation.detached:
        complain("read escape sequence")
        return 1
    return _exit_code(client, exec_id)


def _exit_code(client: Client, exec_id: str) -> int:
    """Of a command whose output has ended."""
    deadline = time.monotonic() + _GRACE
    while True:
        found = client.exec.inspect(exec_id)
        if not found["Running"] and found["ExitCode"] is not None:
            return found["ExitCode"]
        if time.monotonic() > deadline:
            raise ConnectionLost("the output has ended, but the command still runs", "body")
        time.sleep(0.01)
