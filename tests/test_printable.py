"""Texts from outside are safe to print: nothing in an error, in progress or in a table drives a terminal."""

from __future__ import annotations

import json
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockerwire import DockerWireError, Frame, StreamError, Timeouts, api, errors
from dockerwire.buildkit import BuildProgress
from dockerwire.cli import main
from dockerwire.progress import Progress
from dockerwire.waiting import exited, healthy, logs
from dockerwire.wire import Exchange
from tests.support.exchanges import attach, chunked, documents, exchange, frame, frames, outcome, whole
from tests.support.peers import Asked, Peer, answers, ok
from tests.support.worlds import WORLDS, World

HOSTILE = (
    "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x1b]0;t\x1b\\\r\n\x00\x08\x7f\x9b31m\x85\u2028\u2029\u202e\u2066\u200f\ufeff\ue000"
)
PIECES = [*HOSTILE, "\x1b[", "\x1b]8;;http://evil\x07", "\x90", "\x9d", "\U000e0041", "a", "é", "漢", " ", "\t"]


def hostile(count: int) -> Iterator[str]:
    rng = random.Random(21)
    yield HOSTILE
    yield HOSTILE * 1000
    for _ in range(count):
        yield "".join(rng.choices(PIECES, k=rng.randint(1, 12)))


def shown(error: BaseException) -> list[str]:
    return [str(error), repr(error), f"{error}"]


ERRORS: dict[str, Callable[[str], DockerWireError]] = {
    **{
        f"HTTP {status}": lambda text, status=status: errors.api_error(status, text, "Op") for status in (302, 404, 503)
    },
    "StreamError": lambda text: StreamError(text, 1, {"error": text}),
    "Malformed": lambda text: errors.Malformed(text, 5),
    "Truncated": lambda text: errors.Truncated(text, 5, text.encode()),
    "LimitExceeded": lambda text: errors.LimitExceeded(text, 5),
    "UnsupportedVersion": errors.UnsupportedVersion,
    "ConnectError": lambda text: errors.ConnectError(text, text),
    "Timeout": lambda text: errors.Timeout("wait", 5, text),
    "ConnectionLost": lambda text: errors.ConnectionLost(text, "body"),
    "ConfigError": lambda text: errors.ConfigError(text, text),
    "WaitError": lambda text: errors.WaitError(text, 5),
}


