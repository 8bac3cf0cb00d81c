"""Images: made, named, saved, loaded and deleted; and the answers against their types."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.files import archive_of, files_in, served, uploads
from tests.support.memory import measured
from tests.support.worlds import World, scenario

from dockerwire import (
    APIError,
    BadRequest,
    Client,
    Conflict,
    NotFound,
    RegistryAuth,
    ServerError,
    StreamError,
    UnsupportedVersion,
    api,
)
from dockerwire.api.types import (
    BuildInfo,
    ContainerConfig,
    CreateImageInfo,
    IDResponse,
    ImageDeleteResponseItem,
    ImageHistoryResponseItem,
    ImageInspect,
    ImageSearchResponseItem,
    ImageSummary,
    OCIPlatform,
)

Run = Callable[..., str]
MIB = 1024 * 1024
MISSING = "dockerwire/there-is-no-such"


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of an image that is not there yet, and is gone after the test."""
    name = f"dockerwire/image-{uuid.uuid4()}:one"
    yield name
    engine.request("DELETE", f"/images/{name}?force=1")


@pytest.fixture
def ours(engine: Engine, client: Client) -> OCIPlatform:
    """The platform of the tests' image."""
    found = client.images.inspect(engine.image)
    return {"os": found["Os"], "architecture": found["Architecture"]}


OTHER: OCIPlatform = {"os": "linux", "architecture": "mips64le"}


@scenario
async def test_import(world: World, engine: Engine, name: str) -> None:
    repo, _, tag = name.rpartition(":")
    layer = archive_of({"file": random.Random(1).randbytes(MIB)})
    async with world.client(engine.host) as client:
        for way, body in uploads(world, layer):
            request = api.image_create(
                from_src="-", repo=repo, tag=tag, message=way, changes=["ENV A=1", 'CMD ["x"]'], body=body
            )
            async with client.stream(request) as progress:
                told = [document async for document in progress]
            check(told, list[CreateImageInfo])
            found = await client.send(api.image_inspect(name))
            check(found, ImageInspect)
            assert (found["RepoTags"], found["Comment"]) == ([name], way)
            assert (found["Config"]["Env"], found["Config"]["Cmd"]) == (["A=1"], ["x"])
            assert any(found["Id"] in document.get("status", "") for document in told)
            await client.send(api.image_delete(name))


def test_import_from_an_address(engine: Engine, client: Client, run_container: Run, name: str) -> None:
    url = served(engine, run_container, {"layer.tar": archive_of({"file": b"data"})})
    repo, _, tag = name.rpartition(":")
    with client.images.create(from_src=f"{url}/layer.tar", repo=repo, tag=tag, platform="linux") as progress:
        told = list(progress)
    check(told, list[CreateImageInfo])
    found = client.images.inspect(name)
    assert found["Id"] in told[-1].get("status", "")
    assert found["Os"] == "linux"
    missing = client.images.create(from_src=f"{url}/no-such", repo=repo)
    with pytest.raises((APIError, StreamError), match="404"), missing as progress:
        list(progress)


def test_the_list(engine: Engine, client: Client, name: str) -> None:
    repo, _, tag = name.rpartition(":")
    client.images.tag(engine.image, repo=repo, tag=tag)
    asked: list[dict[str, Any]] = [
        {"all": True, "filters": {"reference": repo, "dangling": False}},
        {"digests": True, "filters": {"reference": f"{repo}:*"}},
    ]
    for parameters in asked:
        listed = client.images.list(**parameters)
        check(listed, list[ImageSummary])
        assert [image["RepoTags"] for image in listed] == [[name]], parameters
    assert client.images.list(filters={"label": name}) == []
    assert engine.image in [tag for image in client.images.list() for tag in image["RepoTags"] or ()]
    if engine.api >= (1, 42):
        assert all(image["SharedSize"] >= 0 for image in client.images.list(shared_size=True))
    if engine.api >= (1, 47):
        check(client.images.list(manifests=True), list[ImageSummary])
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.images.list(filters={"no-such": "x"})
    with Client(engine.host, version="1.40") as old:
        listed = old.images.list(filter=repo)
        check(listed, list[ImageSummary])
        assert (name in [tag for image in listed for tag in image["RepoTags"] or ()]) is (engine.api < (1, 52))
    deleted = client.images.delete(name, force=True, noprune=False)
    check(deleted, list[ImageDeleteResponseItem])
    assert deleted == [{"Untagged": name}]
    assert client.images.list(filters={"reference": name}) == []


def test_relatives(engine: Engine, client: Client, run_container: Run, name: str) -> None:
    """Which image is before which: by the time of its making."""
    container = run_container("true", start=False)
    repo = name.rpartition(":")[0]
    first, second = (
        client.images.commit({"Labels": {"n": n}}, container=container, repo=repo, tag=n)["Id"] for n in ("one", "two")
    )
    for filters, expected in (
        ({"before": second}, [first]),
        ({"since": first}, [second]),
        ({"label": "n=two"}, [second]),
        ({}, [second, first]),
    ):
        listed = client.images.list(filters={"reference": repo, **filters})
        assert sorted(image["Id"] for image in listed) == sorted(expected), filters
    if engine.api >= (1, 44):
        assert client.images.list(filters={"reference": repo, "until": "24h"}) == []
    client.images.delete(f"{repo}:two")


