"""What containers write and read: logs, attach, exec, and the programs of the embedded engine."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import pytest

from dockerwire.testing import Engine, Process
from dockerwire.testing import state as engine_state

from .peer import Answer, Peer, ask, frames

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
SECOND = 10**9


# logs


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (0, [1]),
        (1, [2]),
        (16383, [16384]),
        (16384, [16384, 1]),
        (16385, [16384, 2]),
        (40000, [16384, 16384, 7233]),
        (100_000, [16384] * 6 + [1697]),
    ],
)
def test_long_lines_come_in_pieces(length: int, sizes: list[int]) -> None:
    with Engine() as engine:
        engine.container("web", output=b"a" * length + b"\n", exit_code=0)
        logs = ask(engine, "GET", "/containers/web/logs?stdout=1")
        assert [len(data) for _, data in logs.frames()] == sizes
        assert [len(chunk) for chunk in logs.chunks] == [size + 8 for size in sizes]
        stamped = ask(engine, "GET", "/containers/web/logs?stdout=1&timestamps=1")
        assert [len(data) for _, data in stamped.frames()] == [size + 31 for size in sizes]
        assert len({data[:30] for _, data in stamped.frames()}) == 1


def test_lines_are_cut_per_stream() -> None:
    with Engine() as engine:
        pieces = [(1, "ou"), (2, "er"), (1, "t1\nout2"), (2, "r1\n"), (1, "\n"), (1, "end")]
        engine.container("web", output=pieces, exit_code=0)
        logs = ask(engine, "GET", "/containers/web/logs?stdout=1&stderr=1").frames()
        assert logs == [(1, b"out1\n"), (2, b"err1\n"), (1, b"out2\n"), (1, b"end")]


def timed(engine: Engine) -> None:
    engine.container("web", output="")
    for number in range(5):
        engine.log("web", f"line{number}\n", 1 + number % 2, time_ns=number * SECOND + 7)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("stdout=1&stderr=1", [0, 1, 2, 3, 4]),
        ("stdout=1", [0, 2, 4]),
        ("stderr=True", [1, 3]),
        ("stdout=1&stderr=1&tail=2", [3, 4]),
        ("stdout=1&tail=2", [4]),
        ("stdout=1&stderr=1&tail=0", []),
        ("stdout=1&stderr=1&tail=all", [0, 1, 2, 3, 4]),
        ("stdout=1&stderr=1&tail=-1", [0, 1, 2, 3, 4]),
        ("stdout=1&stderr=1&since=2", [2, 3, 4]),
        ("stdout=1&stderr=1&since=2.000000007", [2, 3, 4]),
        ("stdout=1&stderr=1&since=2.000000008", [3, 4]),
        ("stdout=1&stderr=1&until=2", [0, 1]),
        ("stdout=1&stderr=1&until=2.000000007&since=1", [1, 2]),
        ("stdout=1&stderr=1&since=0&until=0", [0, 1, 2, 3, 4]),
        ("stdout=1&stderr=1&follow=1&until=3", [0, 1, 2]),
    ],
)
def test_which_lines(query: str, numbers: list[int]) -> None:
    with Engine() as engine:
        timed(engine)
        logs = ask(engine, "GET", f"/containers/web/logs?{query}")
        assert logs.frames() == [(1 + number % 2, f"line{number}\n".encode()) for number in numbers]


def test_timestamps_and_details() -> None:
    with Engine() as engine:
        options = {"LogConfig": {"Config": {"labels": "b,a", "env": "PATH_X"}}}
        config = {"Env": ["PATH_X=1 2,3"]}
        engine.container("web", output="", labels={"a": "=", "b": "x"}, config=config, host_config=options)
        engine.container("plain", output="")
        for name in ("web", "plain"):
            engine.log(name, "text\n", time_ns=1700000000 * SECOND + 120)
        query = "logs?stdout=1&timestamps=1&details=1"
        assert ask(engine, "GET", f"/containers/web/{query}").frames() == [
            (1, b"2023-11-14T22:13:20.000000120Z PATH_X=1+2%2C3,a=%3D,b=x text\n")
        ]
        assert ask(engine, "GET", f"/containers/plain/{query}").frames() == [
            (1, b"2023-11-14T22:13:20.000000120Z  text\n")
        ]


@pytest.mark.parametrize(
    ("api", "path", "tty", "kind"),
    [
        ("1.41", "", False, None),
        ("1.41", "/v1.40", True, None),
        ("1.42", "", False, MULTIPLEXED),
        ("1.51", "/v1.42", False, MULTIPLEXED),
        ("1.51", "/v1.41", False, RAW),
        ("1.51", "", True, RAW),
    ],
)
def test_content_type_of_logs(api: str, path: str, tty: bool, kind: str | None) -> None:
    with Engine(api) as engine:
        engine.container("web", output="a\nb\n", tty=tty, exit_code=0)
        logs = ask(engine, "GET", f"{path}/containers/web/logs?stdout=1")
        assert logs.headers.get("content-type") == kind
        assert logs.chunks == ([b"a\r\n", b"b\r\n"] if tty else [b"\1\0\0\0\0\0\0\2a\n", b"\1\0\0\0\0\0\0\2b\n"])


def test_following() -> None:
    with Engine() as engine, Peer(engine) as peer, Peer(engine) as late:
        engine.container("web", output="first\n")
        peer.request("GET", "/containers/web/logs?stdout=1&stderr=1&follow=1")
        head = peer.head()
        assert frames(peer.chunk() or b"") == [(1, b"first\n")]
        engine.log("web", "half")
        engine.log("web", " a line\n")
        assert frames(peer.chunk() or b"") == [(1, b"half a line\n")]
        late.request("GET", "/containers/web/logs?stdout=1&tail=0&follow=1")
        late_head = late.head()
        engine.log("web", "to stderr\n", 2)
        engine.log("web", "trouble", 3)
        engine.log("web", "last")
        engine.exit("web")
        assert peer.body(head).frames() == [(2, b"to stderr\n"), (3, b"trouble"), (1, b"last")]
        assert head.ended
        assert late.body(late_head).frames() == [(3, b"trouble"), (1, b"last")]


def test_following_what_does_not_run_ends_at_once() -> None:
    with Engine() as engine:
        engine.container("new", output="x\n", start=False)
        assert ask(engine, "GET", "/containers/new/logs?stdout=1&follow=1").chunks == []


def test_a_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too old is forgotten, also by who follows; figures of stats still count it."""
    monkeypatch.setattr(engine_state, "_ENTRIES_KEPT", 10)
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output=[f"{number}\n" for number in range(23)])
        kept = [(1, f"{number}\n".encode()) for number in range(15, 23)]
        assert ask(engine, "GET", "/containers/web/logs?stdout=1").frames() == kept
        assert ask(engine, "GET", "/containers/web/logs?stdout=1&tail=3").frames() == kept[-3:]
        assert ask(engine, "GET", "/containers/web/logs?stdout=1&tail=30").frames() == kept
        sample = ask(engine, "GET", "/containers/web/stats?stream=0").json()
        assert sample["networks"]["eth0"]["tx_packets"] == 23
        peer.request("GET", "/containers/web/logs?stdout=1&tail=0&follow=1")
        head = peer.head()
        engine.log("web", "last\n")
        engine.exit("web")
        assert peer.body(head).frames() == [(1, b"last\n")]


