"""Tapes: their files, and what a replay says to whom."""

from __future__ import annotations

import errno
import json
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dockerwire import APIError, Client, ConnectError, ConnectionLost, Frame, Timeouts, Truncated
from dockerwire.testing import Engine, Tape, TapeFile
from dockerwire.testing.__main__ import main
from dockerwire.testing.tape import Event
from tests.support.forks import in_a_child
from tests.support.peers import Peer, answers, ok

LIST = b"GET /v1.44/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n"
LOGS: Any = {"stdout": True, "stderr": True, "tty": False}


def exchange(path: str, *bodies: bytes, method: str = "GET") -> Tape:
    """A tape on which each request for `path` got the next body."""
    tape = Tape(redact=False)
    for body in bodies:
        track = tape.track()
        track.sent(f"{method} {path} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
        track.received(ok(body, b"Content-Type: application/json"))
        track.closed()
    return tape


def recorded() -> Tape:
    """Lists, logs, and a container that echoes its input."""
    tape = Tape(redact=False)
    with Engine(api_version="1.44") as engine, Client(engine.host, tape=tape) as client:
        engine.container("web", output=[(1, b"one\n"), (2, b"two\n")])
        converse(client)
    return tape


def converse(client: Client) -> list[Any]:
    found: list[Any] = [[one["Names"] for one in client.containers.list()]]
    with client.containers.logs("web", **LOGS) as items:
        found.append(list(items))
    made = client.containers.create({"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True})["Id"]
    with client.containers.attach(made, stream=True, stdin=True, stdout=True, tty=False) as session:
        client.containers.start(made)
        session.send(b"hello\n")
        found.append(next(session))
        session.send_eof()
        found += [list(session), session.ended]
    found.append(client.containers.wait(made)["StatusCode"])
    return found


FOUND = [[["/web"]], [Frame(1, b"one\n"), Frame(2, b"two\n")], Frame(1, b"hello\n"), [], "eof", 0]


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_has_all_of_it(tmp_path: Path) -> None:
    tape = recorded()
    tape.save(tmp_path / "x.tape")
    loaded = Tape.load(tmp_path / "x.tape")
    assert loaded.events == tape.events
    assert loaded.exchanges == tape.exchanges
    assert loaded.size == tape.size == sum(len(one.answer) for one in tape.exchanges)
    with Client("unix:///nosuch", tape=loaded) as client, pytest.raises(ConnectError):
        client.system.ping()
    assert loaded.events == tape.events
    loaded.track().sent(LIST)  # it goes on behind what it had
    assert loaded.events[-1].exchange == tape.events[-1].exchange + 1
    assert loaded.events[-1].connection == max(event.connection for event in tape.events) + 1


def test_a_line_for_each_event(tmp_path: Path) -> None:
    events = [
        Event(0, 0, 0.5, "sent", b"GET / HTTP/1.1\r\n\r\n"),
        Event(0, 0, 0.75, "sent", bytes(70_000), True),
        Event(0, 0, 1.0, "received", b"\x00\xff"),
        Event(0, 0, 1.5, "received"),
        Event(0, 0, 1.5, "broken", b"ECONNRESET"),
        Event(0, 0, 2.0, "closed"),
    ]
    Tape(events).save(tmp_path / "x.tape")
    first, *lines = map(json.loads, (tmp_path / "x.tape").read_text("ascii").splitlines())
    assert first["dockerwire tape"] == 1
    at = {"connection": 0, "exchange": 0}
    assert lines == [
        {**at, "at": 0.5, "sent": "GET / HTTP/1.1\r\n\r\n"},
        {**at, "at": 0.75, "sent": 70_000},
        {**at, "at": 1.0, "received": "\x00\xff"},
        {**at, "at": 1.5, "received": ""},
        {**at, "at": 1.5, "broken": "ECONNRESET"},
        {**at, "at": 2.0, "closed": ""},
    ]
    assert Tape.load(tmp_path / "x.tape").events == events


HEADER = '{"dockerwire tape": 1}\n'


def line(**changed: Any) -> str:
    return json.dumps({"connection": 0, "exchange": 0, "at": 0, **changed}) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("hello\n", "line 1 is none"),
        ('{"a": 1}\n', "line 1 is none"),
        ("[]\n", "line 1 is none"),
        ('{"dockerwire tape": 2}\n', "format 2"),
        (HEADER + '{"connection": 0, "exchange": 0, "at": 0}\n', "line 2 is none"),
        (HEADER + '{"connection": 0, "exchange": 0, "at": 0, "sent": "", "received": ""}\n', "line 2 is none"),
        (HEADER + '{"connection": 0, "exchange": 0, "at": 0, "sent": null}\n', "line 2 is none"),
        (HEADER + '{"connection": 0, "exchange": 0, "at": 0, "sent": "\\u0100"}\n', "line 2 is none"),
        (HEADER + '{"connection": 0, "exchange": 0, "at": 0, "sent": "x"\n', "line 2 is none"),
        (HEADER + "\N{SNOWMAN}\n", "line 2 is none"),
        ("[" * 200_000 + "\n", "line 1 is none"),
        (HEADER + "[" * 200_000 + "\n", "line 2 is none"),
        (HEADER + '{"exchange": 0, "at": 0, "sent": "x"}\n', "line 2 is none"),
        (HEADER + line(sent="x") + line(connection="a", sent="x"), "line 3 is none"),
        (HEADER + line(connection=True, sent="x"), "line 2 is none"),
        (HEADER + line(exchange=-1, sent="x"), "line 2 is none"),
        (HEADER + line(exchange=0.5, sent="x"), "line 2 is none"),
        (HEADER + line(at="now", sent="x"), "line 2 is none"),
        (HEADER + line(at=float("nan"), sent="x"), "line 2 is none"),
        (HEADER + line(sent=True), "line 2 is none"),
        (HEADER + line(sent=-1), "line 2 is none"),
        (HEADER + line(sent=3_000_000_000), "line 2 is none"),
        (HEADER + line(received=99_999_999_999_999), "line 2 is none"),
        (HEADER + line(closed=5), "line 2 is none"),
        (HEADER + line(broken=None), "line 2 is none"),
    ],
)
def test_what_is_no_tape(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.tape"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=says):
        Tape.load(path)
    with pytest.raises(SystemExit) as exited:
        main(["--tape", str(path)])
    assert exited.value.code == 2
    assert says in capsys.readouterr().err


def test_a_last_line_that_was_not_finished(tmp_path: Path) -> None:
    whole = line(sent="x")
    for end in range(len(whole) - 1):
        (tmp_path / "x.tape").write_text(f"{HEADER}{whole}{whole[:end]}")
        assert Tape.load(tmp_path / "x.tape").events == [Event(0, 0, 0, "sent", b"x")]


def test_a_file_is_written_as_it_goes_and_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    with TapeFile(path, redact=False) as tape, Peer(answers(ok(b"[]"))) as peer:
        with Client(peer.host, version="1.44", tape=tape) as client:
            client.containers.list()
            assert Tape.load(path).exchanges[0].answer == ok(b"[]")
        client = Client(peer.host, version="1.44", tape=tape)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [event.kind for event in Tape.load(path).events] == ["sent", "received", "closed"]
    with Peer(answers(ok(b"[]"))) as peer, Client(peer.host, version="1.44", tape=tape) as client:
        client.containers.list()  # after the block nothing is written, and nothing fails
    assert len(Tape.load(path).events) == 3


def test_files_that_were_there_are_the_owners_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    for write in (lambda: TapeFile(path).__enter__().__exit__(), lambda: Tape().save(path)):
        path.write_text("{}" * 1000)
        path.chmod(0o644)
        write()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert Tape.load(path).events == []
    mode = Path("/dev/null").stat().st_mode
    Tape().save("/dev/null")
    assert Path("/dev/null").stat().st_mode == mode


def test_a_file_that_is_not_the_owners_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "x.tape"
    path.write_text("theirs")
    monkeypatch.setattr("os.fchmod", refused)
    with pytest.raises(PermissionError):
        Tape().save(path)
    with pytest.raises(PermissionError), TapeFile(path):
        pass
    assert path.read_text() == "theirs"


def test_a_tape_file_is_entered_once(tmp_path: Path) -> None:
    tape = TapeFile(tmp_path / "x.tape")
    with Peer(answers(ok(b"[]"))) as peer, Client(peer.host, version="1.44", tape=tape) as client:
        with pytest.raises(RuntimeError, match="was not entered"):
            client.containers.list()
        with tape:
            client.containers.list()
            with pytest.raises(RuntimeError, match="once"):
                tape.__enter__()
        with pytest.raises(RuntimeError, match="once"):
            tape.__enter__()
    assert len(Tape.load(tmp_path / "x.tape").events) == 2


def test_a_full_disk_ends_the_tape_and_not_the_client() -> None:
    def talk() -> None:
        with (
            TapeFile("/dev/full") as tape,
            Peer(answers(ok(b"[]"))) as peer,
            Client(peer.host, version="1.44", tape=tape) as client,
        ):
            assert client.containers.list() == []

    with pytest.raises(OSError, match="No space left"):
        talk()


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    with TapeFile(path) as tape, Peer(answers(ok(b"[]"))) as peer:
        client = Client(peer.host, version="1.44", tape=tape)
        client.containers.list()
        in_a_child(client.close)
        client.close()
    assert [event.kind for event in Tape.load(path).events] == ["sent", "received", "closed"]


# --- replay ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [{}, {"piece": 1}, {"piece": 100}, {"tcp": True, "piece": 7}], ids=str)
def test_a_replay_says_what_was_said(faults: Any) -> None:
    tape = recorded()
    with tape.replay(**faults) as replay, Client(replay.host) as client:
        assert converse(client) == FOUND
        asked = [(one.method, one.target) for one in replay.requests]
    assert asked == [(one.method, one.target) for one in tape.exchanges]
    assert json.loads(replay.requests[3].body)["Cmd"] == ["cat"]


def test_on_sockets_that_are_given() -> None:
    tape = exchange("/v1.44/containers/json", b"[]")
    with tape.replay() as replay:
        with Client(replay.connect(), version="1.44") as client:
            assert client.containers.list() == []
        ours, theirs = socket.socketpair()
        replay.serve(theirs)
        with Client(ours, version="1.44") as client:
            assert client.containers.list() == []


def test_at_a_path_that_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    replay = exchange("/v1.44/containers/json", b"[]").replay(path)
    with pytest.raises(RuntimeError, match="not started"):
        _ = replay.host
    with pytest.raises(RuntimeError, match="not started"):
        replay.connect()
    with socket.socket() as sock, pytest.raises(RuntimeError, match="not started"):
        replay.serve(sock)
    with replay:
        assert replay.host == f"unix://{path}"
        with Client(replay.host, version="1.44") as client:
            assert client.containers.list() == []
    assert not path.exists()
    with pytest.raises(RuntimeError, match="once"):
        replay.__enter__()


def test_which_answer_a_request_gets() -> None:
    tape = exchange("/v1.44/containers/json", b'["one"]', b'["two"]')
    other = exchange("/v1.44/containers/json?all=1", b'["all"]')
    tape = Tape([*tape.events, *(event._replace(exchange=2, connection=2) for event in other.events)])
    with tape.replay() as replay, Client(replay.host, version="1.44") as client:
        assert client.containers.list(all=True) == ["all"]  # the one that is just so
        assert [client.containers.list() for _ in range(3)] == [["one"], ["two"], ["two"]]  # and the last one again
        assert client.containers.list(limit=3) == ["all"]  # of the same path
        with Client(replay.host, version="1.41") as older:
            assert older.containers.list() == ["all"]
        with pytest.raises(APIError, match=r"the tape has no answer to GET /v1\.44/images/json") as caught:
            client.images.list()
        assert caught.value.status == 501
        with pytest.raises(APIError):
            client.containers.prune()
        assert replay.requests[-1].method == "POST"


def test_rewound() -> None:
    with exchange("/v1.44/containers/json", b'["one"]', b'["two"]').replay() as replay:
        for cut, expected in ((None, ["one"]), (10, ConnectionLost), (None, ["one"])):
            replay.rewind(cut)
            with Client(replay.host, version="1.44") as client:
                if expected is ConnectionLost:
                    with pytest.raises((ConnectionLost, Truncated)):
                        client.containers.list()
                else:
                    assert client.containers.list() == expected
            assert len(replay.requests) == 1


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_cut(reset: bool, tcp: bool) -> None:
    tape = exchange("/v1.44/containers/json", b'["one"]', b'["two"]')
    first = len(tape.exchanges[0].answer)
    for cut in (0, 5, first - 1, first, first + 20, tape.size - 1):
        with tape.replay(cut=cut, reset=reset, tcp=tcp) as replay, Client(replay.host, version="1.44") as client:
            if cut >= first:
                assert client.containers.list() == ["one"]
            with pytest.raises((ConnectionLost, Truncated)) as caught:
                client.containers.list()
            assert ("reset" in str(caught.value)) is reset
    with tape.replay(cut=tape.size, reset=reset, tcp=tcp) as replay, Client(replay.host, version="1.44") as client:
        assert [client.containers.list() for _ in range(2)] == [["one"], ["two"]]


def test_what_was_reset_is_reset() -> None:
    tape = Tape()
    track = tape.track()
    track.sent(LIST)
    track.received(b"HTTP/1.1 200 OK\r\n")
    track.broken(ConnectionResetError(104, "reset"))
    track.closed()
    with (
        tape.replay() as replay,
        Client(replay.host, version="1.44") as client,
        pytest.raises(ConnectionLost, match="reset"),
    ):
        client.containers.list()


def test_delayed() -> None:
    tape = exchange("/v1.44/containers/json", b"[]")
    begin = time.monotonic()
    with tape.replay(delay=0.05, piece=30) as replay, Client(replay.host, version="1.44") as client:
        assert client.containers.list() == []
    assert time.monotonic() - begin > 0.05 * (tape.size // 30)
    with (
        tape.replay(delay=60) as replay,
        Client(replay.host, version="1.44", timeout=0.05) as client,
        pytest.raises(TimeoutError),
    ):
        client.containers.list()
    assert time.monotonic() - begin < 30  # it does not wait for what it would say


def test_input_is_waited_for() -> None:
    tape = recorded()
    with tape.replay() as replay, Client(replay.host, timeout=Timeouts(idle=0.1)) as client:
        client.containers.create({"Image": "busybox"})
        made = next(one for one in tape.exchanges if one.target.endswith("stdout=1") and one.method == "POST")
        container = made.target.split("/")[3]
        with client.containers.attach(container, stream=True, stdin=True, stdout=True, tty=False) as session:
            session.send(b"hell")
            with pytest.raises(TimeoutError):  # one byte is missing, and the end of the line
                next(session)
        with client.containers.attach(container, stream=True, stdin=True, stdout=True, tty=False) as session:
            session.send(b"hello\n")
            assert next(session) == Frame(1, b"hello\n")
            with pytest.raises(TimeoutError):  # the end comes after that of the input
                next(session)


def test_an_answer_before_the_end_of_the_request() -> None:
    tape = Tape()
    track = tape.track()
    track.sent(b"POST /v1.44/images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n")
    track.received(b"HTTP/1.1 100 Continue\r\n\r\n")
    track.sent(b"12345678")
    track.received(ok(b"{}"))
    assert len(tape.exchanges) == 1
    assert [event.data for event in tape.events if event.blank] == [bytes(8)]
    with tape.replay() as replay:
        sock = replay.connect()
        with sock:
            sock.settimeout(10)
            sock.sendall(b"POST /v1.44/images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 8\r\n\r\n")
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"abcd")
            assert select.select([sock], [], [], 0.05)[0] == []
            sock.sendall(b"efgh")
            assert sock.recv(100) == ok(b"{}")
            sock.sendall(b"POST /v1.44/images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n")
            assert sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"  # it goes on
        assert replay.requests[0].body == b"abcdefgh"


def test_a_client_that_waits_to_be_told_to_go_on() -> None:
    ask = b"POST /v1.44/%b HTTP/1.1\r\nHost: docker\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with exchange("/v1.44/images/load", b"{}", method="POST").replay() as replay:
        for name, answer in ((b"images/load", b"HTTP/1.1 200 OK"), (b"nosuch", b"HTTP/1.1 501 Not Implemented")):
            with replay.connect() as sock:
                sock.settimeout(10)
                sock.sendall(ask % name)
                assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
                sock.sendall(b"abcd")
                assert sock.recv(1000).startswith(answer)
    assert [request.body for request in replay.requests] == [b"abcd", b"abcd"]


def left_early(answer: bytes, *, head: bytes = LIST, closed: bool = True) -> Tape:
    tape = Tape(redact=False)
    track = tape.track()
    track.sent(head)
    if answer:
        track.received(answer)
    if closed:
        track.closed()
    return tape


@pytest.mark.parametrize("closed", [True, False], ids=["left", "not told"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionLost),
        (b"HTTP/1.1 200 OK\r\nContent-", Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[", Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n", Truncated),
    ],
)
def test_an_answer_that_was_left(answer: bytes, error: type[Exception], closed: bool) -> None:
    """Who reads on, where the recording client did not, does not wait for ever."""
    with (
        left_early(answer, closed=closed).replay() as replay,
        Client(replay.host, version="1.44", timeout=10) as client,
        pytest.raises((ConnectionLost, Truncated)) as caught,
    ):
        client.containers.list()
    assert type(caught.value) is error


def test_a_whole_answer_keeps_the_connection() -> None:
    answers_to = {b"GET": ok(b"[]"), b"HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}
    for method, answer in answers_to.items():
        asked = LIST.replace(b"GET", method)
        with left_early(answer, head=asked).replay() as replay, replay.connect() as sock:
            sock.settimeout(10)
            for _ in range(2):
                sock.sendall(asked)
                assert sock.recv(1000) == answer
            assert select.select([sock], [], [], 0.05)[0] == []


def test_a_hijacked_stream_that_was_left() -> None:
    made = recorded()
    number = next(one.number for one in made.exchanges if "/attach" in one.target)
    made.events = [event for event in made.events if event.exchange != number or event.data]  # without ends
    container = next(one.target.split("/")[3] for one in made.exchanges if "/attach" in one.target)
    with (
        made.replay() as replay,
        Client(replay.host, timeout=10) as client,
        client.containers.attach(container, stream=True, stdin=True, stdout=True, tty=False) as session,
    ):
        session.send(b"hello\n")  # which is waited for
        assert list(session) == [Frame(1, b"hello\n")]
        assert session.ended == "eof"


def in_chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_other_chunks(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nA: b\r\ntransfer-encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    document = b'["one", "two", "three"]'
    tape, whole = Tape(redact=False), head + in_chunks(document[:9], document[9:]) + b"0\r\nT: x\r\n\r\n"
    track = tape.track()
    for _ in range(2):
        track.sent(LIST)
        for at in range(0, len(whole), 40):
            track.received(whole[at : at + 40])
    with tape.replay(chunk=size) as replay, Client(replay.host, version="1.44", timeout=10) as client:
        for _ in range(2):  # and the connection is kept
            assert client.containers.list() == json.loads(document)
        sock = replay.connect()
        with sock:
            sock.sendall(LIST)
            sock.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: sock.recv(1000), b""))
    assert answer.startswith(head)
    assert answer.endswith(b"0\r\n\r\n")
    assert len(answer) * 2 == replay.size
    sizes = [int(one, 16) for one in answer[len(head) :].split(b"\r\n")[::2] if one]
    assert max(sizes) <= size
    assert sum(sizes) == len(document)


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"[]"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-",
        b"hello",
    ],
)
def test_what_has_no_chunks_stays(answer: bytes) -> None:
    tape = Tape.of(LIST, answer)
    with tape.replay(chunk=1) as replay, replay.connect() as sock:
        sock.sendall(LIST)
        assert b"".join(iter(lambda: sock.recv(1000), b"")) == answer