def test_commit(client: Client, run_container: Run, name: str) -> None:
    container = run_container(
        "sh", "-c", "echo new > /new && echo made && sleep 600", Env=["A=1"], HostConfig={"NetworkMode": "none"}
    )
    with client.containers.logs(container, stdout=True, follow=True) as frames:
        assert next(frames).data == b"made\n"
    repo, _, tag = name.rpartition(":")
    config: ContainerConfig = {"Cmd": ["cat", "/new"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}}
    made = client.images.commit(
        config,
        container=container,
        repo=repo,
        tag=tag,
        comment="from a test ä",
        author="me <me@example.test>",
        pause=False,
        changes=["ENV B=2", "USER nobody"],
    )
    check(made, IDResponse)
    found = client.images.inspect(name)
    check(found, ImageInspect)
    assert found["Id"] == made["Id"]
    assert (found.get("Comment"), found.get("Author")) == ("from a test ä", "me <me@example.test>")
    config_found: Any = found["Config"]
    for key in ("Cmd", "Labels", "ExposedPorts"):
        assert config_found[key] == config[key], key
    assert (config_found["User"], config_found["Env"][0]) == ("nobody", "B=2")
    history = client.images.history(name)
    check(history, list[ImageHistoryResponseItem])
    assert (history[0]["Id"], history[0]["Tags"], history[0]["Comment"]) == (made["Id"], [name], "from a test ä")

    started = run_container("cat", "/new", Image=name)
    assert client.containers.wait(started)["StatusCode"] == 0
    with pytest.raises(Conflict, match="container"):
        client.images.delete(name, force=False)
    client.containers.delete(started)
    deleted = client.images.delete(name, noprune=True)
    check(deleted, list[ImageDeleteResponseItem])
    assert {"Untagged": name} in deleted
    assert {"Deleted": made["Id"]} in deleted

    plain = client.images.commit(container=container)
    assert client.images.inspect(plain["Id"])["Config"]["Cmd"][0] == "sh"
    client.images.delete(plain["Id"])
    with pytest.raises(NotFound, match="No such container"):
        client.images.commit(container=MISSING)


def test_names(engine: Engine, client: Client, name: str) -> None:
    repo, _, tag = name.rpartition(":")
    assert client.images.tag(engine.image, repo=repo) is None
    assert client.images.tag(engine.image, repo=repo, tag=tag) is None
    assert client.images.inspect(name)["Id"] == client.images.inspect(repo)["Id"]
    assert client.images.delete(f"{repo}:latest") == [{"Untagged": f"{repo}:latest"}]
    with pytest.raises((BadRequest, ServerError), match="invalid tag format"):
        client.images.tag(name, repo=repo, tag="a b")
    with pytest.raises(NotFound, match="No such image"):
        client.images.tag(MISSING, repo=repo)
    for refused in (client.images.inspect, client.images.history, client.images.delete):
        with pytest.raises(NotFound, match=r"(?i)no such image"):
            refused(MISSING)


@scenario
async def test_save_and_load(world: World, engine: Engine, run_container: Run, name: str) -> None:
    repo, _, tag = name.rpartition(":")
    container = run_container("true", start=False)
    data = random.randbytes(MIB)
    async with world.client(engine.host) as client:
        await client.send(api.put_container_archive(container, archive_of({"data": data}), path="/"))
        image = (await client.send(api.image_commit(container=container, repo=repo, tag=tag)))["Id"]
        await client.send(api.container_delete(container))
        for request, names in (
            (api.image_get_all(names=[name, engine.image]), [name, engine.image]),
            (api.image_get(name), [name]),
        ):
            async with client.stream(request) as pieces:
                assert pieces.headers["content-type"] == "application/x-tar"
                saved = [piece async for piece in pieces]
            assert len(saved) > 3
            manifest = json.loads(files_in(b"".join(saved))["manifest.json"])
            assert sorted(one["RepoTags"][0] for one in manifest) == sorted(names)

        for way, body in uploads(world, b"".join(saved)):
            await client.send(api.image_delete(name))
            async with client.stream(api.image_load(body, quiet=False)) as progress:
                told = [document async for document in progress]
            check(told, list[BuildInfo])
            assert {"stream": f"Loaded image: {name}\n"} in told, way
            assert any(one.get("progressDetail", {}).get("current") for one in told)
            assert (await client.send(api.image_inspect(name)))["Id"] == image

        async with client.stream(api.image_load(b"".join(saved), quiet=True)) as progress:
            told = [document async for document in progress]
        assert all(one.keys() == {"stream"} for one in told)


