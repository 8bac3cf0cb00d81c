"""The fixtures of pytest, as a project of somebody else has them: in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.test_imports import SLOW, modules_after

HERE = Path(__file__)
TAPE = HERE.parents[1] / "tapes" / "engines" / "28.5" / "version.tape"


def run(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(code)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_an_engine_for_each_test(tmp_path: Path) -> None:
    code = (
        "import os, pytest\n"
        "from dockerwire import Client\n"
        "hosts = []\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_one(number, dockerwire_engine):\n"
        "    assert not any(os.path.exists(host) for host in hosts)\n"
        "    hosts.append(dockerwire_engine.host.removeprefix('unix://'))\n"
        "    with Client(dockerwire_engine.host) as client:\n"
        "        assert client.containers.list(all=True) == []\n"
        "        dockerwire_engine.container('web')\n"
        "@pytest.mark.dockerwire_engine('1.41', tcp=True)\n"
        "class TestOlder:\n"
        "    def test_it(self, dockerwire_engine):\n"
        "        assert dockerwire_engine.api_version == '1.41'\n"
        "        assert dockerwire_engine.host.startswith('tcp://')\n"
    )
    done = run(tmp_path, code)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "3 passed" in done.stdout


def test_tapes_beside_the_test(tmp_path: Path) -> None:
    (tmp_path / "tapes").mkdir()
    shutil.copy(TAPE, tmp_path / "tapes" / "version.tape")
    code = (
        "import os\n"
        "from dockerwire import Client\n"
        "def test_one(dockerwire_tape):\n"
        "    first, second = (dockerwire_tape('tapes/version.tape', piece=piece) for piece in (None, 10))\n"
        "    for replay in (first, second):\n"
        "        with Client(replay.host) as client:\n"
        "            assert client.system.version()['ApiVersion'] == '1.51'\n"
        "    global host\n"
        "    host = first.host.removeprefix('unix://')\n"
        "    assert os.path.exists(host)\n"
        "def test_after():\n"
        "    assert not os.path.exists(host)\n"
        "def test_none(dockerwire_tape):\n"
        "    dockerwire_tape('nosuch.tape')\n"
    )
    done = run(tmp_path, code)
    assert "2 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "nosuch.tape" in done.stdout


def test_they_tell_of_themselves(tmp_path: Path) -> None:
    assert "dockerwire_engine(**settings)" in run(tmp_path, "", "--markers").stdout
    listed = run(tmp_path, "def test_it(): pass\n", "--fixtures").stdout
    assert "dockerwire_engine" in listed
    assert "dockerwire_tape" in listed


def test_unused_they_cost_nothing() -> None:
    imported = modules_after("import pytest, dockerwire.pytest_plugin") - modules_after("import pytest")
    assert imported == {"dockerwire", "dockerwire.__about__", "dockerwire._lazy", "dockerwire.pytest_plugin"}
    assert not imported & SLOW
