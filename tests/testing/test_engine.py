"""The embedded engine as its users see it: its life, containers, events, errors on demand."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dockerwire.testing import Engine, Process
from dockerwire.testing import state as engine_state

from .peer import Peer, ask

VERSIONS = ["1.24", "1.25", "1.28", "1.40", "1.41", "1.42", "1.44", "1.45", "1.51", "1.52", "1.54", "1.55"]


# its life


def test_the_constructor_opens_nothing() -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    engine = Engine()
    with pytest.raises(RuntimeError):
        assert engine.host
    with pytest.raises(RuntimeError):
        engine.container("web", output="x")
    after = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert before == after


def test_the_socket_is_gone_afterwards() -> None:
    with Engine() as engine:
        path = Path(engine.host.removeprefix("unix://"))
        assert path.is_socket()
    assert not path.parent.exists()
    engine.stop()  # once more is nothing
    with pytest.raises(RuntimeError):
        engine.start()


def test_a_path_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with Engine(path=str(path)) as engine:
        assert engine.host == f"unix://{path}"
        with pytest.raises(OSError, match="in use"), Engine(path=str(path)):
            pass
        assert ask(engine, "GET", "/_ping").body == b"OK"
    assert tmp_path.exists()
    assert not path.exists()


def test_tcp() -> None:
    with Engine(tcp=True) as engine:
        assert engine.host.startswith("tcp://127.0.0.1:")
        assert ask(engine, "GET", "/_ping").body == b"OK"


def test_it_stops_while_everything_is_going_on() -> None:
    def stuck(process: Process) -> None:
        process.read()

    engine = Engine(commands={"stuck": stuck}, stats_interval=0.01)
    peers = []
    with engine:
        engine.container("web", output=["x\n"] * 3, stdin=True)
        engine.container("fast", output=("y\n" for _ in iter(int, 1)), rate=1000)
        engine.container("idle", command=["cat"], start=False, stdin=True)
        exec_id = ask(engine, "POST", "/containers/web/exec", {"Cmd": ["stuck"], "AttachStdin": True}).json()["Id"]
        for method, target, body, upgrade in [
            ("GET", "/containers/web/logs?follow=1&stdout=1", None, False),
            ("GET", "/containers/fast/logs?follow=1&stdout=1", None, False),
            ("GET", "/events", None, False),
            ("GET", "/containers/web/stats", None, False),
            ("POST", "/containers/web/wait", None, False),
            ("POST", "/containers/idle/attach?stream=1&stdin=1&stdout=1", None, True),
            ("POST", "/containers/web/attach?stream=1&stdin=1&stdout=1", None, True),
            ("POST", f"/exec/{exec_id}/start", {}, True),
            ("GET", "/_ping", None, False),
        ]:
            peer = Peer(engine)
            peers.append(peer)
            peer.request(method, target, body, upgrade=upgrade)
            assert peer.head().status in (101, 200)
        silent = Peer(engine)
    for peer in [*peers, silent]:
        peer.close()


def test_a_program_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_state, "_JOIN_SECONDS", 0.05)
    end = threading.Event()

    def deaf(process: Process) -> None:
        end.wait()

    engine = Engine()
    engine.start()
    engine.container("deaf", output=deaf)
    with pytest.warns(ResourceWarning, match="deaf does not end"):
        engine.stop()
    end.set()


# versions


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_for_itself(version: str) -> None:
    number = tuple(map(int, version.split(".")))
    with Engine(version) as engine:
        assert engine.api_version == version
        ping = ask(engine, "GET", "/_ping")
        assert ping.headers.get("api-version") == (version if number >= (1, 25) else None)
        assert ask(engine, "HEAD", "/_ping").status == (200 if number >= (1, 40) else 404)
        found = ask(engine, "GET", f"/v{version}/version").json()
        assert found["ApiVersion"] == version
        minimum = found.get("MinAPIVersion", "1.12")
        assert ask(engine, "GET", f"/v{minimum}/version").status == 200
        engine.container("web", output="line\n", exit_code=0)
        for path in ("/info", "/containers/json?all=1&size=1", "/containers/web/json", "/images/json"):
            assert ask(engine, "GET", path).status == 200
        for path in ("/containers/web/stats?stream=0", "/containers/web/logs?stdout=1", "/images/busybox/json"):
            assert ask(engine, "GET", f"/v{version}{path}").status == 200


def test_versions_out_of_range() -> None:
    with Engine("1.51", min_api_version="1.44") as engine:
        old = ask(engine, "GET", "/v1.43/containers/json")
        said = "client version 1.43 is too old. Minimum supported API version is 1.44, please upgrade your client to a"
        assert old.status == 400
        assert old.json()["message"] == f"{said} newer version"
        assert old.headers["api-version"] == "1.51"
        assert ask(engine, "GET", "/v1.52/containers/json").status == 400
        assert ask(engine, "GET", "/v1.44/containers/json").status == 200


@pytest.mark.parametrize(("version", "minimum"), [("1.23", None), ("1.56", None), ("2", None), ("1.41", "1.42")])
def test_versions_that_no_engine_has(version: str, minimum: str | None) -> None:
    with pytest.raises(ValueError, match="api_version"):
        Engine(version, min_api_version=minimum)


@pytest.mark.parametrize("version", ["", "1.x", "v1.41"])
def test_versions_that_are_none(version: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any will do
        Engine(version)


# connections


def test_one_connection_serves_many_requests() -> None:
    with Engine() as engine, Peer(engine) as peer:
        for _ in range(3):
            peer.request("GET", "/_ping")
            assert peer.answer().body == b"OK"
        peer.request("GET", "/containers/none/json")
        assert peer.answer().status == 404
        engine.container("web", output="x\n", exit_code=0)
        peer.request("GET", "/containers/web/logs?stdout=1&follow=1")
        assert peer.answer().frames() == [(1, b"x\n")]
        peer.request("GET", "/_ping")
        assert peer.answer().ended


def test_pipelined_requests() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output="x\n")
        one = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
        peer.send(one + b"GET /containers/web/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n" + one)
        assert peer.answer().body == b"OK"
        logs = peer.head()
        assert peer.chunk() is not None
        engine.exit("web")
        assert peer.body(logs).ended
        assert peer.answer().body == b"OK"


def test_a_chunked_body() -> None:
    with Engine() as engine, Peer(engine) as peer:
        peer.send(b"POST /containers/create?name=c HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n")
        peer.send(b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"Image"\r\n')
        peer.send(b'b\r\n:"busybox"}\r\n0\r\n\r\n')
        assert peer.answer().status == 201
        (request,) = engine.requests
        assert request.method == "POST"
        assert request.target == "/containers/create?name=c"
        assert request.headers["transfer-encoding"] == "chunked"
        assert request.body == b'{"Image":"busybox"}'


def test_clients_that_vanish() -> None:
    with Engine() as engine:
        engine.container("web", output=["x\n"] * 3)
        for sent in (
            b"",
            b"GET /_pi",
            b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{",
            b"GET /containers/web/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n",
            b"POST /containers/web/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
            b"POST /containers/web/wait HTTP/1.1\r\nHost: d\r\n\r\n",
        ):
            with Peer(engine) as peer:
                peer.send(sent)
                if sent.endswith(b"\r\n\r\n"):
                    assert peer.head().status == 200
        engine.log("web", b"y" * 100_000)
        assert ask(engine, "GET", "/_ping").body == b"OK"
        until = time.monotonic() + 5
        while served := [t for t in threading.enumerate() if t.name == "dockerwire.testing connection"]:
            assert time.monotonic() < until, "the engine has not noticed that its clients are gone"
            served[0].join(0.1)


def test_a_half_close_ends_an_answer() -> None:
    """As every real engine does, the embedded one takes the client for gone, and ends the answer properly."""
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output="x\n")
        peer.request("GET", "/containers/web/logs?stdout=1&follow=1")
        peer.half_close()
        answer = peer.answer()
        assert answer.ended
        assert len(answer.chunks) <= 1
        assert ask(engine, "GET", "/containers/web/json").json()["State"]["Running"]


# containers


def test_statuses_of_a_life() -> None:
    with Engine("1.41") as engine:
        assert (
            ask(engine, "POST", "/containers/create?name=a", {"Image": "busybox", "Cmd": ["sleep", "9"]}).status == 201
        )
        steps: list[tuple[str, str, int, str]] = [
            ("POST", "/stop", 304, "created"),
            ("POST", "/kill", 409, "created"),
            ("POST", "/start", 204, "running"),
            ("POST", "/start", 304, "running"),
            ("DELETE", "", 409, "running"),
            ("POST", "/pause", 204, "paused"),
            ("POST", "/unpause", 204, "running"),
            ("POST", "/kill?signal=SIGWINCH", 204, "running"),
            ("POST", "/kill?signal=nonsense", 400, "running"),
            ("POST", "/restart", 204, "running"),
            ("POST", "/stop", 204, "exited"),
            ("POST", "/stop", 304, "exited"),
            ("POST", "/start", 204, "running"),
            ("POST", "/kill", 204, "exited"),
        ]
        for method, path, status, state in steps:
            assert ask(engine, method, f"/containers/a{path}").status == status, path
            found = ask(engine, "GET", "/containers/a/json").json()["State"]
            assert found["Status"] == state, path
            assert found["Running"] == (state in ("running", "paused"))
        assert found["ExitCode"] == 137
        assert ask(engine, "DELETE", "/containers/a").status == 204
        assert ask(engine, "DELETE", "/containers/a").status == 404


def test_a_container_is_found_by_name_and_beginning_of_its_id() -> None:
    with Engine() as engine:
        id = engine.container("web", output="", labels={"a": "b"})
        assert len(id) == 64
        for name in ("web", "/web", id, id[:12], id[:3]):
            found = ask(engine, "GET", f"/containers/{name.replace('/', '%2F')}/json").json()
            assert found["Id"] == id
        assert found["Name"] == "/web"
        assert found["Config"]["Labels"] == {"a": "b"}
        assert ask(engine, "GET", "/containers//json").status == 404


def test_ids_are_the_same_in_every_run() -> None:
    ids = []
    for _ in range(2):
        with Engine() as engine:
            ids.append(engine.container("web", output=""))
    assert ids[0] == ids[1]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["web", "worker", "job", "new"]),
    ({"name": ["w"]}, ["web", "worker", "new"]),
    ({"name": ["^/web$"]}, ["web"]),
    ({"name": {"job": True}}, ["job"]),
    ({"name": ["("]}, []),
    ({"label": ["tier"]}, ["web", "job"]),
    ({"label": ["tier=front"]}, ["web"]),
    ({"label": ["tier", "tier=front"]}, ["web"]),
    ({"status": ["exited"]}, ["job"]),
    ({"status": ["created", "running"]}, ["web", "worker", "new"]),
    ({"exited": ["3"]}, ["job"]),
    ({"exited": ["0"]}, []),
    ({"ancestor": ["busybox"]}, ["web", "job", "new"]),
    ({"ancestor": ["alpine:3"]}, ["worker"]),
    ({"before": ["job"]}, ["web", "worker"]),
    ({"since": ["job"]}, ["new"]),
    ({"network": ["none"]}, ["worker"]),
    ({"health": ["none"], "is-task": ["false"]}, ["web", "worker", "job", "new"]),
    ({"volume": ["data"]}, []),
]


@pytest.mark.parametrize(("filters", "names"), FILTERS, ids=lambda value: json.dumps(value))
def test_filters_of_the_list(filters: dict[str, Any], names: list[str]) -> None:
    with Engine() as engine:
        engine.container("web", output="", labels={"tier": "front"})
        engine.container("worker", output="", image="alpine:3", host_config={"NetworkMode": "none"})
        engine.container("job", output="", labels={"tier": "back"}, exit_code=3)
        engine.container("new", output="", start=False)
        query = f"?all=1&filters={json.dumps(filters)}".replace(" ", "").replace('"', "%22")
        found = ask(engine, "GET", f"/containers/json{query}").json()
        assert [c["Names"] for c in reversed(found)] == [[f"/{name}"] for name in names]


def test_the_list_has_what_runs_newest_first() -> None:
    with Engine() as engine:
        ids = [engine.container(name, output="") for name in ("a", "b", "c")]
        engine.exit("b")
        listed = ask(engine, "GET", "/containers/json").json()
        assert [c["Id"] for c in listed] == [ids[2], ids[0]]
        assert [c["State"] for c in ask(engine, "GET", "/containers/json?all=1").json()] == [
            "running",
            "exited",
            "running",
        ]
        assert [c["Id"] for c in ask(engine, "GET", "/containers/json?limit=2").json()] == [ids[2], ids[1]]
        assert ask(engine, "GET", "/containers/json?filters={").status == 400
        assert ask(engine, "GET", "/containers/json?filters=[1]").status == 400
        assert ask(engine, "GET", "/containers/json?filters=%7B%22status%22:[%22x%22]%7D").status == 400


@pytest.mark.parametrize("condition", ["", "?condition=not-running", "?condition=next-exit", "?condition=removed"])
def test_wait(condition: str) -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output="", host_config={"AutoRemove": True})
        peer.request("POST", f"/containers/web/wait{condition}")
        head = peer.head()
        engine.exit("web", 7)
        assert peer.body(head).json() == {"StatusCode": 7}
        assert ask(engine, "POST", "/containers/web/wait?condition=never").status == 400


def test_wait_for_a_container_that_does_not_run() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("new", output="", start=False, exit_code=5)
        assert ask(engine, "POST", "/containers/new/wait").json() == {"StatusCode": 0}
        peer.request("POST", "/containers/new/wait?condition=next-exit")
        head = peer.head()
        assert ask(engine, "POST", "/containers/new/start").status == 204
        assert peer.body(head).json() == {"StatusCode": 5}


def test_unknown_names_in_tests() -> None:
    with Engine() as engine:
        with pytest.raises(KeyError):
            engine.log("nobody", "x")
        with pytest.raises(ValueError, match="stream"):
            engine.log("nobody", "x", 4)
        with pytest.raises(ValueError, match="ContainerList"):
            engine.fail("ContainerLost")


@pytest.mark.parametrize(("api", "status"), [("1.41", 500), ("1.51", 400)])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/containers/json?limit=many", None),
        ("POST", "/containers/create", {"Image": 5}),
        ("POST", "/containers/create", {"Image": "busybox", "HostConfig": [1]}),
        ("POST", "/containers/create", [1]),
        ("POST", "/containers/create", b""),
    ],
)
def test_requests_of_a_wrong_shape(api: str, status: int, method: str, path: str, body: Any) -> None:
    with Engine(api) as engine:
        answer = ask(engine, method, path, body, [("Content-Type", "application/json")])
        assert answer.status == status
        assert answer.json()["message"]
        assert ask(engine, "GET", "/containers/json").json() == []


def test_conflicts() -> None:
    with Engine() as engine:
        engine.container("a", output="")
        engine.container("b", output="")
        assert ask(engine, "POST", "/containers/a/rename?name=b").status == 409
        assert ask(engine, "POST", "/containers/a/pause").status == 204
        assert ask(engine, "POST", "/containers/a/start").status == 409
        assert ask(engine, "POST", "/containers/create?name=a", {"Image": "busybox"}).status == 409
        assert ask(engine, "POST", "/containers/create", {"Cmd": ["true"]}).status == 400
        ids = [engine.container(f"c{number}", output="", start=False) for number in range(17)]
        first = {id[0]: id for id in ids}
        twice = next(id for id in ids if first[id[0]] != id)  # 17 ids, 16 digits
        assert ask(engine, "GET", f"/containers/{twice[0]}/json").status == 400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_durations_in_words(seconds: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine() as engine:
        engine.container("web", output="")
        engine.container("job", output="", exit_code=1)
        now = time.time_ns() + seconds * 10**9
        monkeypatch.setattr("dockerwire.testing.shapes.time.time_ns", lambda: now)
        job, web = ask(engine, "GET", "/containers/json?all=1").json()
        assert web["Status"] == f"Up {text}"
        assert job["Status"] == f"Exited (1) {text} ago"
        ask(engine, "POST", "/containers/web/pause")
        assert ask(engine, "GET", "/containers/json").json()[0]["Status"] == f"Up {text} (Paused)"


# errors on demand


def test_fail() -> None:
    with Engine() as engine:
        engine.fail("ContainerList", 503, "not now", times=2)
        assert [ask(engine, "GET", "/containers/json").status for _ in range(3)] == [503, 503, 200]
        engine.fail("ContainerList", times=None)
        assert [ask(engine, "GET", "/containers/json").status for _ in range(3)] == [500] * 3
        engine.fail("ContainerList", times=0)
        assert ask(engine, "GET", "/containers/json").status == 200


def test_fail_in_plain_text() -> None:
    with Engine() as engine:
        engine.fail("ContainerLogs", 502, "bad gateway", plain=True)
        answer = ask(engine, "GET", "/containers/web/logs")
        assert (answer.status, answer.body) == (502, b"bad gateway")
        assert "content-length" not in answer.headers


def test_fail_pull() -> None:
    with Engine() as engine:
        engine.fail_pull("broken", "disk full")
        answer = ask(engine, "POST", "/images/create?fromImage=broken&tag=latest")
        last = answer.body.split(b"\r\n")[-2]
        assert answer.status == 200
        assert json.loads(last) == {"errorDetail": {"message": "disk full"}, "error": "disk full"}


# images


def test_images() -> None:
    with Engine(registry=["alpine:3"]) as engine:
        assert ask(engine, "POST", "/images/create?fromImage=alpine&tag=3").ended
        assert ask(engine, "POST", "/images/create?fromImage=alpine&tag=4").status == 404
        assert ask(engine, "GET", "/images/docker.io/library/alpine:3/json").json()["RepoTags"] == ["alpine:3"]
        listed = ask(engine, "GET", "/images/json?filters=%7B%22reference%22:[%22alp*%22]%7D").json()
        assert [image["RepoTags"] for image in listed] == [["alpine:3"]]
        assert ask(engine, "GET", "/images/json?filters=%7B%22dangling%22:[%22true%22]%7D").json() == []
        assert ask(engine, "GET", "/images/json?filters=%7B%22x%22:[%22true%22]%7D").status == 400
        engine.container("user", output="", image="alpine:3")
        assert ask(engine, "DELETE", "/images/alpine:3").status == 409
        assert ask(engine, "DELETE", "/images/alpine:3?force=1").status == 409
        engine.exit("user")
        assert ask(engine, "DELETE", f"/images/{listed[0]['Id']}").status == 409
        assert [set(done) for done in ask(engine, "DELETE", "/images/alpine:3?force=1").json()] == [
            {"Untagged"},
            {"Deleted"},
        ]
        assert ask(engine, "DELETE", "/images/alpine:3").status == 404


# events


def listen(engine: Engine, query: str = "", accept: str | None = None) -> tuple[Peer, Any]:
    peer = Peer(engine)
    peer.request("GET", f"{query}", headers=[("Accept", accept)] if accept else [])
    return peer, peer.head()


@pytest.mark.parametrize(
    ("api", "path", "accept", "kind", "first"),
    [
        ("1.41", "/events", "application/json-seq", "application/json", b'{"status"'),
        ("1.51", "/v1.51/events", None, "application/json", b'{"status"'),
        ("1.55", "/v1.51/events", None, "application/json", b'{"status"'),
        ("1.55", "/v1.51/events", "application/x-ndjson", "application/x-ndjson", b'{"status"'),
        ("1.55", "/events", None, "application/jsonl", b'{"scope"'),
        ("1.55", "/events", "*/*", "application/jsonl", b'{"scope"'),
        ("1.55", "/events", "application/x-ndjson;q=1", "application/x-ndjson", b'{"scope"'),
        ("1.55", "/events", "text/html, application/json-seq", "application/json-seq", b'\x1e{"scope"'),
    ],
)
def test_forms_of_events(api: str, path: str, accept: str | None, kind: str, first: bytes) -> None:
    with Engine(api) as engine:
        peer, head = listen(engine, path, accept)
        with peer:
            assert head.headers["content-type"] == kind
            engine.emit({"Type": "container", "Action": "oom", "Actor": {"ID": "x", "Attributes": {"image": "i"}}})
            chunk = peer.chunk() or b""
            assert chunk.startswith(first)
            assert chunk.endswith(b"}\n")
            event = json.loads(chunk.lstrip(b"\x1e"))
            assert event["timeNano"] // 10**9 == event["time"]
            if "status" in event:
                assert (event["status"], event["id"], event["from"]) == ("oom", "x", "i")


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"type": ["container"]}, 5),
        ({"type": ["image"]}, 0),
        ({"event": ["exec_create"]}, 1),
        ({"event": ["exec_create: true"]}, 1),
        ({"event": ["start", "create"]}, 3),
        ({"container": ["web"]}, 4),
        ({"container": ["db"]}, 1),
        ({"label": ["tier=front"]}, 4),
        ({"image": ["busybox"]}, 5),
        ({"scope": ["swarm"]}, 0),
        ({"network": ["bridge"]}, 1),
        ({"unknown": ["x"]}, 6),
    ],
    ids=str,
)
def test_filters_of_events(filters: dict[str, list[str]], count: int) -> None:
    with Engine() as engine:
        engine.container("web", output="", labels={"tier": "front"})
        engine.container("db", output="", start=False)
        ask(engine, "POST", "/containers/web/exec", {"Cmd": ["true"]})
        engine.log("web", "x")
        ask(engine, "POST", "/containers/web/resize?h=1&w=1")
        until = f"{time.time_ns() / 1e9:.9f}"
        query = f"until={until}&filters={json.dumps(filters)}".replace(" ", "%20").replace('"', "%22")
        events = ask(engine, "GET", f"/events?since=1&{query}")
        assert len(events.chunks) == count
        assert events.ended


def test_events_until_a_time_to_come() -> None:
    with Engine() as engine:
        until = time.time_ns() + 150_000_000
        peer, head = listen(engine, f"/events?until={until // 10**9}.{until % 10**9:09d}")
        with peer:
            engine.emit({"Type": "daemon", "Action": "reload"})
            assert len(peer.body(head).chunks) == 1
            assert head.ended
            assert time.time_ns() >= until


def test_events_know_their_times() -> None:
    with Engine() as engine:
        for number in range(3):
            engine.emit({"Type": "daemon", "Action": str(number), "time": number, "timeNano": number * 10**9 + 5})
        found = ask(engine, "GET", "/events?since=1&until=2.000000005").chunks
        assert [json.loads(event)["Action"] for event in found] == ["1", "2"]
        assert ask(engine, "GET", "/events?since=yesterday").status == 400


# stats


@pytest.mark.parametrize("cgroup", [1, 2])
def test_stats_rise(cgroup: int) -> None:
    with Engine(stats_interval=0.01, cgroup=cgroup) as engine, Peer(engine) as peer:
        engine.container("web", output="hello\n")
        peer.request("GET", "/containers/web/stats")
        peer.head()
        samples = [json.loads(peer.chunk() or b"") for _ in range(3)]
        totals = [sample["cpu_stats"]["cpu_usage"]["total_usage"] for sample in samples]
        assert totals == sorted(set(totals))
        assert [sample["precpu_stats"] for sample in samples[1:]] == [sample["cpu_stats"] for sample in samples[:-1]]
        assert ("percpu_usage" in samples[0]["cpu_stats"]["cpu_usage"]) == (cgroup == 1)
        assert ("max_usage" in samples[0]["memory_stats"]) == (cgroup == 1)
        assert samples[0]["networks"]["eth0"]["tx_bytes"] == len("hello\n")
        first = samples[0]["blkio_stats"]["io_service_bytes_recursive"][0]["op"]
        assert first == ("Read" if cgroup == 1 else "read")
        busy = totals[2] - totals[1]
        whole = samples[2]["cpu_stats"]["system_cpu_usage"] - samples[1]["cpu_stats"]["system_cpu_usage"]
        assert 0 < busy < whole


# the socket itself


def test_many_idle_connections() -> None:
    with Engine() as engine:
        socks = []
        for _ in range(200):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(engine.host.removeprefix("unix://"))
            socks.append(sock)
        assert ask(engine, "GET", "/_ping").body == b"OK"
        for sock in socks:
            sock.close()


def test_import_takes_what_it_is_sent() -> None:
    """As 20.10 and 28.5 answer: one document whose status is the id."""
    with Engine() as engine:
        answer = ask(engine, "POST", "/images/create?fromSrc=-&repo=mine&tag=1", b"a tar")
        id = "sha256:" + hashlib.sha256(b"a tar").hexdigest()
        assert (answer.status, answer.body) == (200, b'{"status":"%b"}\r\n' % id.encode())
        found = ask(engine, "GET", "/images/mine:1/json").json()
        assert (found["Id"], found["RepoTags"]) == (id, ["mine:1"])
        assert ask(engine, "POST", "/images/create?fromSrc=http://elsewhere/", b"").status == 501