@scenario
async def test_archives_that_are_none(world: World, engine: Engine) -> None:
    async with world.client(engine.host) as client:
        for body in (b"no archive" * 100, archive_of({"file": b""}), archive_of({"big": bytes(MIB)})[: MIB // 2]):
            async with client.stream(api.image_load(body)) as progress:
                with pytest.raises(StreamError) as caught:
                    async for _ in progress:
                        pass
            assert caught.value.detail["errorDetail"]["message"] == caught.value.message
        with pytest.raises(NotFound, match="No such image"):
            async with client.stream(api.image_get(MISSING)):
                pass
        with pytest.raises(NotFound, match="No such image"):
            async with client.stream(api.image_get_all(names=[engine.image, MISSING])):
                pass
        async with client.stream(api.image_get_all()) as pieces:
            assert files_in(b"".join([piece async for piece in pieces]))["manifest.json"] == b"null\n"
        with pytest.raises(ServerError, match="invalid reference format"):
            async with client.stream(api.image_get_all(names=[])):
                pass


def test_saved_images_never_sit_whole_in_memory(engine: Engine, client: Client, run_container: Run, name: str) -> None:
    container = run_container("true", start=False)
    client.containers.put_archive(container, archive_of({"zeros": bytes(32 * MIB)}), path="/")
    repo, _, tag = name.rpartition(":")
    client.images.commit(container=container, repo=repo, tag=tag)
    saved: list[bytes] = []
    with measured() as memory, client.images.get(name) as pieces:
        total = sum(len(piece) for piece in pieces)
    assert memory.peak < 4 * MIB < 32 * MIB < total
    with client.images.get(name) as pieces:
        saved.extend(pieces)
    client.images.delete(name)
    with measured() as memory, client.images.load(iter(saved)) as progress:
        assert list(progress)
    assert memory.peak < 4 * MIB
    client.images.inspect(name)


def test_platforms(engine: Engine, client: Client, name: str, ours: OCIPlatform) -> None:
    if engine.api < (1, 48):
        for ask in (
            lambda: client.images.history(engine.image, platform=ours),
            lambda: client.images.inspect(engine.image, manifests=True),
            lambda: client.images.inspect(engine.image, platform=ours),
            lambda: client.images.get(engine.image, platform=[ours]).__enter__(),
            lambda: client.images.load(b"", platform=[ours]).__enter__(),
            lambda: client.images.delete(engine.image, platforms=[ours]),
        ):
            with pytest.raises(UnsupportedVersion, match=r"needs API 1\.(48|49|50)"):
                ask()
        return
    assert client.images.history(engine.image, platform=ours) == client.images.history(engine.image)
    with pytest.raises(NotFound, match="does not match the specified platform"):
        client.images.history(engine.image, platform=OTHER)
    check(client.images.inspect(engine.image, manifests=True), ImageInspect)
    check(client.images.inspect(engine.image, platform=ours), ImageInspect)
    with pytest.raises(NotFound, match="does not match the specified platform"):
        client.images.inspect(engine.image, platform=OTHER)
    with pytest.raises(BadRequest, match="cannot both be set"):
        client.images.inspect(engine.image, manifests=True, platform=ours)

    repo, _, tag = name.rpartition(":")
    client.images.tag(engine.image, repo=repo, tag=tag)
    with client.images.get(name, platform=[ours]) as pieces:
        saved = b"".join(pieces)
    with pytest.raises(APIError, match="platform"), client.images.get(name, platform=[OTHER]):
        pass
    assert client.images.delete(name, platforms=[ours]) == [{"Untagged": name}]
    with client.images.load(saved, platform=[OTHER]) as progress:
        assert list(progress) == [{}]
    with client.images.load(saved, platform=[ours]) as progress:
        assert list(progress) == [{"stream": f"Loaded image: {name}\n"}]


def test_search(engine: Engine, client: Client, run_container: Run) -> None:
    """By a registry that answers as those of the first version did: engines ask it where the term begins with it."""
    found = {"name": "one", "description": "ä", "is_official": True, "is_automated": False, "star_count": 3}
    unofficial = {**found, "name": "two", "is_official": False, "star_count": 0}
    files = {"v1/_ping": b"{}", "v1/search": json.dumps({"results": [found, unofficial]}).encode()}
    registry = served(engine, run_container, files).partition("//")[2]
    for auth in (None, RegistryAuth("bob", "s3cret")):
        answer = client.images.search(term=f"{registry}/x", limit=10, auth=auth)
        check(answer, list[ImageSearchResponseItem])
        assert answer == [found, unofficial]
    answer = client.images.search(term=f"{registry}/x", filters={"is-official": True, "stars": 1})
    assert answer == [found]
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.images.search(term="x", filters={"no-such": "x"})
    with pytest.raises(ServerError, match=r"index\.docker\.io"):  # there is no way out
        client.images.search(term="busybox")


def test_attestations(engine: Engine, client: Client) -> None:
    if engine.api < (1, 55):
        with pytest.raises(UnsupportedVersion, match=r"the operation needs API 1\.55"):
            client.images.attestations(engine.image)
        return
    with pytest.raises(APIError):  # the classic store has none
        client.images.attestations(engine.image, statement=True)
