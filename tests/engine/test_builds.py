"""Builds by the classic builder and by BuildKit: contexts, parameters, failures, cancelling."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.files import archive_of, served, uploads
from tests.support.memory import measured
from tests.support.worlds import World, scenario

from dockerwire import APIError, BadRequest, Client, NotFound, ServerError, StreamError, api
from dockerwire.api.types import BuildInfo

Run = Callable[..., str]
MIB = 1024 * 1024
QUICK: Any = {"networkmode": "none"}  # to set up a network takes longer than most commands here
BOTH = pytest.mark.parametrize("builder", ["1", "2"], ids=["classic", "buildkit"])


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of an image that is not there yet, and is gone after the test."""
    name = f"dockerwire/build:{uuid.uuid4()}"
    yield name
    engine.request("DELETE", f"/images/{name}?force=1")


def context(engine: Engine, *lines: str, **files: bytes) -> bytes:
    """One with this Dockerfile, which begins with the image of the tests."""
    dockerfile = "\n".join([f"FROM {engine.image} AS first", *lines, ""])
    return archive_of({"Dockerfile": dockerfile.encode(), **files})


def output(documents: list[Any]) -> str:
    """What the commands wrote, by either builder: BuildKit's is somewhere in the bytes of its traces."""
    traces = [base64.b64decode(one["aux"]) for one in documents if one.get("id") == "moby.buildkit.trace"]
    return "".join(one.get("stream", "") for one in documents) + b"\n".join(traces).decode("latin-1")


async def build(client: Any, body: Any, **parameters: Any) -> list[Any]:
    async with client.stream(api.image_build(body, **{**QUICK, **parameters})) as progress:
        documents = [document async for document in progress]
        assert progress.ended == "framed"
    check(documents, list[BuildInfo])
    return documents


def build_now(client: Client, body: bytes, **parameters: Any) -> list[Any]:
    with client.images.build(body, **{**QUICK, **parameters}) as progress:
        documents = list(progress)
    check(documents, list[BuildInfo])
    return documents


def image_id(documents: list[Any]) -> str:
    """As the last document with one tells it."""
    return str([one["aux"]["ID"] for one in documents if isinstance(one.get("aux"), dict)][-1])


@BOTH
@scenario
async def test_contexts(world: World, engine: Engine, name: str, builder: Any) -> None:
    data = context(engine, "COPY big /big", big=uuid.uuid4().bytes * 20_000)
    async with world.client(engine.host) as client:
        for way, body in uploads(world, data):
            documents = await build(client, body, version=builder, t=[name], labels={"way": way})
            found = await client.send(api.image_inspect(name))
            assert found["Config"]["Labels"] == {"way": way}
            assert found["Id"] == image_id(documents)
            await client.send(api.image_delete(name))


@BOTH
def test_all_that_can_be_said(engine: Engine, client: Client, name: str, builder: Any) -> None:
    show = (
        "limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes);"
        " echo memory=$limit files=$(ulimit -n) shm=$(df -k /dev/shm | awk 'END { print $2 }') cpus=$(nproc)"
        " links=$(ip -o link | wc -l) host=$(awk '/h.test/ { print $1 }' /etc/hosts) given=$GIVEN default=$DEFAULT"
    )
    dockerfile = (
        f"FROM {engine.image} AS first\nARG GIVEN=no\nARG DEFAULT=default\nRUN {show}\n"
        "FROM first AS wanted\nCOPY file /file\nFROM first AS other\nRUN false\n"
    )
    body = archive_of({"folder/Docker file": dockerfile.encode(), "file": b"data"})
    architecture = client.images.inspect(engine.image)["Architecture"]
    second = f"{name}-2"
    documents = build_now(
        client,
        body,
        version=builder,
        dockerfile="folder/Docker file",
        t=[name, second],
        buildargs={"GIVEN": "ä b", "DEFAULT": None},
        labels={name: "x=y", "quote": '"'},
        target="wanted",
        platform=f"linux/{architecture}",
        q=False,
        nocache=True,
        pull=False,
        rm=True,
        forcerm=True,
        extrahosts=["h.test:192.0.2.4"],
        memory=64 * MIB,
        memswap=-1,
        cpushares=100,
        cpusetcpus="0",
        cpusetmems="0",
        cpuperiod=100_000,
        cpuquota=50_000,
        shmsize=MIB,
        networkmode="none",
        ulimits=[{"Name": "nofile", "Soft": 100, "Hard": 200}],
        isolation="default",
        session="none" if builder == "1" else None,
        buildid=name,
    )
    shown = output(documents)
    for found in (client.images.inspect(name), client.images.inspect(second)):
        assert found["Id"] == image_id(documents)
        assert found["Config"]["Labels"] == {name: "x=y", "quote": '"'}
    client.images.delete(second)
    said = "given=ä b" if builder == "1" else "given=ä b".encode().decode("latin-1")
    expected = ["links=1 ", "host=192.0.2.4", said, "default=default"]
    if builder == "1":
        expected += [f"memory={64 * MIB} ", "files=100 ", "shm=1024 ", "cpus=1 "]
    elif engine.api >= (1, 42):
        expected += ["files=100 ", "shm=1024 "]
    assert [one for one in expected if one not in shown] == [], shown


