"""The model of progress, beside pulls, pushes, loads and builds of real engines."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.files import archive_of

from dockerwire import Client, NotFound, StreamError, StreamRequest, api
from dockerwire.progress import Layer, Progress, Step

LAYERS = 4
MIB = 1024 * 1024
# The sizes of an image's layers, asked of the registry itself.
SIZES = """
import json, sys, urllib.request
accepted = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
request = urllib.request.Request(sys.argv[1], headers={"Accept": accepted})
print(json.dumps([layer["size"] for layer in json.load(urllib.request.urlopen(request))["layers"]]))
"""


def image_of(name: str, *, mebibytes: int) -> bytes:
    """An archive for `image_load`: an image of several layers, each of so many MiB that cannot be compressed."""
    layers = [archive_of({f"file{number}": random.randbytes(mebibytes * MIB)}) for number in range(LAYERS)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
    }
    files = {f"{number}.tar": layer for number, layer in enumerate(layers)}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": list(files)}]
    return archive_of(
        {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode(), **files}
    )


def followed(client: Client, request: StreamRequest[Any]) -> Progress:
    """The progress of a request that goes well, held to what must be true at each document."""
    progress = Progress()
    with client.stream(request) as documents:
        for document in documents:
            changed = progress.feed(document)
            assert progress.total is None or progress.current <= progress.total
            if isinstance(changed, Layer):
                assert changed.phase != "other", document
    progress.finish()
    assert progress.done
    assert progress.unfinished == ()
    return progress


def sizes_told(progress: Progress) -> list[int]:
    """The sizes of the layers, of which all was moved.

    The engine drops news of a layer for newer ones when its own progress is slow to write, so that on a busy machine
    it may never have told the size of one: then there is no total.
    """
    told = [layer.size for layer in progress.layers.values() if layer.size is not None]
    assert told
    assert [layer.moved for layer in progress.layers.values() if layer.size is not None] == told
    assert progress.current == sum(told)
    assert progress.total == (sum(told) if len(told) == len(progress.layers) else None)
    return told


def phases(progress: Progress) -> list[str]:
    return [layer.phase for layer in progress.layers.values()]


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """A name in the engine's registry; what is called so is gone afterwards."""
    name = f"{engine.registry()}/dockerwire/{uuid.uuid4()}"
    yield name
    engine.request("DELETE", f"/images/{name}:1")


def test_load_push_and_pull(engine: Engine, client: Client, name: str) -> None:
    image = f"{name}:1"
    loaded = followed(client, api.image_load(image_of(image, mebibytes=2), quiet=False))
    assert phases(loaded) == ["loaded"] * LAYERS
    assert all(size > 2 * MIB for size in sizes_told(loaded))
    assert loaded.images == (image,)

    pushed = followed(client, api.image_push(name, tag="1"))
    assert phases(pushed) == ["pushed"] * LAYERS
    assert all(size > 2 * MIB for size in sizes_told(pushed))
    assert pushed.digest is not None
    assert pushed.digests == {"1": pushed.digest}
    again = followed(client, api.image_push(name, tag="1"))
    assert (phases(again), again.current, again.total) == (["exists"] * LAYERS, 0, 0)

    present = followed(client, api.image_create(from_image=name, tag="1"))
    assert (phases(present), present.status) == ([], f"Image is up to date for {image}")
    client.images.delete(image)
    pulled = followed(client, api.image_create(from_image=name, tag="1"))
    assert phases(pulled) == ["pulled"] * LAYERS
    registry, _, path = name.partition("/")
    sizes = json.loads(
        engine.in_network(sys.executable, "-c", SIZES, f"http://{registry}/v2/{path}/manifests/1").decode()
    )
    assert Counter(sizes_told(pulled)) <= Counter(sizes)
    assert pulled.digest == pulled.digests["1"] == pushed.digest
    assert pulled.status == f"Downloaded newer image for {image}"


def test_load_push_and_pull_with_podman(podman: Engine) -> None:
    name = f"{podman.registry()}/dockerwire/{uuid.uuid4()}"
    with Client(podman.host) as client:
        loaded = followed(client, api.image_load(image_of(f"{name}:1", mebibytes=1), quiet=False))
        assert (phases(loaded), loaded.images) == ([], (f"{name}:1",))
        pushed = followed(client, api.image_push(name, tag="1"))
        assert (phases(pushed), pushed.total) == ([], None)
        assert pushed.digest is not None
        client.images.delete(f"{name}:1", force=True)
        # The configuration counts as a layer. Sizes are not told.
        pulled = followed(client, api.image_create(from_image=name, tag="1"))
        assert phases(pulled) == ["pulled"] * (LAYERS + 1)
        assert (pulled.current, pulled.total) == (0, None)
        again = followed(client, api.image_create(from_image=name, tag="1"))
        assert phases(again) == ["exists"] * LAYERS + ["pulled"]
        client.images.delete(f"{name}:1", force=True)


def test_the_steps_of_a_build(engine: Engine, client: Client) -> None:
    lines = [f"FROM {engine.image}", "RUN echo 'Step 9/9 : of no kind'", "LABEL a=b"]
    context = archive_of({"Dockerfile": "\n".join(lines).encode()})
    for cached in (False, True):
        progress, last = Progress(), {}
        with client.images.build(context, version="1") as documents:
            for document in documents:
                changed = progress.feed(document)
                if isinstance(changed, Step):
                    last[changed.number] = changed
        progress.finish()
        assert [f"{last[number].instruction}" for number in (1, 2, 3)] == lines
        assert all(step.image for step in last.values())
        assert [step.cached for step in last.values()] == [False, cached, cached]
        [image] = progress.images
        assert client.images.inspect(image)["Config"].get("Labels") == {"a": "b"}
    client.images.delete(image)


def feed_until_error(progress: Progress, documents: Iterable[Any]) -> None:
    try:
        for document in documents:
            progress.feed(document)
    except StreamError as error:
        progress.feed(error)


def test_a_build_that_fails_tells_where(engine: Engine, client: Client) -> None:
    context = archive_of({"Dockerfile": f"FROM {engine.image}\nRUN exit 7\n".encode()})
    progress = Progress()
    with client.images.build(context, version="1") as documents:
        feed_until_error(progress, documents)
    progress.finish()
    assert progress.error is not None
    assert (progress.error.code, progress.phase, progress.done) == (7, "failed", False)
    assert progress.step is not None
    assert str(progress.step) == "Step 2/2 : RUN exit 7"


def test_a_pull_that_is_refused_in_the_stream_of_podman(podman: Engine) -> None:
    """Podman 4.3 tells of all trouble in the stream, newer ones by the status."""
    progress = Progress()
    request = api.image_create(from_image=f"{podman.registry()}/dockerwire/none", tag="1")
    with Client(podman.host) as client:
        if podman.name != "podman-4.3":
            with pytest.raises(NotFound), client.stream(request):
                pass
            return
        with client.stream(request) as documents:
            feed_until_error(progress, documents)
    assert progress.phase == "failed"
    assert "manifest unknown" in str(progress.error)
