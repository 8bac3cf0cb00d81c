"""The model of progress, fed with what engines sent and with what none should."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, get_args

import pytest

from dockerwire import LimitExceeded, StreamError, api
from dockerwire import progress as module
from dockerwire.progress import Failure, Layer, Message, Phase, Progress, Step
from dockerwire.wire import Exchange
from tests.support.memory import measured
from tests.support.vectors import load, params

RECORDED = {row["id"]: row["input"] for row in load("progress")}
DOCKER = ("20.10", "26.1", "28.5", "29.7")
PODMAN = ("podman-4.3", "podman-5.8")


def fed(documents: Iterable[Any], **options: Any) -> Progress:
    progress = Progress(**options)
    for document in documents:
        progress.feed(document)
    return progress


def of(name: str) -> Progress:
    progress = fed(RECORDED[name])
    progress.finish()
    return progress


def layer(status: str, current: int | None = None, total: int | None = None, id: str = "a", **more: Any) -> Any:
    detail = {key: value for key, value in (("current", current), ("total", total)) if value is not None}
    return {"status": status, "progressDetail": {**detail, **more}, "id": id}


@pytest.mark.parametrize("row", params("progress"))
def test_at_every_document_the_sums_are_those_of_the_layers(row: dict[str, Any]):
    progress = Progress()
    for document in row["input"]:
        changed = progress.feed(document)
        layers = progress.layers.values()
        assert progress.current == sum(layer.moved or 0 for layer in layers)
        sizes = [layer.size for layer in layers]
        assert progress.total == (sum(filter(None, sizes)) if sizes and None not in sizes else None)
        assert progress.total is None or progress.current <= progress.total
        assert all(layer.total is None or (layer.current or 0) <= layer.total for layer in layers)
        assert progress.unfinished == tuple(layer for layer in layers if not layer.done)
        if isinstance(changed, Layer):
            assert progress.layers[changed.id] is changed
        if changed is not None:
            assert str(changed).isprintable()
    progress.finish()
    assert not progress.unfinished
    assert progress.done is (progress.error is None)
    assert progress.phase == ("done" if progress.done else "failed")


@pytest.mark.parametrize("engine", ["20.10", "26.1", "28.5"])
def test_a_pull_and_a_push_of_docker(engine: str):
    def told(name: str) -> int:
        """The largest count of each layer, added up."""
        counts: dict[str, int] = {}
        for document in RECORDED[name]:
            detail = document.get("progressDetail") or {}
            told = (detail.get("current", 0), detail.get("total", 0))
            counts[document.get("id", "")] = max(counts.get(document.get("id", ""), 0), *told)
        return sum(counts.values())

    pulled = of(f"{engine}/pull")
    assert [layer.phase for layer in pulled.layers.values()] == ["pulled"] * 3
    assert pulled.current == pulled.total == told(f"{engine}/pull") > 9_000_000
    assert pulled.status == "Downloaded newer image for 127.0.0.1:5000/cap/big:1"
    pushed = of(f"{engine}/push")
    assert [layer.phase for layer in pushed.layers.values()] == ["pushed"] * 3
    assert pushed.current == pushed.total == told(f"{engine}/push") == 3 * 3010560
    assert pushed.digest == pulled.digest == pushed.digests["1"] == pulled.digests["1"]
    again = of(f"{engine}/pull-again")
    assert (again.layers, again.current, again.total, again.digest) == ({}, 0, None, pulled.digest)
    assert again.status == "Image is up to date for 127.0.0.1:5000/cap/big:1"


def test_the_containerd_store_does_not_tell_sizes():
    pulled, pushed = of("29.7/pull"), of("29.7/push")
    assert [layer.phase for layer in pulled.layers.values()] == ["pulled"] * 3
    assert (pulled.current, pulled.total) == (0, None)
    assert [layer.phase for layer in pushed.layers.values()] == ["pushed"] * 3
    assert (pushed.current, pushed.total) == (2 * 3010560, None)  # of the third no count was sent
    assert pulled.digest == pushed.digest
    extracting = fed(RECORDED["29.7/pull"][:8]).layers["9aaee13169f5"]
    assert (extracting.phase, extracting.current, extracting.total, extracting.unit) == ("extracting", 1, None, "s")
    assert (extracting.moved, extracting.size) == (None, None)


@pytest.mark.parametrize("engine", PODMAN)
def test_podman_says_little(engine: str):
    pulling = fed(RECORDED[f"{engine}/pull"])
    assert pulling.phase == "downloaded"
    assert len(pulling.unfinished) == 4  # three layers and the configuration
    pulling.finish()
    assert {layer.phase for layer in pulling.layers.values()} == {"pulled"}
    assert (pulling.current, pulling.total, pulling.digest) == (0, None, None)
    again = of(f"{engine}/pull-again")
    assert [layer.phase for layer in again.layers.values()] == ["exists"] * 3 + ["pulled"]
    pushed = of(f"{engine}/push")
    assert (pushed.layers, pushed.total) == ({}, None)
    assert pushed.digests == {"1": pushed.digest}


@pytest.mark.parametrize("engine", ["20.10", "28.5", "29.7"])
def test_a_plugin_is_complete_before_it_is_downloaded(engine: str):
    pulled = of(f"{engine}/plugin-pull")
    [only] = pulled.layers.values()
    assert (only.phase, only.status, only.done) == ("pulled", "Download complete", True)
    assert pulled.current == pulled.total == only.size in (249, 251)


@pytest.mark.parametrize("engine", [*DOCKER, *PODMAN])
def test_what_was_loaded_imported_or_built(engine: str):
    assert of(f"{engine}/load").images == ("127.0.0.1:5000/cap/big:1",)
    for name in ("import", "build-classic", "build-classic-quiet"):
        [image] = of(f"{engine}/{name}").images
        assert image.startswith("sha256:")
        assert len(image) == 71
    assert of(f"{engine}/import").layers == {}


@pytest.mark.parametrize("engine", [*DOCKER, *PODMAN])
def test_the_steps_of_a_build(engine: str):
    steps: list[Step] = []
    progress = Progress()
    for document in RECORDED[f"{engine}/build-classic"]:
        changed = progress.feed(document)
        if isinstance(changed, Step):
            assert progress.phase == "building"
            steps = [*steps[: changed.number - 1], changed]
    assert [step.number for step in steps] == [1, 2, 3, 4]
    assert steps[1].instruction == "RUN echo hello-build; echo err-build >&2; sleep 0.4; echo second"
    assert str(steps[3]) == "Step 4/4 : LABEL a=b"
    assert all(step.image for step in steps[1:])
    assert not any(step.cached for step in steps)
    assert all((step.container is None) is (engine in PODMAN) for step in steps[1:])
    assert progress.step == steps[-1]


@pytest.mark.parametrize("engine", [*DOCKER, *PODMAN])
def test_a_build_that_fails_tells_its_step(engine: str):
    progress = of(f"{engine}/build-classic-fail")
    assert progress.error is not None
    assert "exit 3" in progress.error.message
    assert progress.error.code == (None if engine in PODMAN else 3)
    assert progress.step is not None
    assert (progress.step.number, progress.step.image) == (2, None)
    assert (progress.phase, progress.done, progress.finished) == ("failed", False, True)


def test_cached_steps_and_stages():
    docker = fed(
        {"stream": text}
        for text in ("Step 1/2 : FROM a", "\n", " ---> 6d37067298a5\n", "Step 2/2 : RUN b", "\n", " ---> Using cache\n")
    )
    assert docker.step == Step(2, 2, "RUN b", cached=True)
    podman = Progress()
    for text, stage, number in (
        ("[1/2] STEP 1/2: FROM a AS b\n", 1, 1),
        ("[1/2] STEP 2/2: RUN c\n", 1, 2),
        ("--> Using cache 6dd3d4b75e9c6dd3d4b75e9c\n", 1, 2),
        ("[2/2] STEP 1/1: FROM b\n", 2, 1),
    ):
        changed = podman.feed({"stream": text})
        assert isinstance(changed, Step)
        assert (changed.stage, changed.number) == (stage, number)
        assert changed.cached is text.startswith("--> Using")


def test_what_a_run_prints_is_no_step():
    progress = fed([{"stream": "Step 1/3 : FROM a"}])
    for text in ("Step 1/3 : again", "Step 3/3 : too far", "Step 2/4 : of more", "[2/2] STEP 2/3: of a stage", "Step"):
        assert progress.feed({"stream": text}) == Message(text)
    assert progress.step == Step(1, 3, "FROM a")
    assert progress.feed({"stream": f"{'0' * 64}\n"}) == Message(f"{'0' * 64}\n")
    assert progress.images == ()
    assert progress.feed({"stream": "Step 2/3 : RUN b\n"}) == Step(2, 3, "RUN b")
    assert isinstance(Progress().feed({"stream": "Step 2/3 : not from the first"}), Message)


def test_a_base_image_is_pulled_in_a_build():
    progress = fed([{"stream": "Step 1/2 : FROM busybox"}, *RECORDED["28.5/pull"][:5]])
    assert progress.phase == "downloading"
    for document in RECORDED["28.5/pull"][5:]:
        progress.feed(document)
    assert progress.phase == "building"


def test_a_retry_may_go_backwards():
    progress = Progress()
    seen = []
    for document in (
        layer("Pulling fs layer"),
        layer("Downloading", 70, 100),
        layer("Retrying in 5 seconds"),
        layer("Retrying in 1 second"),
        layer("Downloading", 10, 100),
        layer("Download complete"),
    ):
        progress.feed(document)
        seen.append((progress.phase, progress.current, progress.total))
    assert seen == [
        ("waiting", 0, None),
        ("downloading", 70, 100),
        ("retrying", 70, 100),
        ("retrying", 70, 100),
        ("downloading", 10, 100),
        ("downloaded", 100, 100),
    ]
    assert not progress.layers["a"].done


def test_a_total_that_is_too_small_is_taken_back():
    progress = fed([layer("Pushing", 512, 1000)])
    assert (progress.layers["a"].total, progress.total) == (1000, 1000)
    progress.feed(layer("Pushing", 1536, 1000))
    assert (progress.layers["a"].total, progress.current, progress.total) == (None, 1536, None)
    progress.feed(layer("Pushed"))
    assert (progress.current, progress.total) == (1536, 1536)


def test_the_last_count_may_be_left_out():
    assert fed([layer("Downloading", 1, 100), layer("Verifying Checksum")]).current == 100
    assert fed([layer("Pushing", 1, 100), layer("Pushed")]).current == 100
    progress = fed([layer("Pulling fs layer"), layer("Extracting", 5, 100)])  # a small one: no count before
    assert (progress.current, progress.total, progress.layers["a"].current) == (100, 100, 5)


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("Already exists", "exists"),
        ("Layer already exists", "exists"),
        ("Mounted from library/busybox", "mounted"),
        ("Skipped foreign layer", "skipped"),
        ("Skipped nondistributable layer", "skipped"),
        ("Unavailable", "unavailable"),
    ],
)
def test_what_need_not_be_moved(status: str, phase: str):
    progress = fed([layer("Waiting"), layer(status), layer("Downloading", 3, 8, id="b")])
    assert (progress.layers["a"].phase, progress.layers["a"].done) == (phase, True)
    assert (progress.current, progress.total) == (3, 8)


def test_a_layer_of_several_tags_is_counted_once():
    documents: list[Any] = []
    for tag, status in (("one", "Pull complete"), ("two", "Already exists")):
        documents += [
            {"status": "Pulling from x/y", "id": tag},
            layer("Pulling fs layer"),
            *([layer("Downloading", 5, 9)] if tag == "one" else []),
            layer(status),
            {"status": f"Digest: sha256:{tag[0].encode().hex() * 32}"},
        ]
    progress = fed(documents)
    assert (progress.current, progress.total) == (9, 9)
    assert progress.digests == {"one": f"sha256:{'6f' * 32}", "two": f"sha256:{'74' * 32}"}
    assert progress.digest == progress.digests["two"]


def test_load_with_progress():
    """Asked without `quiet`, engines count, and do not say of a layer that it is loaded."""
    progress = fed([layer("Loading layer", 32768, 2_005_504)])
    assert (progress.phase, progress.current, progress.total) == ("loading", 32768, 2_005_504)
    progress.finish()
    assert progress.unfinished
    progress.feed(layer("Loading layer", 2_005_504, 2_005_504))
    progress.finish()
    assert (progress.layers["a"].phase, progress.unfinished) == ("loaded", ())


def test_what_is_moved_without_an_id():
    """A context from a URL, for instance."""
    document = {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}}
    assert fed([document]).layers == {"": Layer("", "downloading", "Downloading", 5, 9, moved=5, size=9)}


def test_unknown_words():
    progress = fed([layer("Counting sheep", 3, 4)])
    assert progress.layers["a"] == Layer("a", "other", "Counting sheep", 3, 4, size=4)
    assert progress.phase == "other"


def test_the_phase_is_the_busiest_of_a_layer():
    progress = Progress()
    assert (progress.phase, progress.total, progress.done) == ("waiting", None, False)
    for status, phase in (
        ("Waiting", "waiting"),
        ("Download complete", "downloaded"),
        ("Retrying in 1 second", "retrying"),
        ("Verifying Checksum", "verifying"),
        ("Extracting", "extracting"),
        ("Loading layer", "loading"),
        ("Pushing", "pushing"),
        ("Downloading", "downloading"),
        ("Pull complete", "downloading"),
    ):
        progress.feed(layer(status, id=status))
        assert progress.phase == phase
    assert "downloading: 9 layers, 0 of None bytes" in repr(progress)
    assert module._DONE | set(module._BUSIEST) == set(get_args(Phase))


def test_errors_in_their_place():
    told = {"errorDetail": {"code": 7, "message": "no \x1b[2J space"}, "error": "no \x1b[2J space"}
    exchange = Exchange(api.image_create(from_image="x"), "1.41")
    while exchange.data_to_send() is not None:
        pass
    body = b'{"status":"Pulling from x","id":"latest"}\r\n{"errorDetail":{"code":7,"message":"no \\u001b[2J space"}}'
    items = exchange.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert isinstance(items[1], StreamError)
    for document in (told, {"errorDetail": told["errorDetail"]}, items[1]):
        progress = fed([items[0]])
        assert progress.feed(document) == progress.error == Failure("no \x1b[2J space", 7)
        assert str(progress.error) == "no \\x1b[2J space"
        assert progress.phase == "failed"
    assert fed([{"error": "old"}]).error == Failure("old")
    assert fed([{"errorDetail": {"message": 5, "code": "x"}}]).error == Failure("5")
    assert str(fed([{"error": True, "errorDetail": []}]).error) == "True"
    assert str(fed([{"errorDetail": {"code": 1}}]).error) == "no message"


def test_nothing_is_done_after_a_failure():
    progress = fed([layer("Download complete"), {"error": "gone"}])
    progress.finish()
    assert [layer.phase for layer in progress.unfinished] == ["downloaded"]
    assert not progress.done


def test_the_notes_of_a_push():
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    note = {"manifestPushedInsteadOfIndex": True, "originalIndex": {"digest": one}, "selectedManifest": {"digest": two}}
    assert str(Progress().feed({"aux": note})) == f"only {two} was pushed, of the index {one}"
    note = {"contentMissing": True, "desc": {"digest": one}}
    assert str(Progress().feed({"aux": note})) == f"{one} is not here, so not all of the image was pushed"
    assert "something" in str(Progress().feed({"aux": {"contentMissing": True}}))
    progress = fed([{"progressDetail": {}, "aux": {"Tag": "1", "Digest": one, "Size": 949}}])
    assert progress.digests == {"1": one}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        5,
        {},
        {"status": None},
        {"status": 5, "id": "a", "progressDetail": {}},
        {"id": "moby.buildkit.trace", "aux": "Cg=="},
        {"aux": ["ID"]},
        {"aux": {"ID": 5, "Tag": "x", "Digest": None}},
        {"aux": {"Tag": "x", "Digest": "none"}},
        {"stream": None},
    ],
)
def test_what_is_no_progress_changes_nothing(document: Any):
    progress = Progress()
    assert progress.feed(document) is None
    assert (progress.layers, progress.images, progress.digests, progress.digest) == ({}, (), {}, None)


@pytest.mark.parametrize("odd", [None, -1, 2**63, 10**400, 1.5, True, "7", [], {}])
def test_odd_counts_are_no_counts(odd: Any):
    document = {"status": "Downloading", "id": "a", "progressDetail": {"current": odd, "total": odd}}
    assert fed([document]).layers["a"] == Layer("a", "downloading", "Downloading")
    assert fed([{**document, "progressDetail": odd}]).layers["a"] == Layer("a", "downloading", "Downloading")
    assert fed([{**document, "id": odd}]).layers.keys() == ({"7"} if odd == "7" else {""})


def test_a_total_of_zero_is_none():
    assert fed([layer("Downloading", 5, 0)]).total is None


def test_digests_are_digests():
    digest = "sha256:" + "0" * 64
    assert fed([{"status": f"Digest: {digest}"}]).digest == digest
    for text in ("Digest: 5", "Digest: sha256:xyz", "1: digest: nothing size: 5"):
        assert fed([{"status": text}]).digest is None


def test_texts_are_safe_to_print():
    hostile = "\x1b]52;c;x\x07\r\n\u202e"
    progress = Progress()
    for document in (
        layer(hostile, id=hostile),
        {"status": hostile, "id": hostile},
        {"status": hostile},
        {"stream": hostile},
        {"stream": f"Step 1/1 : {hostile}"},
        {"error": hostile},
    ):
        changed = progress.feed(document)
        assert changed is not None
        assert str(changed).isprintable()
    assert hostile in progress.layers
    assert repr(progress).isprintable()


def test_the_number_of_layers_has_a_limit():
    progress = fed((layer("Waiting", id=str(number)) for number in range(3)), max_layers=3)
    progress.feed(layer("Downloading", 1, 2, id="2"))
    with pytest.raises(LimitExceeded, match=r"too many layers \(limit 3\)"):
        progress.feed(layer("Waiting", id="3"))
    assert list(progress.layers) == ["0", "1", "2"]
    images = fed(({"stream": f"Loaded image: {name}"} for name in "aabb"), max_layers=2)
    with pytest.raises(LimitExceeded, match="too many images"):
        images.feed({"stream": "Loaded image: c"})
    digest = "sha256:" + "0" * 64
    pushed = fed(({"status": f"{tag}: digest: {digest} size: 5"} for tag in "aabb"), max_layers=2)
    with pytest.raises(LimitExceeded, match="too many digests"):
        pushed.feed({"aux": {"Tag": "c", "Digest": digest}})
    assert len(fed(layer("Waiting", id=str(number)) for number in range(16384)).layers) == 16384


def test_texts_have_a_limit():
    def all_of(text: str) -> Progress:
        return fed(
            [
                layer(text),
                {"status": f"Status: {text}"},
                {"stream": f"Step 1/1 : {text}"},
                {"stream": f" ---> Running in {text}\n"},
                {"error": text},
            ],
            max_text=20,
        )

    for length, kept in ((20, "x" * 20), (21, "x" * 19 + "…")):
        progress = all_of("x" * length)
        assert progress.step is not None
        assert progress.error is not None
        for text in (progress.layers["a"].status, progress.status, progress.step.instruction, progress.step.container):
            assert text == kept
        assert progress.error.message == kept


@pytest.mark.parametrize(
    "document",
    [
        lambda id: layer("Waiting", id=id),
        lambda id: {"stream": f"Loaded image: {id}"},
        lambda id: {"aux": {"ID": id}},
        lambda id: {"status": f"{id}: digest: sha256:{'0' * 64} size: 5"},
    ],
)
def test_ids_have_a_limit(document: Callable[[str], Any]):
    fed([document("x" * 20)], max_text=20)
    with pytest.raises(LimitExceeded, match="too long, in characters"):
        fed([document("x" * 21)], max_text=20)


@pytest.mark.parametrize("options", [{"max_layers": 0}, {"max_text": 0}])
def test_limits_are_at_least_one(options: dict[str, int]):
    with pytest.raises(ValueError, match="at least 1"):
        Progress(**options)


def test_memory_is_bounded():
    """A hostile engine: a new long status each time, for the few layers there may be."""
    progress = Progress(max_layers=50)
    with measured() as memory:
        for number in range(200):
            long = f"{number}" + "x" * 100_000
            progress.feed(layer(long, number, 10**9, id=str(number % 50), units=long))
            progress.feed({"stream": long})
            progress.feed({"status": long})
            progress.feed({"status": "Status: " + long})
    assert memory.peak < 2_000_000  # the texts are 80 MB


def test_any_order_of_words_is_survived():
    """Whatever comes after whatever: the sums stay those of the layers."""
    words = [*module._PHASES, "Retrying in 3 seconds", "Mounted from x", "Skipped y", "else"]
    for seed in range(50):
        chance = random.Random(seed)
        progress = Progress()
        for _ in range(200):
            counts = [chance.choice((None, 0, 5, 70, 100)) for _ in range(2)]
            progress.feed(layer(chance.choice(words), *counts, id=chance.choice("abc")))
            layers = progress.layers.values()
            sizes = [one.size for one in layers]
            assert progress.current == sum(one.moved or 0 for one in layers)
            assert progress.total == (None if None in sizes else sum(filter(None, sizes)))
            assert progress.total is None or progress.current <= progress.total
            assert all(one.moved == one.size for one in layers if one.done)