def test_chunks_that_were_left() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(b'["one", ') + b"9\r\n"
    with (
        left_early(answer).replay(chunk=3) as replay,
        Client(replay.host, version="1.44", timeout=10) as client,
        pytest.raises(Truncated),
    ):
        client.containers.list()


def test_garbage_is_no_request() -> None:
    with exchange("/v1.44/containers/json", b"[]").replay() as replay, replay.connect() as sock:
        sock.sendall(b"what is this?\r\n\r\n")
        assert sock.recv(100) == b""
        assert replay.requests[-1].body == b"what is this?\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("cut", -1, ValueError),
        ("cut", 1.5, TypeError),
        ("cut", True, TypeError),
        ("piece", 0, ValueError),
        ("piece", True, TypeError),
        ("chunk", 0, ValueError),
        ("chunk", "1", TypeError),
        ("delay", -1, ValueError),
        ("delay", float("nan"), ValueError),
        ("delay", float("inf"), ValueError),
        ("delay", "1", TypeError),
    ],
)
def test_impossible_faults(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        Tape().replay(**{name: value})
    if name == "cut":
        with Tape().replay() as replay, pytest.raises(error, match=name):
            replay.rewind(value)


def test_of_bytes() -> None:
    tape = Tape.of(LIST, b"HTTP/1.1 200 OK\r\n\r\n[1]")
    with tape.replay() as replay, Client(replay.host, version="1.44") as client:
        assert client.containers.list() == [1]
    assert [event.kind for event in tape.events] == ["sent", "received", "received"]


# --- as programs -----------------------------------------------------------------------------------------------------


def test_a_server_for_any_client(tmp_path: Path) -> None:
    exchange("/containers/json", b"[]").save(tmp_path / "x.tape")
    command = [sys.executable, "-m", "dockerwire.testing", "--tape", tmp_path / "x.tape", "--socket", tmp_path / "s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host = process.stdout.readline().strip()
        assert host == f"unix://{tmp_path}/s"
        with Client(host, version="1.44") as client:
            assert client.containers.list() == []
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert not (tmp_path / "s").exists()


def test_a_server_that_fails_as_it_is_told(tmp_path: Path) -> None:
    exchange("/containers/json", b"[]").save(tmp_path / "x.tape")
    command = [sys.executable, "-m", "dockerwire.testing", "--tape", tmp_path / "x.tape", "--socket", tmp_path / "s"]
    command += ["--cut", "30", "--reset", "--piece", "7", "--chunk", "5", "--delay", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with (
            Client(process.stdout.readline().strip(), version="1.44", timeout=10) as client,
            pytest.raises(ConnectionLost, match="reset"),
        ):
            client.containers.list()
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cut", "5"], "--cut is for --tape"),
        (["--reset"], "--reset is for --tape"),
        (["--delay", "0"], "--delay is for --tape"),
        (["--tape", "TAPE", "--piece", "0"], "piece: 0 is less than 1"),
        (["--tape", "TAPE", "--delay", "-1"], "delay: -1.0 is no time"),
        (["--tape", "TAPE", "--cut", "x"], "invalid int value"),
    ],
)
def test_faults_that_are_none(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Tape().save(tmp_path / "x.tape")
    with pytest.raises(SystemExit) as exited:
        main([str(tmp_path / "x.tape") if option == "TAPE" else option for option in options])
    assert exited.value.code == 2
    assert says in capsys.readouterr().err


def test_a_server_of_no_tape(tmp_path: Path) -> None:
    (tmp_path / "x.tape").write_text("hello\n")
    for name, says in (("x.tape", "line 1 is none of a tape"), ("nosuch", "No such file")):
        command = [sys.executable, "-m", "dockerwire.testing", "--tape", tmp_path / name]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert says in done.stderr
