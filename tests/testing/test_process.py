"""The embedded engine as a process: ``python -m dockerwire.testing``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockerwire.testing import Engine
from dockerwire.testing.__main__ import main
from dockerwire.testing.demo import populate

from .peer import Peer, ask

SECONDS = 20


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The process and its socket."""
    command = [sys.executable, "-m", "dockerwire.testing", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            assert address.startswith("unix://"), process.communicate(timeout=SECONDS)
            yield process, Path(address.removeprefix("unix://"))
        finally:
            process.kill()


class Elsewhere(Engine):
    """An engine in another process: only where it is."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._host = f"unix://{path}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    with running("--api-version", "1.41", "--socket", str(tmp_path / "s"), "--demo") as (process, path):
        assert path == tmp_path / "s"
        engine = Elsewhere(path)
        assert ask(engine, "GET", "/version").json()["ApiVersion"] == "1.41"
        names = {container["Names"][0] for container in ask(engine, "GET", "/containers/json").json()}
        assert "/web" in names
        with Peer(engine) as peer:
            peer.request("GET", "/containers/web/logs?stdout=1&stderr=1&follow=1")
            peer.head()
            process.send_signal(number)
            assert process.communicate(timeout=SECONDS) == ("", "")
        assert process.returncode == 0
        assert not path.exists()


def test_bad_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--api-version", "9.9"])
    assert end.value.code == 2
    assert "1.24 to 1.55" in capsys.readouterr().err


def test_main_in_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("dockerwire.testing.__main__.populate", lambda engine: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--demo", "--socket", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out == f"unix://{tmp_path / 's'}\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_socket_that_cannot_be_made(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--socket", str(tmp_path / "no" / "folder")])
    assert end.value.code == 2
    assert "No such file" in capsys.readouterr().err


def test_the_demo_writes_on_both_streams() -> None:
    with Engine() as engine:
        populate(engine)
        for name in ("web", "api", "db", "worker", "console"):
            with Peer(engine) as peer:
                peer.request("GET", f"/containers/{name}/logs?stdout=1&stderr=1&follow=1")
                peer.head()
                assert peer.chunk()
        assert ask(engine, "POST", "/containers/migrate/wait").json() == {"StatusCode": 0}