def test_every_error_is_tried() -> None:
    every = {getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    leaves = {one for one in every if not any(other is not one and issubclass(other, one) for other in every)}
    tried = {cls for make in ERRORS.values() for cls in type(make("x")).__mro__}
    assert {one.__name__ for one in leaves - tried} == {
        *("BadRequest", "Unauthorized", "Forbidden", "NotAcceptable", "Conflict", "NotImplementedByEngine"),
        "InsecureWarning",
    }


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What the peer said is kept as it was said, beside the text of the error."""
    for text in hostile(8000):
        error = ERRORS[name](text)
        assert all(one.isprintable() for one in shown(error)), text
        assert len(str(error)) < 30_000 or name not in ("StreamError", "HTTP 404")
        assert getattr(error, "message", text) == text
    again = pickle.loads(pickle.dumps(ERRORS[name](HOSTILE)))
    assert str(again) == str(ERRORS[name](HOSTILE))


LATIN = HOSTILE.encode("utf-8").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Oops\r\n"
TROUBLE = json.dumps({"error": HOSTILE, "errorDetail": {"message": HOSTILE, "code": 5}}).encode()
FIELD = b"\x9b31m\x85\xc2\x9d\xff"
"""What may stand in a field, says HTTP."""

ANSWERS: dict[str, tuple[Any, bytes]] = {
    "a refusal in JSON": (whole(), REFUSED + b"\r\n" + json.dumps({"message": HOSTILE}).encode()),
    "a refusal in plain JSON": (
        whole(),
        REFUSED + b"\r\n" + json.dumps({"message": HOSTILE}, ensure_ascii=False).encode(),
    ),
    "a refusal of Podman": (whole(), REFUSED + b"\r\n" + json.dumps({"error": HOSTILE}).encode()),
    "a refusal in text": (whole(), REFUSED + b"\r\n" + HOSTILE.encode()),
    "a refusal in bytes": (whole(), REFUSED + b"\r\n" + bytes(range(256))),
    "a reason": (whole(), b"HTTP/1.1 500 " + FIELD + b"\r\n\r\n"),
    "no HTTP": (whole(), LATIN),
    "a status line": (whole(), b"HTTP/1.1 " + LATIN + b"\r\n\r\n"),
    "a field": (whole(), OK + b"X\x1b: y\r\n\r\n"),
    "a coding": (whole(), OK + b"Content-Encoding: " + FIELD + b"\r\n\r\n"),
    "a length": (whole(), OK + b"Content-Length: " + FIELD + b"\r\n\r\n"),
    "a transfer coding": (whole(), OK + b"Transfer-Encoding: " + FIELD + b"\r\n\r\n"),
    "a protocol": (attach(), b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: " + FIELD + b"\r\n\r\n"),
    "a chunk": (whole(), CHUNKED + LATIN + b"\r\n"),
    "trouble in a frame": (frames(tty=False), CHUNKED + chunked(frame(3, HOSTILE.encode()))),
    "a frame": (frames(tty=False), CHUNKED + chunked(LATIN)),
    "trouble in a document": (documents(in_band_errors=True), CHUNKED + chunked(TROUBLE)),
    "a document": (documents(), CHUNKED + chunked(b'{"a": \x1b]}')),
    "half a document": (documents(), CHUNKED + chunked(b'{"a": "\x1b')),
    "no JSON": (api.container_list(), OK + b"\r\n" + LATIN),
    "a path stat": (
        api.container_archive_info("c", path="/"),
        OK + b"X-Docker-Container-Path-Stat: " + FIELD + b"\r\nContent-Length: 0\r\n\r\n",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    request, data = ANSWERS[name]
    made: Exchange[Any] = exchange(request)
    outcome(made, [data])
    told: list[BaseException] = [] if made.error is None else [made.error]
    made = exchange(request)
    told += [item for item in made.receive_data(data) if isinstance(item, BaseException)]
    if made.done and made.error is None and name in ("no JSON", "a path stat"):
        with pytest.raises(DockerWireError) as error:
            made.result()
        told.append(error.value)
    elif not made.done:
        made.receive_eof()
        if name == "no JSON":
            with pytest.raises(DockerWireError) as error:
                made.result()
            told.append(error.value)
    assert told or name in ("a protocol",)
    assert all(text.isprintable() for error in told for text in shown(error))
    assert repr(made).isprintable()


def test_what_containers_write_is_untouched() -> None:
    data = HOSTILE.encode() + bytes(range(256))
    made: Exchange[Any] = exchange(frames(tty=False))
    assert made.receive_data(CHUNKED + chunked(frame(1, data))) == [Frame(1, data)]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_engines_versions(world: World) -> None:
    async def scenario() -> None:
        with Peer(answers(ok(b"[]", b"Api-Version: " + FIELD))) as peer:
            async with world.client(peer.host, timeout=Timeouts(5, 5, 5)) as client:
                with pytest.raises(DockerWireError) as error:
                    await client.negotiate()
                assert all(text.isprintable() for text in shown(error.value))

    world.run(scenario)


def test_progress() -> None:
    for text in (one[:1000] for one in hostile(300)):
        for progress in (Progress(), BuildProgress()):
            for document in (
                {"status": text, "id": text, "progressDetail": {"current": 1, "total": 2}},
                {"status": text},
                {"stream": text},
                {"stream": f"Step 1/2 : {text}\n"},
                {"stream": f"{text}\n"},
                {"error": text, "errorDetail": {"message": text, "code": 1}},
            ):
                progress.feed(document)
            assert repr(progress).isprintable()
            assert progress.error is not None
            assert str(progress.error).isprintable()


def test_conditions() -> None:
    assert all(repr(one).isprintable() for one in (healthy, exited, logs(HOSTILE.encode().replace(b"\n", b""))))


# --- the command line ------------------------------------------------------------------------------------------------

CONTAINER = {
    "Id": HOSTILE,
    "Names": [f"/{HOSTILE}"],
    "Image": HOSTILE,
    "Command": HOSTILE,
    "Created": 1,
    "State": HOSTILE,
    "Status": HOSTILE,
    "Ports": [{"IP": HOSTILE, "PrivatePort": 1, "PublicPort": 2, "Type": HOSTILE}],
    "Labels": {HOSTILE: HOSTILE},
}
EVENT = {
    "Type": HOSTILE,
    "Action": HOSTILE,
    "Actor": {"ID": HOSTILE, "Attributes": {"name": HOSTILE, HOSTILE: HOSTILE}},
    "timeNano": 1,
    "time": 1,
}
STATS = {"read": "2024-05-01T12:00:00Z", "name": HOSTILE, "id": HOSTILE, "cpu_stats": {}, "memory_stats": {}}
VERSION = {"Version": HOSTILE, "ApiVersion": "1.44", "Os": HOSTILE, "Arch": HOSTILE, "Platform": {"Name": HOSTILE}}


DRIVING = {chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0x200F)} - {
    "\t",
    "\n",
}
"""Of what is in HOSTILE. (JSON for a pipe may have C1 as it is; for a terminal: tests/cli/test_terminal.py.)"""


def _reply(asked: Asked) -> bytes:
    path = asked.target.partition("?")[0].rpartition("/")[2]
    found: Any = {"json": [CONTAINER], "events": EVENT, "stats": STATS, "version": VERSION}.get(path)
    if found is None:
        return REFUSED + b"Content-Length: %d\r\n\r\n%b" % (len(HOSTILE.encode()), HOSTILE.encode())
    return ok(json.dumps(found).encode() + b"\n", b"Api-Version: 1.44")


@pytest.mark.parametrize(
    "command",
    [
        *(
            ["version"],
            ["ps"],
            ["ps", "-a"],
            ["ps", "-q"],
            ["events"],
            ["stats"],
            ["logs", "--all"],
        ),
        *(
            ["logs", "c"],
            ["rm", "c"],
            ["start", "c"],
            ["stop", "c"],
            ["wait", "c"],
            ["pull", "a"],
            ["push", "a"],
        ),
        *(["run", "a"], ["exec", "c", "true"], ["attach", "c"], ["cp", "c:/a", "."], ["doctor"], ["demo"]),
    ],
    ids=" ".join,
)
def test_commands(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """What an engine calls things, and how it refuses, in the text of every command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with Peer(answers(_reply)) as peer:
        monkeypatch.setenv("DOCKER_HOST", peer.host)
        try:
            main(["--api-version", "1.44", *command])
        except SystemExit as wrong:
            raise AssertionError(f"{command}: {wrong}") from wrong
        sys.stdout.flush()
    out, err = capfd.readouterr()
    assert "".join(sorted(set(out + err) & DRIVING)) == ""


def test_that_commands_show_them(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Made visible, so that the test above sees something."""
    with Peer(answers(_reply)) as peer:
        assert main(["-H", peer.host, "--api-version", "1.44", "ps"]) == 0
    sys.stdout.flush()
    assert "\\x1b]52;c;" in capfd.readouterr().out