@BOTH
def test_quiet(engine: Engine, client: Client, builder: Any) -> None:
    documents = build_now(client, context(engine, f"LABEL a={uuid.uuid4()}"), version=builder, q=True)
    image = documents[0]["stream"].strip()
    assert documents == [{"stream": f"{image}\n"}]
    client.images.delete(image)


@BOTH
def test_cache(engine: Engine, client: Client, name: str, builder: Any) -> None:
    body = context(engine, f"LABEL a={name}", "RUN cat /proc/sys/kernel/random/uuid > /new")
    first = image_id(build_now(client, body, version=builder, t=[name]))
    assert image_id(build_now(client, body, version=builder, cachefrom=[name])) == first
    assert image_id(build_now(client, body, version=builder, nocache=False)) == first
    again = image_id(build_now(client, body, version=builder, nocache=True))
    assert again != first
    client.images.delete(again)


def test_containers_that_are_left(engine: Engine, client: Client) -> None:
    label = f"dockerwire.test.{uuid.uuid4()}"

    def left() -> list[str]:
        return [one["Id"] for one in client.containers.list(all=True, filters={"label": label})]

    body = context(engine, f"LABEL {label}=1", "RUN true", "RUN false")
    for rm, forcerm, count in ((True, True, 0), (True, False, 1), (False, False, 3)):
        with pytest.raises(StreamError):
            build_now(client, body, rm=rm, forcerm=forcerm, nocache=not rm)
        assert len(left()) == count, (rm, forcerm)
        for container in left():
            client.containers.delete(container)


def test_squash(engine: Engine, client: Client, name: str) -> None:
    body = context(engine, "RUN echo 1 > /one", "RUN echo 2 > /two")
    if not client.system.ping().experimental:
        with pytest.raises(BadRequest, match="squash is only supported with experimental"):
            build_now(client, body, squash=True)
        return
    build_now(client, body, squash=True, t=[name])
    layers = [len(client.images.inspect(image)["RootFS"]["Layers"]) for image in (engine.image, name)]
    assert layers == [1, 2]


@BOTH
def test_a_remote_context(engine: Engine, client: Client, run_container: Run, name: str, builder: Any) -> None:
    label = f"LABEL way={uuid.uuid4()}"
    files = {"context.tar": context(engine, "COPY file /file", file=b"data"), "Dockerfile": b""}
    files["Dockerfile"] = f"FROM {engine.image}\n{label}\n".encode()
    url = served(engine, run_container, files)
    for file, expected in (("context.tar", None), ("Dockerfile", {"way": label.partition("=")[2]})):
        documents = []
        with client.images.build(remote=f"{url}/{file}", version=builder, t=[name]) as progress:
            documents = list(progress)
        found = client.images.inspect(name)
        assert found["Id"] == image_id(documents)
        assert (found["Config"].get("Labels") or None) == expected
    missing = client.images.build(remote=f"{url}/no-such", version=builder)
    with pytest.raises((NotFound, StreamError), match="404"), missing as progress:
        list(progress)


def test_outputs(engine: Engine, client: Client, name: str) -> None:
    body = context(engine, f"LABEL a={name}")
    documents = build_now(client, body, version="2", outputs=[{"Type": "moby", "Attrs": {"name": name}}])
    assert client.images.inspect(name)["Id"] == image_id(documents)


