"""The tests bite: what other clients do wrong (or the libraries they stand on), put in here, fails one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bugs import BUGS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_caught(bug: str) -> None:
    """By a test that passes without it, as all tests do."""
    test = BUGS[bug].caught
    env = {**os.environ, "DOCKERWIRE_KERNEL": "python", "DOCKERWIRE_BUG": bug}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "tests.support.bugs"]
    choice = ["-k", "python"] if test.startswith("tests/kernel") else []
    ran = subprocess.run([*command, *choice, test], cwd=ROOT, env=env, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"FAILED {test}" in ran.stdout
