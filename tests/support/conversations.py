"""Conversations with an engine: small programs, whose tapes with real engines are in tests/tapes/engines.

Each is an async function, run in any world, that appends to a list what it learns. A stream's items are a list in it
(where there is a TTY one bytearray), which grows as they come; behind it stands how the stream ended.

    python -m tests.support.conversations [ENGINE...]        records them anew (root; tests/support/engines.py)
"""

from __future__ import annotations

import asyncio
import io
import sys
import tarfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dockerwire import APIError, StreamError, api
from dockerwire.drivers.asyncio import Client
from dockerwire.testing import Tape
from tests.support import engines

__all__ = ["CONVERSATIONS", "ENGINES", "Conversation", "everything", "path", "recorded", "tape"]

FOLDER = Path(__file__).parents[1] / "tapes" / "engines"
ENGINES = ("20.10", "28.5", "podman-5.8")
IMAGE = engines.IMAGE
NAME = "dw-tape"
LINES = ["sh", "-c", "echo one; echo two >&2; echo three; exit 3"]
_BOTH: Any = {"stdout": True, "stderr": True}

Conversation = Callable[[Any, "list[Any]"], Awaitable[None]]
CONVERSATIONS: dict[str, Conversation] = {}
MISSING = {
    ("20.10", "websocket"): "which streams are wanted cannot be said before 1.42",
    ("podman-5.8", "websocket"): "no such route",
    ("podman-5.8", "build"): "its builder needs more of the machine than is given to it here",
}
"""What could not be recorded, and why."""


def conversation(function: Conversation) -> Conversation:
    CONVERSATIONS[function.__name__.replace("_", "-")] = function
    return function


async def everything(items: Any, told: list[Any], framed: bool = True) -> None:
    """Everything of an open stream."""
    framed = framed and not items.tty
    got: Any = [] if framed else bytearray()
    told.append(got)
    while True:
        try:
            async for item in items:
                got.extend([item] if framed else getattr(item, "data", item))
            break
        except StreamError as error:
            got.append(str(error))
    told.append(items.ended)


async def _create(client: Any, command: list[str], **config: Any) -> str:
    host = {"NetworkMode": "none", **config.pop("HostConfig", {})}
    body: Any = {"Image": IMAGE, "Cmd": command, "HostConfig": host, **config}
    return str((await client.send(api.container_create(body, name=NAME)))["Id"])


async def _run(client: Any, command: list[str], **config: Any) -> str:
    """A container that has run to its end."""
    made = await _create(client, command, **config)
    await client.send(api.container_start(made))
    await client.send(api.container_wait(made))
    return made


async def _refused(client: Any, request: Any, told: list[Any]) -> None:
    try:
        told.append(await client.send(request))
    except APIError as error:
        told.append((error.status, error.message))


@conversation
async def version(client: Any, told: list[Any]) -> None:
    told.append(await client.send(api.system_version()))


@conversation
async def info(client: Any, told: list[Any]) -> None:
    told.append(await client.send(api.system_info()))


@conversation
async def lifecycle(client: Any, told: list[Any]) -> None:
    """Many small answers on one connection, most of them without a body."""
    made = await _create(client, ["sleep", "1000"], Env=["TOKEN=sesame"], Labels={"a": "b"})
    told.append(await client.send(api.container_start(made)))
    told.append(await client.send(api.container_start(made)))
    told.append(await client.send(api.container_rename(made, name=f"{NAME}-2")))
    told.append(await client.send(api.container_list(all=True)))
    told.append(await client.send(api.container_top(made)))
    told.append(await client.send(api.container_kill(made)))
    told.append(await client.send(api.container_wait(made)))
    told.append(await client.send(api.container_delete(made)))


@conversation
async def inspect(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["true"], Env=["TOKEN=sesame"])
    told.append(await client.send(api.container_inspect(made)))
    await client.send(api.container_delete(made))


@conversation
async def refusals(client: Any, told: list[Any]) -> None:
    await _refused(client, api.container_inspect("dw-nosuch"), told)
    await _refused(client, api.container_start("dw-nosuch"), told)
    await _refused(client, api.container_list(filters={"nosuch": ["x"]}), told)
    await _refused(client, api.container_create({"Image": "dw/nosuch:1"}), told)
    for opened in (
        client.stream(api.container_logs("dw-nosuch", **_BOTH, tty=False)),
        client.attach(api.container_attach("dw-nosuch", stream=True, **_BOTH, tty=False)),
    ):
        try:
            async with opened as items:
                await everything(items, told)
        except APIError as error:
            told.append((error.status, error.message))


@conversation
async def logs(client: Any, told: list[Any]) -> None:
    made = await _run(client, LINES)
    async with client.stream(api.container_logs(made, **_BOTH, tty=False)) as items:
        await everything(items, told)
    await client.send(api.container_delete(made))