def test_a_long_log_comes_whole() -> None:
    with Engine() as engine:
        engine.container("web", output=[f"{number}\n" for number in range(5000)], exit_code=0)
        logs = ask(engine, "GET", "/containers/web/logs?stdout=1")
        assert [int(data) for _, data in logs.frames()] == list(range(5000))
        assert len(logs.chunks) == 5000


def test_output_at_a_rate() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output="a\nb\nc\n", rate=200, exit_code=4)
        peer.request("GET", "/containers/web/logs?stdout=1&follow=1")
        assert [data for _, data in peer.answer().frames()] == [b"a\n", b"b\n", b"c\n"]
        assert ask(engine, "POST", "/containers/web/wait").json() == {"StatusCode": 4}


def test_a_hundred_followers() -> None:
    with Engine() as engine:
        engine.container("web", output="")
        peers = [Peer(engine) for _ in range(100)]
        for peer in peers:
            peer.request("GET", "/containers/web/logs?stdout=1&follow=1")
        heads = [peer.head() for peer in peers]
        engine.log("web", "x\n")
        engine.exit("web")
        for peer, head in zip(peers, heads, strict=True):
            assert peer.body(head).frames() == [(1, b"x\n")]
            assert head.ended
            peer.close()


# exec


def exec_start(engine: Engine, peer: Peer, command: list[str], upgrade: bool = True, **spec: Any) -> tuple[str, Answer]:
    given = {"Cmd": command, "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, **spec}
    id = ask(engine, "POST", "/containers/box/exec", given).json()["Id"]
    peer.request("POST", f"/exec/{id}/start", {"Tty": bool(spec.get("Tty"))}, upgrade=upgrade)
    return id, peer.head()


def exit_code(engine: Engine, id: str) -> int | None:
    found = ask(engine, "GET", f"/exec/{id}/json").json()
    assert not found["Running"]
    code: int | None = found["ExitCode"]
    return code


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_mebibyte_through_stdin(upgrade: bool, tcp: bool) -> None:
    with Engine(tcp=tcp) as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id, head = exec_start(engine, peer, ["wc", "-c"], upgrade)
        assert (head.status, head.reason) == ((101, "UPGRADED") if upgrade else (200, "OK"))
        peer.send(b"x" * (1 << 20))
        peer.half_close()
        assert frames(peer.rest()) == [(1, b"1048576\n")]
        assert exit_code(engine, id) == 0


def test_cat_sends_back_all_while_reading() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        exec_start(engine, peer, ["cat"])
        data = bytes(range(256)) * 16384
        sender = threading.Thread(target=lambda: (peer.send(data), peer.half_close()))
        sender.start()
        found = frames(peer.rest())
        sender.join()
        assert {stream for stream, _ in found} == {1}
        assert max(len(piece) for _, piece in found) <= 32768
        assert b"".join(piece for _, piece in found) == data


def test_bytes_sent_right_behind_the_request_are_stdin() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id = ask(engine, "POST", "/containers/box/exec", {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True})
        head = f"POST /exec/{id.json()['Id']}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        peer.send(f"{head}Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{{}}early".encode())
        peer.half_close()
        assert peer.head().status == 101
        assert frames(peer.rest()) == [(1, b"early")]


def test_a_terminal() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id, head = exec_start(engine, peer, ["wc"], Tty=True)
        assert head.headers["content-type"] == RAW
        peer.send(b"two words\r\x04ignored")
        assert peer.rest() == b"two words\r\n1 2 10\r\n"
        assert exit_code(engine, id) == 0


def test_a_client_that_does_not_read_blocks_the_process() -> None:
    wrote = []

    def flood(process: Process) -> None:
        for _ in range(40):
            process.write(b"x" * 100_000)
            wrote.append(1)

    with Engine(commands={"flood": flood}) as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id, _ = exec_start(engine, peer, ["flood"])
        assert peer.quiet() is False  # something is there, but nobody takes it
        assert len(wrote) < 40
        assert ask(engine, "GET", f"/exec/{id}/json").json()["Running"]
        peer.rest()
        assert len(wrote) == 40
        assert exit_code(engine, id) == 0


def test_commands_of_ones_own() -> None:
    def broken(process: Process) -> None:
        process.write("on its way\n")
        raise RuntimeError("oh no")

    with Engine(commands={"broken": broken, "/bin/seven": lambda process: 7}) as engine:
        engine.container("box", output="")
        with Peer(engine) as peer:
            id, _ = exec_start(engine, peer, ["/usr/bin/broken"])
            assert frames(peer.rest()) == [(1, b"on its way\n"), (2, b"/usr/bin/broken: RuntimeError: oh no\n")]
            assert exit_code(engine, id) == 1
        with Peer(engine) as peer:
            id, _ = exec_start(engine, peer, ["/bin/seven"])
            assert peer.rest() == b""
            assert exit_code(engine, id) == 7


SCRIPTS: list[tuple[str, list[tuple[int, bytes]], int]] = [
    ("echo a b", [(1, b"a b\n")], 0),
    ("echo 'a  b' \"c d\"e\\ f", [(1, b"a  b c de f\n")], 0),
    ("echo -n x; echo y >&2", [(1, b"x"), (2, b"y\n")], 0),
    ("echo x 1>&2\necho z", [(2, b"x\n"), (1, b"z\n")], 0),
    ("true && echo yes || echo no", [(1, b"yes\n")], 0),
    ("false && echo yes || echo no", [(1, b"no\n")], 0),
    ("false || exit 3; echo never", [], 3),
    ("false; exit", [], 1),
    (": nothing; false", [], 1),
    ("echo a # b", [(1, b"a\n")], 0),
    ("echo ';' '&&'", [(1, b"; &&\n")], 0),
    ("nosuch", [(2, b"sh: nosuch: not found\n")], 127),
    ("sh -c 'exit 4'", [], 4),
    ("sh -x", [(2, b"sh: only -c is known here\n")], 2),
    ("sleep 0 && sleep", [(2, b"sleep: one number of seconds is needed\n")], 1),
    ("echo a | cat", [(2, b"sh: not known here:  | cat\n")], 2),
    ("echo 'open", [(2, b"sh: not known here:  'open\n")], 2),
    ("cat", [(1, b"in\n")], 0),
    ("wc -l; wc -w", [(1, b"1\n"), (1, b"0\n")], 0),
]


@pytest.mark.parametrize(("script", "output", "code"), SCRIPTS, ids=[script for script, _, _ in SCRIPTS])
def test_the_shell(script: str, output: list[tuple[int, bytes]], code: int) -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id, _ = exec_start(engine, peer, ["sh", "-c", script])
        with contextlib.suppress(BrokenPipeError):  # some end without reading
            peer.send(b"in\n")
            peer.half_close()
        found = frames(peer.rest())
        assert [(stream, data) for stream, data in found if data] == output
        assert exit_code(engine, id) == code


def test_a_shell_that_reads_its_script() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        exec_start(engine, peer, ["sh"])
        peer.send(b"echo one\necho two")
        peer.half_close()
        assert b"".join(data for _, data in frames(peer.rest())) == b"one\ntwo\n"


def test_a_container_that_ends_ends_its_execs() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", output="")
        id, _ = exec_start(engine, peer, ["sh", "-c", "echo up; sleep inf"])
        assert peer.take(11) == b"\1\0\0\0\0\0\0\3up\n"
        assert len(ask(engine, "GET", "/containers/box/top").json()["Processes"]) == 2
        assert ask(engine, "GET", "/containers/box/json").json()["ExecIDs"] == [id]
        assert ask(engine, "POST", f"/exec/{id}/resize?h=1&w=2").status == 200
        engine.exit("box")
        assert peer.rest() == b""
        assert exit_code(engine, id) == 137
        assert ask(engine, "POST", f"/exec/{id}/resize?h=1&w=2").status == 409
        assert ask(engine, "POST", f"/exec/{id}/start", {}).status == 409


def test_refusals_of_exec() -> None:
    with Engine() as engine:
        engine.container("box", output="")
        assert ask(engine, "POST", "/containers/box/exec", {"Cmd": []}).status == 400
        id = ask(engine, "POST", "/containers/box/exec", {"Cmd": ["nosuch"]}).json()["Id"]
        assert ask(engine, "POST", f"/exec/{id}/start", {"Detach": True}).status == 400
        assert ask(engine, "POST", f"/exec/{id}/start", {"Detach": True}).status == 409
        ask(engine, "POST", "/containers/box/pause")
        assert ask(engine, "POST", "/containers/box/exec", {"Cmd": ["true"]}).status == 409


# attach


def test_a_container_made_by_a_client() -> None:
    """What ``docker run -i`` does: create, attach, wait, start, send, half-close."""
    spec = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True}
    with Engine() as engine, Peer(engine) as attach, Peer(engine) as wait:
        id = ask(engine, "POST", "/containers/create?name=run", {**spec, "HostConfig": {"AutoRemove": True}}).json()[
            "Id"
        ]
        attach.request("POST", f"/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1", upgrade=True)
        assert attach.head().status == 101
        wait.request("POST", f"/containers/{id}/wait?condition=removed")
        head = wait.head()
        assert ask(engine, "POST", f"/containers/{id}/start").status == 204
        attach.send(b"hello")
        attach.half_close()
        assert frames(attach.rest()) == [(1, b"hello")]
        assert wait.body(head).json() == {"StatusCode": 0}


