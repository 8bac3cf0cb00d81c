"""The commands against the embedded engine, in this process: what they print and how they end."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dockerwire import __version__, kernel
from dockerwire.cli import logs, main
from dockerwire.kernel import LogRecord
from dockerwire.testing import Engine
from tests.support.peers import Peer, answers, ok

LINES = [(1, b"out 1\n"), (2, b"err 1\n"), (1, b"out 2\n"), (2, b"bad \xff\x1b[2J\n")]


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine(api_version=request.param, stats_interval=0.01) as engine:
        engine.container("web", output=LINES, labels={"tier": "front"})
        engine.container("old", output="gone\n", exit_code=3)
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_version(engine: Engine, run: Any):
    code, out, err = run("version")
    assert (code, err) == (0, "")
    assert __version__ in out
    assert kernel.name in out
    assert engine.api_version in out
    _, out, _ = run("--kernel", "python", "version", "--format", "jsonl")
    [found] = documents(out)
    assert found["Client"] == {"Version": __version__, "Kernel": "python", "ApiVersion": engine.api_version}
    assert found["Engine"]["ApiVersion"] == engine.api_version


def test_the_api_version_of_the_environment(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    """It goes for an address that is given, too; what is given itself goes first."""
    monkeypatch.setenv("DOCKER_API_VERSION", "1.39")
    for where in ([], ["-H", engine.host]):
        assert documents(run(*where, "version", "--format", "jsonl")[1])[0]["Client"]["ApiVersion"] == "1.39"
        _, out, _ = run(*where, "--api-version", "1.40", "version", "--format", "jsonl")
        assert documents(out)[0]["Client"]["ApiVersion"] == "1.40"


def test_the_api_version_can_be_fixed(engine: Engine, run: Any):
    _, out, _ = run("--api-version", "1.40", "version", "--format", "jsonl")
    assert documents(out)[0]["Client"]["ApiVersion"] == "1.40"
    assert run("--api-version", "1.24", "version")[0] == 1
    assert run("--api-version", "new", "version")[0] == 2


@pytest.mark.parametrize("body", [b"5", b"[5]", b"{}", b'"x"', b"[[]]", b'[{"Id": {}}]'])
def test_an_engine_that_says_something_else(run: Any, body: bytes):
    """One line, whatever it is."""
    for command in (["version"], ["ps"], ["logs", "web"], ["events"], ["stats", "web"], ["inspect", "web"]):
        with Peer(answers(ok(body))) as peer:
            code, _, err = run("-H", peer.host, "--api-version", "1.44", *command)
        assert code in (0, 1)
        assert (code, err.count("\n")) in ((0, 0), (1, 1)), (command, err)
        assert err == "" or err.startswith("dockerwire: ")


def test_what_is_insecure_is_one_line(run: Any):
    code, out, err = run("-H", "tcp://0.0.0.0:1", "ps")
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first == "dockerwire: warning: tcp://0.0.0.0:1 (host=) is not encrypted"
    assert "connection refused" in second


def test_ps(engine: Engine, run: Any):
    code, out, _ = run("ps")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert len(lines) == 2
    assert lines[1].endswith(" web")
    assert [c["Names"] for c in documents(run("ps", "-a", "--format", "jsonl")[1])] == [["/old"], ["/web"]]
    ids = run("ps", "-a", "-q")[1].split()
    assert [len(id) for id in ids] == [64, 64]
    assert run("ps", "-q", "--filter", "label=tier=back")[1] == ""
    assert len(run("ps", "-q", "--filter", "label=tier=front", "--filter", "status=running")[1].split()) == 1


def test_logs_of_one_container_are_its_bytes(engine: Engine, run: Any):
    assert run("logs", "web") == (0, "out 1\nout 2\n", "err 1\nbad \ufffd\x1b[2J\n")
    assert run("logs", "--stdout", "-n", "1", "old") == (0, "gone\n", "")
    assert run("logs", "--stderr", "web")[1] == ""
    code, out, _ = run("logs", "-t", "--since", "10m", "--until", "2100-01-01", "web")
    assert code == 0
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT[\d:.]+Z out [12]\n){2}", out)


def test_logs_follow_ends_with_the_container(engine: Engine, run: Any):
    engine.exit("web")
    assert run("logs", "-f", "web")[:2] == (0, "out 1\nout 2\n")


def test_logs_of_a_terminal_come_as_they_are(engine: Engine, run: Any):
    engine.container("tty", output="a\nb", tty=True, exit_code=0)
    assert run("logs", "tty") == (0, "a\r\nb", "")


def test_logs_of_many_have_names(engine: Engine, run: Any):
    code, out, err = run("logs", "web", "old")
    assert (code, err) == (0, "")
    assert sorted(out.splitlines()) == sorted(
        ["old | gone", "web | bad \\xff\x1b[2J", "web | err 1", "web | out 1", "web | out 2"]
    )
    assert sorted(run("logs", "--all")[1].splitlines()) == sorted(out.splitlines())


def test_logs_as_json(engine: Engine, run: Any):
    found = documents(run("logs", "--format", "jsonl", "web")[1])
    assert [(d["name"], d["stream"], d["message"], d["partial"], d["attrs"]) for d in found] == [
        ("web", "stdout", "out 1", False, {}),
        ("web", "stderr", "err 1", False, {}),
        ("web", "stdout", "out 2", False, {}),
        ("web", "stderr", "bad \\xff\x1b[2J", False, {}),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", d["time"]) for d in found)
    assert len({d["id"] for d in found}) == 1


def test_logs_with_details(engine: Engine, run: Any):
    engine.container(
        "labelled",
        output="x\n",
        exit_code=0,
        labels={"a": "b c"},
        host_config={"LogConfig": {"Type": "json-file", "Config": {"labels": "a"}}},
    )
    [found] = documents(run("logs", "--details", "--format", "jsonl", "labelled")[1])
    assert found["attrs"] == {"a": "b c"}
    assert "labelled | a=b c x" in run("logs", "--details", "labelled", "old")[1].splitlines()


def test_a_line_is_of_who_wrote_it(engine: Engine, run: Any):
    """Nothing that a container writes or is labelled with is the line of another one."""
    forged = ["old | gone", '{"name":"old"}', "\r\x0b\x0c\x1c\x85\u2028old | gone", '","name":"old","x":"', "\0\x1b[2J"]
    engine.container(
        "evil",
        output="".join(f"{line}\n" for line in forged),
        exit_code=0,
        labels={"a": "x\nold | gone\n", "b": "\r\u2028old | gone"},
        host_config={"LogConfig": {"Type": "json-file", "Config": {"labels": "a,b"}}},
    )
    for details in ([], ["--details"]):
        lines = run("logs", *details, "evil", "old")[1].split("\n")
        assert [line for line in lines if not line.startswith("evil | ")] == ["old  | gone", ""]
        assert len(lines) == len(forged) + 2
        assert not details or "evil | a=x\\nold | gone\\n,b=\\r\\u2028old | gone old | gone" in lines
        out = run("logs", *details, "--format", "jsonl", "evil", "old")[1]
        found = [json.loads(line) for line in out.split("\n")[:-1]]
        assert [each["message"] for each in found if each["name"] == "evil"] == forged
        assert [each["message"] for each in found if each["name"] != "evil"] == ["gone"]


@pytest.mark.parametrize("as_json", [False, True])
def test_details_that_are_not_utf8(capfd: pytest.CaptureFixture[str], as_json: bool):
    record = LogRecord(1, 0, b"a \xff", {"k\udcff": "\udc80\xe9"}, False)
    logs.Printer({"id": "web"}, as_json=as_json, timestamps=False, raw=False).write("id", [record])
    sys.stdout.flush()
    out = capfd.readouterr().out
    if as_json:
        assert json.loads(out)["attrs"] == {"k\\xff": "\\x80\xe9"}
    else:
        assert out == "web | k\\xff=\\x80\xe9 a \\xff\n"


def test_trouble_in_the_log_is_told(engine: Engine, run: Any):
    engine.log("web", "Error grabbing logs", stream=3)
    engine.log("web", "after\n")
    code, out, err = run("logs", "web")
    assert (code, out) == (1, "out 1\nout 2\nafter\n")
    assert "dockerwire: Error grabbing logs" in err
    code, out, err = run("logs", "web", "old")
    assert code == 1
    assert "web | after" in out
    assert "dockerwire: web: Error grabbing logs" in err


def test_one_refused_log_does_not_hide_the_others(engine: Engine, run: Any):
    engine.fail("ContainerLogs", 501, "no logs here", times=1)
    code, out, err = run("logs", "web", "old")
    assert (code, out) == (1, "old | gone\n")
    assert "no logs here" in err


def test_logs_usage(engine: Engine, run: Any):
    assert run("logs")[0] == 2
    assert run("logs", "--all", "web")[0] == 2
    assert run("logs", "..")[0] == 2
    for wrong in (["--since", "yesterday", "web"], ["--format", "xml", "web"], ["--tail", "-1", "web"]):
        with pytest.raises(SystemExit) as exit:
            main(["logs", *wrong])
        assert exit.value.code == 2


def test_events(engine: Engine, run: Any):
    code, out, _ = run("events", "--since", "1h", "--until", "0s", "--filter", "event=start")
    assert code == 0
    assert [line.split()[1:3] for line in out.splitlines()] == [["container", "start"]] * 2
    assert "name=web" in out
    found = documents(run("events", "--since", "1h", "--until", "0s", "--format", "jsonl")[1])
    assert {"create", "start", "die"} <= {event["Action"] for event in found}


def test_filters_are_pairs(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["events", "--filter", "start"])
    assert "KEY=VALUE" in capsys.readouterr().err


def test_stats_once(engine: Engine, run: Any):
    code, out, _ = run("stats", "--no-stream", "--format", "text")
    assert code == 0
    headings, row = out.splitlines()
    assert headings.split()[0] == "NAME"
    assert row.split()[0] == "web"
    [found] = documents(run("stats", "--no-stream", "web")[1])
    assert found["name"] == "web"
    assert found["memory"] > 0


def test_every_reading_has_the_same_members(engine: Engine, run: Any):
    [once] = documents(run("stats", "--no-stream", "web")[1])
    timer = threading.Timer(0.1, lambda: engine.remove("web"))
    timer.start()
    streamed = documents(run("stats", "web")[1])
    timer.join()
    assert {tuple(d) for d in streamed} == {tuple(once)}


def test_stats_as_json_lines_until_the_last_is_gone(engine: Engine, run: Any):
    timer = threading.Timer(0.2, lambda: engine.remove("web"))
    timer.start()
    code, out, _ = run("stats", "web")
    timer.join()
    found = documents(out)
    assert code == 0
    assert any(reading["cpu"] > 0 for reading in found)
    assert {"name", "id", "read", "cpu", "memory", "memory_limit", "pids", "network_received"} <= set(found[0])


def test_exec(engine: Engine, run: Any):
    assert run("exec", "web", "echo", "hello") == (0, "hello\n", "")
    assert run("exec", "web", "sh", "-c", "exit 7")[0] == 7
    assert run("exec", "web") == (2, "", "dockerwire: exec: a command is needed\n")
    assert run("exec", "-d", "-e", "A=b", "-w", "/tmp", "-u", "root", "web", "true") == (0, "", "")
    [body] = [json.loads(r.body) for r in engine.requests if r.target.endswith("/exec")][-1:]
    assert {"Env": ["A=b"], "WorkingDir": "/tmp", "User": "root"}.items() <= body.items()
    assert run("exec", "old", "true")[0] == 1


def test_exec_in_a_terminal_wants_one(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", None)
    code, out, err = run("exec", "-it", "web", "sh")
    assert (code, out) == (1, "")
    assert "the input device is not a TTY" in err


def test_exec_sends_stdin(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    keep = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    feeder = threading.Thread(target=lambda: (os.write(writing, b"x" * 100_000), os.close(writing)))
    feeder.start()
    try:
        assert run("exec", "-i", "web", "wc", "-c") == (0, "100000\n", "")
    finally:
        feeder.join()
        os.dup2(keep, 0)
        os.close(keep)


def test_errors_are_one_line(run: Any, monkeypatch: pytest.MonkeyPatch, engine: Engine):
    for arguments in (("logs", "nobody"), ("exec", "nobody", "true"), ("stats", "nobody"), ("ps", "--filter", "x=y")):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert re.fullmatch(r"dockerwire: [^\n]+\n", err)
    code, _, err = run("-H", "unix:///nowhere/docker.sock", "ps")
    assert code == 1
    assert "is the engine running" in err


def test_the_demo_of_an_engine(engine: Engine, run: Any):
    code, out, _ = run("demo", "--seconds", "0.3")
    assert code == 0
    assert "Docker Engine" in out
    assert "web | out 1" in out
    assert re.search(r"4 records, .* records/s, \d+ µs of CPU a record", out)


def test_the_demo_without_docker(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("dockerwire.wire.host.DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    code, out, _ = run("demo", "--seconds", "0.5")
    assert code == 0
    assert "embedded engine" in out
    assert re.search(r"\n\d+ records", out)


def test_the_demo_of_an_idle_engine(run: Any, monkeypatch: pytest.MonkeyPatch):
    with Engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        code, out, _ = run("demo", "--seconds", "0.3")
    assert code == 0
    assert "has no container that runs" in out
    assert "embedded engine" in out


def test_a_demo_takes_some_time(capsys: pytest.CaptureFixture[str]):
    for wrong in ("0", "-1", "nan", "long"):
        with pytest.raises(SystemExit):
            main(["demo", f"--seconds={wrong}"])
        assert "is not a number of seconds" in capsys.readouterr().err


def test_the_demo_does_not_hide_a_wrong_address(run: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert run("demo")[0] == 1
