"""Images to a registry and from it, with credentials and without."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.files import archive_of
from tests.support.worlds import World, scenario

from dockerwire import (
    APIError,
    Client,
    NotFound,
    RegistryAuth,
    ServerError,
    StreamError,
    Unauthorized,
    UnsupportedVersion,
    api,
)
from dockerwire.api.types import BuildInfo, CreateImageInfo, DistributionInspect, OCIPlatform, PushImageInfo

Run = Callable[..., str]
RIGHT, WRONG = RegistryAuth("bob", "s3cret"), RegistryAuth("bob", "wrong")
TAG = "one"


@pytest.fixture
def name(engine: Engine, run_container: Run) -> Iterator[str]:
    """The name of an image, with a layer of its own, in the registry that everyone may use. It is not there yet."""
    yield from _image(engine, run_container, engine.registry())


@pytest.fixture
def private_name(engine: Engine, run_container: Run) -> Iterator[str]:
    """As `name`, in the registry that wants credentials."""
    yield from _image(engine, run_container, engine.registry("bob", "s3cret"))


def _image(engine: Engine, run_container: Run, registry: str) -> Iterator[str]:
    name = f"{registry}/dockerwire/{uuid.uuid4()}"
    container = run_container("true", start=False)
    layer = archive_of({"data": random.randbytes(2 * 1024 * 1024)})
    status, _ = engine.request(
        "PUT", f"/containers/{container}/archive?path=/", layer, content_type="application/x-tar"
    )
    assert status == 200
    engine.call("POST", f"/commit?container={container}&repo={name}&tag={TAG}")
    engine.request("DELETE", f"/containers/{container}")
    yield name
    engine.request("DELETE", f"/images/{name}:{TAG}")


async def read(client: Any, request: Any, shape: Any) -> list[Any]:
    async with client.stream(request) as progress:
        documents = [document async for document in progress]
        assert progress.ended == "framed"
    check(documents, list[shape])
    return documents


async def push(client: Any, name: str, auth: RegistryAuth | None = None) -> str:
    """The digest, as the last document tells it."""
    documents = await read(client, api.image_push(name, tag=TAG, auth=auth), PushImageInfo)
    assert any(document.get("progressDetail", {}).get("current", 0) > 0 for document in documents)
    assert documents[-1]["aux"]["Tag"] == TAG
    return str(documents[-1]["aux"]["Digest"])


async def pull(client: Any, name: str, auth: RegistryAuth | None = None, tag: str | None = TAG) -> list[Any]:
    return await read(client, api.image_create(from_image=name, tag=tag, auth=auth), CreateImageInfo)


@scenario
async def test_push_and_pull(world: World, engine: Engine, name: str) -> None:
    async with world.client(engine.host) as client:
        digest = await push(client, name)
        found = await client.send(api.distribution_inspect(f"{name}:{TAG}"))
        check(found, DistributionInspect)
        assert found["Descriptor"]["digest"] == digest
        assert [platform["os"] for platform in found["Platforms"]] == ["linux"]

        await client.send(api.image_delete(f"{name}:{TAG}"))
        documents = await pull(client, name, tag=digest)
        assert any(document.get("progressDetail", {}).get("current", 0) > 0 for document in documents)
        assert f"Digest: {digest}" in [document.get("status") for document in documents]
        assert "Downloaded newer image" in documents[-1]["status"]
        await client.send(api.image_inspect(f"{name}@{digest}"))
        await pull(client, name)
        assert "Image is up to date" in (await pull(client, name))[-1]["status"]
        await client.send(api.image_delete(f"{name}@{digest}"))


@scenario
async def test_with_credentials(world: World, engine: Engine, private_name: str) -> None:
    name, unauthorized = private_name, r"unauthorized: authentication required|no basic auth credentials"
    async with world.client(engine.host) as client:
        for auth in (None, WRONG):
            with pytest.raises(StreamError, match=unauthorized):
                await push(client, name, auth)
        digest = await push(client, name, RIGHT)
        for auth in (None, WRONG):
            with pytest.raises((Unauthorized, ServerError), match=unauthorized):
                await client.send(api.distribution_inspect(name, auth=auth))
        found = await client.send(api.distribution_inspect(f"{name}:{TAG}", auth=RIGHT))
        assert found["Descriptor"]["digest"] == digest

        await client.send(api.image_delete(f"{name}:{TAG}"))
        for auth in (None, WRONG):
            with pytest.raises((Unauthorized, ServerError), match=unauthorized):
                await pull(client, name, auth)
        assert "Downloaded newer image" in (await pull(client, name, RIGHT))[-1]["status"]


def test_all_tags(engine: Engine, client: Client, name: str) -> None:
    client.images.tag(f"{name}:{TAG}", repo=name, tag="two")
    with client.images.push(name) as progress:
        documents: list[Any] = list(progress)
    pushed = [document["aux"]["Tag"] for document in documents if "aux" in document]
    assert sorted(pushed) == [TAG, "two"]
    for tag in pushed:
        client.images.delete(f"{name}:{tag}")
    with client.images.create(from_image=name) as progress:
        check(list(progress), list[CreateImageInfo])
    for tag in pushed:
        client.images.inspect(f"{name}:{tag}")
    client.images.delete(f"{name}:two")


def test_headers_for_the_registry(engine: Engine, client: Client, name: str) -> None:
    """The engine passes them on; here it is enough that neither the engine nor the registry minds."""
    with client.images.push(name, tag=TAG, meta={"Trace": "1"}) as progress:
        assert "aux" in list(progress)[-1]
    with client.images.create(from_image=name, tag=TAG, meta={"Trace": "1"}) as progress:
        assert "up to date" in list(progress)[-1].get("status", "")


def test_platforms(engine: Engine, client: Client, name: str) -> None:
    architecture = client.images.inspect(engine.image)["Architecture"]
    ours: OCIPlatform = {"os": "linux", "architecture": architecture}
    other: OCIPlatform = {"os": "linux", "architecture": "mips64le"}
    if engine.api >= (1, 46):
        wrong = client.images.push(name, tag=TAG, platform=other)
        with pytest.raises(NotFound, match="does not match the specified platform"), wrong:
            pass
        with client.images.push(name, tag=TAG, platform=ours) as progress:
            assert "aux" in list(progress)[-1]
    else:
        with (
            pytest.raises(UnsupportedVersion, match=r"platform needs API 1\.46"),
            client.images.push(name, platform=ours),
        ):
            pass
        with client.images.push(name, tag=TAG) as progress:
            list(progress)
    client.images.delete(f"{name}:{TAG}")
    with client.images.create(from_image=name, tag=TAG, platform=f"linux/{architecture}") as progress:
        assert "Downloaded" in list(progress)[-1].get("status", "")
    # What is there and does not fit is no error (20.10), one inside the stream (26.1) or a warning there (28.5).
    with client.images.create(from_image=name, tag=TAG, platform="linux/mips64le") as progress:
        told: list[str] = []
        error = ""
        try:
            told.extend(document.get("status", "") for document in progress)
        except StreamError as raised:
            error = raised.message
    assert ("does not match the specified platform" in error) is ((1, 42) <= engine.api < (1, 47))
    assert told


def test_refusals(engine: Engine, client: Client, name: str) -> None:
    registry = engine.registry()
    with pytest.raises(NotFound, match="manifest unknown"), client.images.create(from_image=name, tag="no-such"):
        pass
    with pytest.raises(NotFound, match="manifest unknown"):
        client.distribution.inspect(f"{registry}/dockerwire/no-such:1")
    missing = client.images.push(f"{registry}/dockerwire/no-such", tag="1")
    # The engine has begun to tell before it looks.
    with missing as progress, pytest.raises(StreamError, match="does not exist locally") as caught:
        list(progress)
    assert caught.value.detail["errorDetail"]["message"] == caught.value.message
    # Nobody listens on port 1. Engines say so by the status, or in the stream when they have begun to tell.
    with (
        pytest.raises((APIError, StreamError), match=r"127\.0\.0\.1:1"),
        client.images.create(from_image="127.0.0.1:1/nothing", tag="latest") as progress,
    ):
        list(progress)


def test_a_build_from_a_private_image(engine: Engine, client: Client, private_name: str) -> None:
    with client.images.push(private_name, tag=TAG, auth=RIGHT) as pushed:
        assert "aux" in list(pushed)[-1]
    client.images.delete(f"{private_name}:{TAG}")
    context = archive_of({"Dockerfile": f"FROM {private_name}:{TAG}\nLABEL built=1\n".encode()})
    registry = engine.registry("bob", "s3cret")
    for configs in (None, {registry: WRONG}, {"other.test": RIGHT}):
        build = client.images.build(context, pull=True, registry_config=configs)
        with build as progress, pytest.raises(StreamError, match=r"authentication required|no basic auth credentials"):
            list(progress)
    # BuildKit does not look at them: it asks the session, which is not there.
    build = client.images.build(context, version="2", pull=True, registry_config={registry: RIGHT})
    with build as progress, pytest.raises(StreamError, match="no active sessions"):
        list(progress)

    build = client.images.build(context, pull=True, registry_config={registry: RIGHT}, t=[private_name])
    with build as progress:
        check(list(progress), list[BuildInfo])
    assert (client.images.inspect(private_name)["Config"].get("Labels") or {})["built"] == "1"
    client.images.delete(private_name)
