"""Its tests: with an engine that is none, and with a tape of one that was. Run by ``pytest examples/testing``.

The tape was recorded by ``dockerwire --tape exited.tape`` and a command that asks the same, or, as here, by
``with TapeFile("exited.tape") as tape, Client(tape=tape) as client: remove_exited(client)``.
"""

from __future__ import annotations

import pytest
from leftovers import last_lines, remove_exited

from dockerwire import Client, DockerWireError


def test_only_what_has_exited_is_removed(dockerwire_engine):
    dockerwire_engine.container("done", output="one\ntwo\nthree\n", exit_code=0)
    dockerwire_engine.container("web", output="hello\n")
    with Client(dockerwire_engine.host) as client:
        assert remove_exited(client) == {"done": b"two\nthree\n"}
        assert [container["Names"] for container in client.containers.list(all=True)] == [["/web"]]


def test_what_is_gone_meanwhile_is_passed_over(dockerwire_engine):
    dockerwire_engine.container("one", output="", exit_code=0)
    dockerwire_engine.container("two", output="", exit_code=1)
    dockerwire_engine.fail("ContainerDelete", 404, "No such container")
    with Client(dockerwire_engine.host) as client:
        assert len(remove_exited(client)) == 1


@pytest.mark.dockerwire_engine(api_version="1.41")
def test_with_an_older_engine(dockerwire_engine):
    dockerwire_engine.container("done", output="one\n", exit_code=0)
    with Client(dockerwire_engine.host) as client:
        assert last_lines(client, "done", 1) == b"one\n"
        assert client.api_version == "1.41"


def test_with_what_a_real_engine_said(dockerwire_tape):
    replay = dockerwire_tape("exited.tape")
    with Client(replay.host) as client:
        assert remove_exited(client) == {"job": b"two\nthree\n"}
    assert [request.method for request in replay.requests] == ["HEAD", "GET", "GET", "DELETE"]


@pytest.mark.parametrize("reset", [False, True])
def test_nothing_is_removed_where_the_engine_goes_away(dockerwire_tape, reset):
    replay = dockerwire_tape("exited.tape", piece=1000)
    for cut in range(0, replay.size, 25):
        replay.rewind(cut, reset)
        with Client(replay.host) as client, pytest.raises(DockerWireError):
            remove_exited(client)
        assert len(replay.requests) == 4 or "DELETE" not in [request.method for request in replay.requests]