@BOTH
@scenario
async def test_failures(world: World, engine: Engine, name: str, builder: Any) -> None:
    classic = builder == "1"

    async def fails(*lines: str, **parameters: Any) -> Any:
        with pytest.raises((APIError, StreamError)) as caught:
            await build(client, context(engine, *lines), version=builder, t=[name], **parameters)
        return caught.value

    async with world.client(engine.host) as client:
        async with client.stream(api.image_build(context(engine, "RUN exit 7"), version=builder)) as progress:
            with pytest.raises(StreamError, match=r"code: 7") as caught:
                async for _ in progress:
                    pass
            assert caught.value.code == (7 if classic else None)
            assert caught.value.detail["error"] == caught.value.message
            assert [document async for document in progress] == []
            assert progress.ended == "framed"
        # The classic builder reads the Dockerfile before it answers, BuildKit afterwards.
        refusal = BadRequest if classic else StreamError
        for error in (await fails("NO SUCH"), await fails(target="no-such")):
            assert type(error) is refusal, error
        missing = await fails(dockerfile="no-such")
        assert type(missing) is (ServerError if classic else StreamError), missing
        assert isinstance(await fails(securityopt=["no-new-privileges"]), BadRequest)
        with pytest.raises(ServerError if classic else StreamError):
            await build(client, b"", version=builder)
        with pytest.raises(NotFound):
            await client.send(api.image_inspect(name))


def test_a_context_never_sits_whole_in_memory(engine: Engine, client: Client, name: str) -> None:
    archive = context(engine, zeros=bytes(32 * MIB))
    pieces = (archive[start : start + 65536] for start in range(0, len(archive), 65536))
    with measured() as memory, client.images.build(pieces, t=[name]) as progress:
        assert "Successfully" in list(progress)[-1].get("stream", "")
    assert memory.peak < 4 * MIB


@scenario
async def test_cancelled_by_another(world: World, engine: Engine) -> None:
    """`begun` is in the log of the command only, whose text is in the traces before it starts."""
    body, buildid = context(engine, f"RUN echo {uuid.uuid4()}; echo be''gun; sleep 60"), str(uuid.uuid4())
    async with world.client(engine.host) as client:
        started = time.monotonic()
        async with client.stream(api.image_build(body, version="2", buildid=buildid)) as progress:
            async for document in progress:
                if "begun" in output([document]):
                    break
            assert await client.send(api.build_cancel(id=buildid)) is None
            with pytest.raises(StreamError, match="cancel"):
                async for _ in progress:
                    pass
        assert time.monotonic() - started < 30
        assert await client.send(api.build_cancel(id="no-such")) is None
        with pytest.raises((BadRequest, ServerError), match="build ID not provided"):
            await client.send(api.build_cancel(id=""))


@scenario
async def test_cancelled_by_leaving_the_classic_builder(world: World, engine: Engine) -> None:
    label = f"dockerwire.test.{uuid.uuid4()}"
    body = context(engine, f"LABEL {label}=1", "RUN echo be''gun; sleep 60")
    filters = {"label": label}
    async with world.client(engine.host) as client:
        async with client.stream(api.image_build(body, forcerm=True)) as progress:
            async for document in progress:
                if "begun" in document.get("stream", ""):
                    break
            assert len(await client.send(api.container_list(all=True, filters=filters))) == 1
        limit = time.monotonic() + 30
        while await client.send(api.container_list(all=True, filters=filters)):
            assert time.monotonic() < limit, "the build goes on"


@scenario
async def test_cancelled_by_leaving_buildkit(world: World, engine: Engine) -> None:
    """The lock on a cache, which the command that is cut off holds, is free for another one then."""
    key = uuid.uuid4()
    mount = f"RUN --mount=type=cache,id={key},target=/cache,sharing=locked"
    async with world.client(engine.host) as client:
        body = context(engine, f"{mount} echo {key} > /cache/key; echo be''gun; sleep 60")
        async with client.stream(api.image_build(body, version="2")) as progress:
            async for document in progress:
                if "begun" in output([document]):
                    break
        started = time.monotonic()
        body = context(engine, f"{mount} echo {uuid.uuid4()} found $(cat /cache/key)")
        documents = await build(client, body, version="2")
        assert f"found {key}" in output(documents)
        assert time.monotonic() - started < 30
