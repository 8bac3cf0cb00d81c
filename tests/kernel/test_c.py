"""The C core: its own tests, and that what Python knows of it is what its header says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dockerwire.kernel.faults import Status

from ..conftest import REQUIRED

CSRC = Path(__file__).parent.parent.parent / "csrc"
COMPILER = os.environ.get("CC", "cc")


def need(tool: str) -> None:
    """Skip the test without `tool`; fail where compiled kernels are required."""
    if shutil.which(tool) is None:
        reason = f"{tool} is not installed"
        if REQUIRED - {"python"}:
            pytest.fail(f"{reason} (and DOCKERWIRE_REQUIRE_KERNELS names a compiled kernel)")
        pytest.skip(reason)


def run(*command: str | Path, cwd: Path) -> str:
    # Without MAKEFLAGS, with which a `make` around us would tell the inner one to share its jobs.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def statuses() -> dict[str, int]:
    body = re.search(r"enum dw_status \{(.*?)\}", (CSRC / "dockerwire.h").read_text("utf-8"), re.DOTALL)
    assert body is not None
    return {name: int(value) for name, value in re.findall(r"DW_(\w+) = (-?\d+)", body[1])}


def test_its_own_tests(tmp_path: Path) -> None:
    need("make")
    need(COMPILER)
    source = tmp_path / "csrc"  # a copy: the tests of several Pythons may run at once
    shutil.copytree(CSRC, source, ignore=shutil.ignore_patterns("build"))
    run("make", "test", cwd=source)


def test_the_faults_of_python_are_those_of_the_header() -> None:
    assert {status.name: status.value for status in Status} == {
        name: value for name, value in statuses().items() if value < 0
    }


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_stands_alone(tmp_path: Path, language: str) -> None:
    need(COMPILER)
    compiler = COMPILER
    if language == "c++":
        compiler = os.environ.get("CXX", "c++")
        need(compiler)
    (tmp_path / "alone").write_text('#include "dockerwire.h"\nint main(void) { return DW_OK; }\n')
    standard = "-std=c99" if language == "c" else "-std=c++11"
    flags = (standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", CSRC)
    run(compiler, *flags, "-x", language, tmp_path / "alone", cwd=tmp_path)
