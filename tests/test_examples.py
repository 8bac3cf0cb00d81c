"""The examples are run, as a reader would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str) -> list[str]:
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_example_is_run():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == ["twisted_client.py"]


def test_the_project_with_tests():
    folder = EXAMPLES / "testing"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "6 passed" in done.stdout


def test_twisted():
    version, imported, *rest = run("twisted_client.py")
    assert version == "1.55"
    assert "sha256:" in imported
    assert rest == [r"b'one\n'", r"b'two\n'", r"b'1000000\n'", "cancelled"]


def test_the_twisted_driver_is_short():
    driver = (EXAMPLES / "twisted_client.py").read_text().split("# --- ")[1]
    assert len([line for line in driver.splitlines()[1:] if line.strip()]) <= 40
