"""``attach``: stdin and the output of a container that runs; and what ``run`` and ``start`` share with it."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from .. import api
from ..api.containers import Condition
from ..api.types import ContainerInspectResponse, ContainerWaitResponse
from ..drivers.sync import Client
from ..errors import APIError, NotFound, printable
from .interactive import (
    ENDING,
    FORWARDED,
    REQUEST_SECONDS,
    Conversation,
    Keys,
    Signals,
    add_detach_keys,
    add_sig_proxy,
    complain_of_no_terminal,
    detach_keys,
    is_a_terminal,
    raw_terminal,
    terminal_size,
)
from .terminal import complain

__all__ = ["add", "exit_code", "talk"]


def add(command: Any) -> None:
    parser = command("attach", attach)
    parser.add_argument("--no-stdin", action="store_true", help="do not send our stdin")
    add_detach_keys(parser)
    add_sig_proxy(parser)
    parser.add_argument("--raw", action="store_true", help="leave control characters as they are, also on a terminal")
    parser.add_argument("container")


def attach(client: Client, given: argparse.Namespace) -> int:
    found = client.containers.inspect(given.container)
    if (trouble := _not_attachable(found)) is not None:
        complain(trouble)
        return 1
    config = found["Config"]
    tty, takes_input = config.get("Tty", False), config.get("OpenStdin", False) and not given.no_stdin
    if takes_input and tty and not is_a_terminal():
        return complain_of_no_terminal()

    def attached() -> None:
        # One that has ended meanwhile would be waited for until it is started again.
        if (trouble := _not_attachable(client.containers.inspect(found["Id"]))) is not None:
            raise _NotAttachableError(trouble)
        if tty and (size := terminal_size()) is not None:
            # What has drawn its screen before draws it again when the size changes, and only then.
            with suppress(APIError):
                client.send(api.container_resize(found["Id"], h=size[0] + 1, w=size[1] + 1), timeout=REQUEST_SECONDS)

    try:
        ended = talk(
            client,
            found["Id"],
            attached,
            tty=tty,
            stdin=takes_input,
            keys=detach_keys(given.detach_keys) if tty and takes_input else None,
            # The end of our stdin ends the output too where it does not end the container's stdin.
            closes=config.get("StdinOnce", False),
            forwards=given.sig_proxy == "true" and not tty,
            condition="not-running",
            raw=given.raw,
        )
    except _NotAttachableError as error:
        complain(str(error))
        return 1
    if ended is None:
        complain("read escape sequence")
        return 1
    return exit_code(ended)


class _NotAttachableError(Exception):
    """It has ended, say, before we were there."""


def _not_attachable(found: ContainerInspectResponse) -> str | None:
    state = found["State"]
    if not state["Running"]:
        return "cannot attach to a stopped container, start it first"
    if state["Paused"]:
        return "cannot attach to a paused container, unpause it first"
    if state["Restarting"]:
        return "cannot attach to a restarting container, wait until it is running"
    return None


def talk(
    client: Client,
    id: str,
    begin: Callable[[], object],
    *,
    tty: bool,
    stdin: bool,
    keys: Keys | None,
    closes: bool,
    forwards: bool,
    condition: Condition = "next-exit",
    removes: bool = False,
    raw: bool,
) -> ContainerWaitResponse | None:
    """Attach to container `id`, `begin`, and talk with it until its end, which is returned; None: detached.

    What `begin` does happens when nothing can be missed any more. With `forwards` signals go to the container. With
    `removes` the engine removes the container at its end, and is waited for.
    """

    def resize(height: int, width: int) -> None:
        client.send(api.container_resize(id, h=height, w=width), timeout=REQUEST_SECONDS)

    def kill(number: int) -> None:
        client.send(api.container_kill(id, signal=signal.Signals(number).name), timeout=REQUEST_SECONDS)

    try:
        with ExitStack() as stack:
            signals = stack.enter_context(Signals(FORWARDED if forwards else ENDING, forced=forwards))
            if keys is not None:
                stack.enter_context(raw_terminal())
            request = api.container_attach(
                id, stream=True, stdin=stdin, stdout=True, stderr=True, detach_keys=keys and keys.text, tty=tty
            )
            session = stack.enter_context(client.attach(request))
            waiting = stack.enter_context(client.stream(api.container_wait_stream(id, condition=condition)))
            begin()
            conversation = Conversation(
                session,
                signals,
                stdin=stdin,
                keys=keys and keys.codes,
                raw=raw,
                closes=closes,
                resize=resize if tty else None,
                kill=kill if forwards else None,
                waiting=waiting,
            )
            conversation.run()
    except KeyboardInterrupt:
        if forwards:
            complain("the third signal ends this command, and the container goes on")
        raise
    if conversation.detached:
        return None
    if removes:
        with suppress(NotFound):  # it was faster
            client.containers.wait(id, condition="removed")  # Podman 4 would not have told the exit code by this
    return conversation.ended


def exit_code(ended: ContainerWaitResponse) -> int:
    """Of a container; what the engine could not wait for is told."""
    if (error := ended.get("Error")) is not None:
        complain(f"waiting for the container: {printable(error['Message'])}")
        return 125
    return ended["StatusCode"]