def test_stdin_that_is_sent_before_the_start_waits() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", command=["cat"], stdin=True, start=False)
        peer.request("POST", "/containers/box/attach?stream=1&stdin=1&stdout=1", upgrade=True)
        peer.head()
        peer.send(b"early")
        peer.half_close()
        assert ask(engine, "POST", "/containers/box/start").status == 204
        assert frames(peer.rest()) == [(1, b"early")]


def test_many_can_attach_and_stdin_stays_open() -> None:
    """Without StdinOnce a half-close ends only the attach; the container reads on."""
    with Engine() as engine, Peer(engine) as first, Peer(engine) as second:
        engine.container("box", command=["cat"], config={"OpenStdin": True})
        for peer in (first, second):
            peer.request("POST", "/containers/box/attach?stream=1&stdin=1&stdout=1", upgrade=True)
            peer.head()
        first.send(b"a")
        assert second.take(9) == b"\1\0\0\0\0\0\0\1a"
        first.half_close()
        assert frames(first.rest()) == [(1, b"a")]
        second.send(b"b")
        assert second.take(9) == b"\1\0\0\0\0\0\0\1b"
        assert ask(engine, "GET", "/containers/box/json").json()["State"]["Running"]


def test_attach_to_one_stream_with_what_was_written_before() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("web", output=[(1, "out\n"), (2, "err\n")])
        peer.request("POST", "/containers/web/attach?logs=1&stream=1&stderr=1")
        assert peer.head().status == 200
        engine.log("web", "no\n")
        engine.log("web", "yes\n", 2)
        engine.log("web", b"x" * 40000, 2)
        engine.exit("web")
        found = frames(peer.rest())
        assert found[:2] == [(2, b"err\n"), (2, b"yes\n")]
        assert [len(data) for _, data in found[2:]] == [32768, 7232]


