"""What docs/api shows is run, against real engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.engines import Engine
from tests.support.plugin import plugin_archive

PAGES = sorted((Path(__file__).parents[2] / "docs" / "api").glob("*.md"))
EXAMPLES = [
    pytest.param(page.stem, code, id=f"{page.stem}-{number}")
    for page in sorted(PAGES, key=lambda page: page.stem != "swarm")  # which makes a swarm of its own
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]
REGISTRIES: dict[str, tuple[str, ...]] = {"127.0.0.1:5000": (), "127.0.0.1:5001": ("bob", "secret")}
"""As the pages write them, and who may use them."""
IN_A_SWARM = {"nodes", "services", "tasks", "secrets", "configs"}


@pytest.fixture(scope="module")
def swarm(engine: Engine) -> Iterator[None]:
    """The engine is a manager, alone."""
    engine.call("POST", "/swarm/init", {"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"})
    yield
    engine.call("POST", "/swarm/leave?force=1")


@pytest.fixture
def prepared(
    engine: Engine,
    busybox: None,
    page: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[None]:
    """An engine of our own, as the examples find it; what they make there must be gone in the end."""
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin.tar").write_bytes(plugin_archive())
    if page in IN_A_SWARM:
        request.getfixturevalue("swarm")
    before = things(engine)
    yield
    assert things(engine) == before


def things(engine: Engine) -> dict[str, set[str]]:
    """What an example has to tidy up. A swarm removes its tasks and makes its networks when it gets to it."""
    containers = engine.call("GET", "/containers/json?all=1")
    return {
        "containers": {one["Id"] for one in containers if "com.docker.swarm.task.id" not in one["Labels"]},
        "images": {tag for one in engine.call("GET", "/images/json") for tag in one["RepoTags"] or ()},
        "volumes": {one["Name"] for one in engine.call("GET", "/volumes")["Volumes"] or ()},
        "networks": {one["Name"] for one in engine.call("GET", "/networks") if one["Name"].startswith("example")},
        "plugins": {one["Name"] for one in engine.call("GET", "/plugins")},
    }


def test_every_page_has_an_example() -> None:
    assert {page for page, _ in (one.values for one in EXAMPLES)} == {page.stem for page in PAGES} - {"types"}


@pytest.mark.parametrize(("page", "code"), EXAMPLES)
@pytest.mark.usefixtures("prepared")
def test_example(engine: Engine, page: str, code: str) -> None:
    # Wherever they are this time: perhaps where the other one is written.
    code = re.sub("|".join(REGISTRIES), lambda written: engine.registry(*REGISTRIES[written[0]]), code)
    exec(compile(code, f"{page}.md", "exec"), {"__name__": "example"})