@conversation
async def log_records(client: Any, told: list[Any]) -> None:
    made = await _run(client, LINES)
    async with client.stream(api.container_log_records(made, **_BOTH, tty=False)) as items:
        await everything(items, told)
    await client.send(api.container_delete(made))


@conversation
async def logs_tty(client: Any, told: list[Any]) -> None:
    """The client finds out by itself that there is a TTY."""
    made = await _run(client, LINES, Tty=True)
    async with client.stream(api.container_logs(made, **_BOTH)) as items:
        await everything(items, told)
    await client.send(api.container_delete(made))


@conversation
async def follow(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"])
    await client.send(api.container_start(made))
    async with client.stream(api.container_logs(made, **_BOTH, follow=True, tty=False)) as items:
        await everything(items, told)
    told.append(await client.send(api.container_wait(made)))
    await client.send(api.container_delete(made))


@conversation
async def attach(client: Any, told: list[Any]) -> None:
    """Attached before the start; stdin goes in, both streams come out, the exit is waited for beside it."""
    made = await _create(
        client, ["sh", "-c", "cat; echo end >&2"], OpenStdin=True, StdinOnce=True, AttachStdin=True, AttachStdout=True
    )
    async with (
        client.attach(api.container_attach(made, stream=True, stdin=True, **_BOTH, tty=False)) as session,
        client.stream(api.container_wait_stream(made, condition="next-exit")) as waiting,
    ):
        await client.send(api.container_start(made))
        await session.send(b"hello\n")
        await session.send_eof()
        await everything(session, told)
        await everything(waiting, told)
    await client.send(api.container_delete(made))


@conversation
async def attach_tty(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sh", "-c", "read line; echo got $line"], OpenStdin=True, Tty=True)
    async with client.attach(api.container_attach(made, stream=True, stdin=True, stdout=True, tty=True)) as session:
        await client.send(api.container_start(made))
        told.append(await client.send(api.container_resize(made, h=20, w=80)))
        await session.send(b"hello\n")
        await everything(session, told)
    await client.send(api.container_delete(made, force=True))


@conversation
async def websocket(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sh", "-c", "sleep 0.2; echo one; echo two >&2"])
    async with client.attach(api.container_attach_websocket(made, stream=True, **_BOTH)) as session:
        await client.send(api.container_start(made))
        await everything(session, told, framed=False)
    await client.send(api.container_delete(made, force=True))


@conversation
async def exec(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sleep", "1000"])
    await client.send(api.container_start(made))
    config: Any = {"Cmd": LINES, "AttachStdout": True, "AttachStderr": True, "Env": ["TOKEN=sesame"]}
    process = (await client.send(api.container_exec(made, config)))["Id"]
    async with client.attach(api.exec_start(process, tty=False)) as session:
        await everything(session, told)
    told.append((await client.send(api.exec_inspect(process)))["ExitCode"])
    await client.send(api.container_delete(made, force=True))


@conversation
async def exec_stdin(client: Any, told: list[Any]) -> None:
    """Half-close, and an answer that comes after it."""
    made = await _create(client, ["sleep", "1000"])
    await client.send(api.container_start(made))
    config: Any = {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
    process = (await client.send(api.container_exec(made, config)))["Id"]
    async with client.attach(api.exec_start(process, tty=False)) as session:
        await session.send(b"x" * 1000)
        await session.send_eof()
        await everything(session, told)
    await client.send(api.container_delete(made, force=True))


@conversation
async def exec_tty(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sleep", "1000"])
    await client.send(api.container_start(made))
    config: Any = {"Cmd": LINES, "AttachStdout": True, "AttachStderr": True, "Tty": True}
    process = (await client.send(api.container_exec(made, config)))["Id"]
    async with client.attach(api.exec_start(process)) as session:
        await everything(session, told)
    await client.send(api.container_delete(made, force=True))


@conversation
async def exec_detached(client: Any, told: list[Any]) -> None:
    made = await _create(client, ["sleep", "1000"])
    await client.send(api.container_start(made))
    process = (await client.send(api.container_exec(made, {"Cmd": ["true"]})))["Id"]
    told.append(await client.send(api.exec_start_detached(process)))
    await client.send(api.container_delete(made, force=True))
    await _refused(client, api.exec_inspect(process), told)


@conversation
async def events(client: Any, told: list[Any]) -> None:
    """What has happened, up to a time that is over."""
    made = await _run(client, ["true"])
    await client.send(api.container_delete(made))
    filters = {"container": made, "type": "container"}
    async with client.stream(api.system_events(since_ns=0, until_ns=time.time_ns(), filters=filters)) as items:
        await everything(items, told)


@conversation
async def stats(client: Any, told: list[Any]) -> None:
    """A stream that is left after its first item."""
    made = await _create(client, ["sleep", "1000"])
    await client.send(api.container_start(made))
    async with client.stream(api.container_stats(made)) as items:
        told.append(await items.__anext__())
    told.append(await client.send(api.container_stats_once(made)))
    await client.send(api.container_delete(made, force=True))


@conversation
async def archives(client: Any, told: list[Any]) -> None:
    """Uploads and archives; on a tape they are blank."""
    made = await _create(client, ["true"])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("greeting")
        entry.size = 6
        tar.addfile(entry, io.BytesIO(b"hello\n"))
    data = archive.getvalue()
    told.append(await client.send(api.put_container_archive(made, data, path="/tmp")))
    told.append(await client.send(api.container_archive_info(made, path="/tmp/greeting")))
    async with client.stream(api.container_archive(made, path="/tmp/greeting")) as items:
        told.append(sum([len(item) async for item in items]))
        told.append(items.ended)
    told.append(await client.send(api.container_changes(made)))
    await client.send(api.container_delete(made))


@conversation
async def images(client: Any, told: list[Any]) -> None:
    told.append(await client.send(api.image_list()))
    told.append(await client.send(api.image_tag(IMAGE, repo="dockerwire/tape", tag="2")))
    told.append(await client.send(api.image_history(IMAGE)))
    told.append(await client.send(api.image_inspect(IMAGE)))
    told.append(await client.send(api.image_delete("dockerwire/tape:2")))


@conversation
async def pull(client: Any, told: list[Any]) -> None:
    """Refused by a registry that is not there: with a status, or in a stream that began well."""
    try:
        async with client.stream(api.image_create(from_image="127.0.0.1:9/dw/nosuch", tag="1")) as items:
            await everything(items, told)
    except APIError as error:
        told.append((error.status, error.message))


@conversation
async def import_image(client: Any, told: list[Any]) -> None:
    """Documents that answer an upload in chunks."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    request = api.image_create(from_src="-", repo="dockerwire/tape", tag="3", body=iter([archive.getvalue()]))
    async with client.stream(request) as items:
        await everything(items, told)
    told.append(await client.send(api.image_delete("dockerwire/tape:3")))


@conversation
async def build(client: Any, told: list[Any]) -> None:
    archive = io.BytesIO()
    dockerfile = f"FROM {IMAGE}\nARG TOKEN\nLABEL a=b\n".encode()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
    request = api.image_build(archive.getvalue(), t=["dockerwire/tape:4"], buildargs={"TOKEN": "sesame"}, version="1")
    async with client.stream(request) as items:
        await everything(items, told)
    await client.send(api.image_delete("dockerwire/tape:4"))


@conversation
async def networks(client: Any, told: list[Any]) -> None:
    made = (await client.send(api.network_create({"Name": NAME, "Driver": "bridge"}))).get("Id", NAME)
    told.append(await client.send(api.network_inspect(made)))
    told.append(await client.send(api.network_list()))
    told.append(await client.send(api.network_delete(made)))


@conversation
async def volumes(client: Any, told: list[Any]) -> None:
    told.append(await client.send(api.volume_create({"Name": NAME, "Labels": {"a": "b"}})))
    told.append(await client.send(api.volume_list()))
    told.append(await client.send(api.volume_delete(NAME)))


@conversation
async def login(client: Any, told: list[Any]) -> None:
    """Credentials that nobody wants."""
    config: Any = {"username": "you", "password": "sesame", "serveraddress": "127.0.0.1:9"}
    await _refused(client, api.system_auth(config), told)


def path(engine: str, name: str) -> Path:
    return FOLDER / engine / f"{name}.tape"


def recorded() -> list[tuple[str, str]]:
    """The engines and conversations that there are tapes of."""
    return [(engine, name) for engine in ENGINES for name in CONVERSATIONS if (engine, name) not in MISSING]


def tape(engine: str, name: str) -> Tape:
    return Tape.load(path(engine, name))


async def _record(engine: engines.Engine, name: str) -> Tape:
    for leftover in (NAME, f"{NAME}-2"):
        engine.request("DELETE", f"/containers/{leftover}?force=1")
    made, told = Tape(), list[Any]()
    async with Client(engine.host, tape=made, timeout=30) as client:
        await CONVERSATIONS[name](client, told)
    return made


def main(names: list[str]) -> None:
    for engine_name in names or ENGINES:
        with engines.running(engine_name) as engine:
            for name in CONVERSATIONS:
                if (engine_name, name) in MISSING:
                    continue
                made = asyncio.run(_record(engine, name))
                path(engine_name, name).parent.mkdir(parents=True, exist_ok=True)
                made.save(path(engine_name, name))
                print(f"{engine_name:12} {name:14} {len(made.exchanges):3} exchanges {made.size:6} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
