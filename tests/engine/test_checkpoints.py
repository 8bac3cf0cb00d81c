"""Checkpoints: containers frozen to disk, with criu, and thawed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.swarms import eventually, own_only

from dockerwire import APIError, Client, Conflict, Forbidden, NotFound, ServerError
from dockerwire.api.types import CheckpointCreateRequest, CheckpointSummary

Run = Callable[..., str]

COUNT = "i=0; while true; do echo $i; i=$((i + 1)); sleep 0.02; done"


@pytest.fixture
def counter(engine: Engine, run_container: Run, criu: None) -> str:
    """A container that writes 0, 1, 2… (28.5 cannot thaw one that has a network of its own.)"""
    own_only(engine)
    return run_container("sh", "-c", COUNT, HostConfig={"NetworkMode": "host"})


def counted(client: Client, container: str) -> list[int]:
    with client.containers.logs(container, stdout=True) as frames:
        return [int(number) for number in b"".join(frame.data for frame in frames).split()]


def names(checkpoints: list[CheckpointSummary]) -> list[str]:
    check(checkpoints, list[CheckpointSummary])
    return sorted(checkpoint["Name"] for checkpoint in checkpoints)


def test_it_goes_on_where_it_was(client: Client, counter: str) -> None:
    containers = client.containers
    assert containers.checkpoint_list(counter) == []
    eventually(lambda: counted(client, counter))
    assert containers.checkpoint_create(counter, {"CheckpointID": "one", "Exit": True}) is None
    containers.wait(counter)
    assert names(containers.checkpoint_list(counter)) == ["one"]
    frozen = counted(client, counter)

    def thaw() -> bool:
        try:
            return containers.start(counter, checkpoint="one")
        except ServerError as error:
            # For a moment containerd still has what was made of it for the checkpoint, and does not want it twice.
            if "already exists" not in error.message:
                raise
            return False

    eventually(thaw)
    numbers = eventually(lambda: counted(client, counter), lambda numbers: len(numbers) > len(frozen) + 3)
    assert numbers == list(range(len(numbers)))

    assert containers.checkpoint_delete(counter, "one") is None
    assert containers.checkpoint_list(counter) == []


def test_in_a_folder(engine: Engine, client: Client, counter: str, tmp_path: Path) -> None:
    containers = client.containers
    folder = str(tmp_path)
    made: CheckpointCreateRequest = {"CheckpointID": "one", "CheckpointDir": folder, "Exit": False}
    assert containers.checkpoint_create(counter, made) is None
    assert containers.inspect(counter)["State"]["Running"] is True
    assert names(containers.checkpoint_list(counter, dir=folder)) == ["one"]
    assert list((tmp_path / "one").iterdir())
    assert containers.checkpoint_list(counter) == []
    with pytest.raises(ServerError, match="checkpoint one does not exist"):
        containers.checkpoint_delete(counter, "one")
    assert containers.checkpoint_delete(counter, "one", dir=folder) is None
    assert containers.checkpoint_list(counter, dir=folder) == []
    containers.stop(counter, t=0)
    with pytest.raises(Forbidden, match="custom checkpointdir is not supported"):
        containers.start(counter, checkpoint="one", checkpoint_dir=folder)


def test_refusals(engine: Engine, client: Client, counter: str, run_container: Run) -> None:
    containers = client.containers
    created = run_container("true", start=False)
    containers.checkpoint_create(counter, {"CheckpointID": "one"})
    refusals: list[tuple[Callable[[], object], type[APIError], str]] = [
        (
            lambda: containers.checkpoint_create(created, {"CheckpointID": "one"}),
            Conflict if engine.api >= (1, 42) else ServerError,
            "not running",
        ),
        (lambda: containers.checkpoint_create(counter, {"CheckpointID": "one"}), ServerError, "one already exists"),
        (lambda: containers.checkpoint_create(counter, {"CheckpointID": "a/b"}), ServerError, "Invalid checkpoint ID"),
        (lambda: containers.checkpoint_delete(counter, "two"), ServerError, "checkpoint two does not exist"),
        (lambda: containers.start(created, checkpoint="two"), ServerError, "checkpoint two does not exist"),
        (lambda: containers.checkpoint_list("no-such"), NotFound, "No such container: no-such"),
        (
            lambda: containers.checkpoint_create("no-such", {"CheckpointID": "one"}),
            NotFound,
            "No such container: no-such",
        ),
        (lambda: containers.checkpoint_delete("no-such", "one"), NotFound, "No such container: no-such"),
    ]
    for number, (act, error, message) in enumerate(refusals):
        with pytest.raises(error, match=message) as caught:
            act()
        assert type(caught.value) is error, number
