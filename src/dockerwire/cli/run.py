"""``run``: a container of its own for one command."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import Any

from .. import reference
from ..api.types import ContainerCreateConfig, HostConfig
from ..drivers.sync import Client
from ..errors import APIError, ConnectionLost, DockerWireError, NotFound, Truncated
from .attach import exit_code, talk
from .interactive import (
    add_detach_keys,
    add_process,
    add_sig_proxy,
    complain_of_no_terminal,
    console_size,
    detach_keys,
    is_a_terminal,
    process,
)
from .pull import fetching
from .terminal import complain, safe

_ENGINE, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127


def add(command: Any) -> None:
    parser = command("run", run)
    add_process(parser)
    parser.add_argument("--rm", action="store_true", help="remove the container when it has ended")
    parser.add_argument("-d", "--detach", action="store_true", help="do not wait for it: print its id")
    parser.add_argument("--name", help="of the container")
    parser.add_argument("-v", "--volume", action="append", default=[], metavar="[SOURCE:]PATH[:OPTIONS]")
    parser.add_argument("--network", metavar="NAME")
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="in place of the image's; '' for none")
    parser.add_argument(
        "--pull", choices=("never", "missing", "always"), default="never", help="the image first (default: never)"
    )
    add_detach_keys(parser)
    add_sig_proxy(parser)
    parser.add_argument("--raw", action="store_true", help="leave control characters as they are, also on a terminal")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)


def run(client: Client, given: argparse.Namespace) -> int:
    """125 for what went wrong before the command could run, 126 and 127 where it cannot be run or is not there."""
    try:
        return _run(client, given)
    except (ConnectionLost, Truncated) as error:
        complain(f"the engine went away: {error}")
    except (DockerWireError, ValueError) as error:
        complain(str(error))
    return _ENGINE


def _run(client: Client, given: argparse.Namespace) -> int:
    takes_input = given.interactive and not given.detach
    if takes_input and given.tty and not is_a_terminal():
        return complain_of_no_terminal()
    keys = detach_keys(given.detach_keys) if takes_input and given.tty else None
    config = _config(client, given)
    if given.pull == "always":
        _pull(client, given.image)
    try:
        id = _create(client, given, config)
    except NotFound as error:
        if "image" not in error.message.lower():
            raise
        name = safe(given.image)
        complain(f"run: no image {name} here: get it by dockerwire pull {name}, or let run do it by --pull missing")
        return _ENGINE
    started = False

    def start() -> None:
        nonlocal started
        try:
            client.containers.start(id)
        except APIError as error:
            raise _NotStartedError(error) from error
        started = True

    try:
        if given.detach:
            start()
            print(id)
            return 0
        ended = talk(
            client,
            id,
            start,
            tty=given.tty,
            stdin=takes_input,
            keys=keys,
            closes=True,
            forwards=given.sig_proxy == "true",
            removes=given.rm,
            raw=given.raw,
        )
    except _NotStartedError as error:
        complain(str(error))
        return error.code
    finally:
        if given.rm and not started:
            with suppress(DockerWireError):  # engines differ in whether they have removed it already
                client.containers.delete(id, force=True, v=True)
    return 0 if ended is None else exit_code(ended)


class _NotStartedError(Exception):
    """A refusal of the start; `code` is that of a shell (docker/cli ``toStatusError``)."""

    def __init__(self, refusal: APIError) -> None:
        super().__init__(str(refusal))
        self.code = _ENGINE
        if any(text in refusal.message for text in ("executable file not found", "no such file or directory")):
            self.code = _NOT_FOUND
        elif any(text in refusal.message for text in ("permission denied", "is a directory")):
            self.code = _NOT_EXECUTABLE


def _config(client: Client, given: argparse.Namespace) -> ContainerCreateConfig:
    config: ContainerCreateConfig = {"Image": given.image, "Tty": given.tty, "OpenStdin": given.interactive}
    host: HostConfig = {"AutoRemove": given.rm}
    if not given.detach:
        config["AttachStdout"] = config["AttachStderr"] = True
        config["AttachStdin"] = config["StdinOnce"] = given.interactive
        if given.tty and (size := console_size(client)) is not None:
            host["ConsoleSize"] = size
    if given.command:
        config["Cmd"] = given.command
    if given.entrypoint is not None:
        config["Entrypoint"] = [given.entrypoint]
    if binds := [_bind(volume) for volume in given.volume if ":" in volume]:
        host["Binds"] = binds
    if anonymous := [volume for volume in given.volume if ":" not in volume]:
        config["Volumes"] = {path: {} for path in anonymous}
    if given.network is not None:
        host["NetworkMode"] = given.network
    return {**config, **process(given), "HostConfig": host}


def _bind(volume: str) -> str:
    """A folder of ours may be said relative to where we are, beginning with a dot; anything else is a volume's name."""
    source, _, rest = volume.partition(":")
    if source in (".", "..") or source.startswith(("./", "../")):
        source = os.path.abspath(source)  # noqa: PTH100  as it is written: a link in it is the engine's to follow
    return f"{source}:{rest}"


def _create(client: Client, given: argparse.Namespace, config: ContainerCreateConfig) -> str:
    try:
        return client.containers.create(config, name=given.name)["Id"]
    except NotFound as error:
        if given.pull != "missing" or "image" not in error.message.lower():
            raise
    _pull(client, given.image)
    return client.containers.create(config, name=given.name)["Id"]


def _pull(client: Client, image: str) -> None:
    """Without a word on stdout, which is the container's."""
    named = reference.parse(image)
    complain(f"pulling {named.familiar}")
    if not (named.tag or named.digest):
        named = named._replace(tag="latest")
    with client.stream(fetching(named)) as told:
        for _ in told:
            pass