def test_a_paused_container_writes_nothing() -> None:
    with Engine() as engine, Peer(engine) as peer:
        engine.container("box", command=["cat"], stdin=True)
        peer.request("POST", "/containers/box/attach?stream=1&stdin=1&stdout=1", upgrade=True)
        peer.head()
        assert ask(engine, "POST", "/containers/box/pause").status == 204
        peer.send(b"x")
        assert peer.quiet()
        assert ask(engine, "POST", "/containers/box/unpause").status == 204
        assert peer.take(9) == b"\1\0\0\0\0\0\0\1x"


def test_events_of_a_life() -> None:
    with Engine("1.41") as engine, Peer(engine) as peer:
        peer.request("GET", "/events")
        peer.head()
        engine.container("web", command=["sleep", "inf"], host_config={"AutoRemove": True})
        ask(engine, "POST", "/containers/web/exec", {"Cmd": ["true", "x"]})
        ask(engine, "POST", "/containers/web/rename?name=new")
        ask(engine, "POST", "/containers/new/stop")
        actions = []
        while "destroy" not in actions:
            actions.append(json.loads(peer.chunk() or b"")["Action"])
        stop = ["kill", "die", "disconnect", "destroy"]
        assert actions == ["create", "connect", "start", "exec_create: true x", "rename", *stop]
