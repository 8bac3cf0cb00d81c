"""Where memory runs out, at each allocation in turn: MemoryError or success, no crash, no leak, no wrong bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dockerwire import kernel as kernels

from ..conftest import load_kernel

pytest.importorskip("_testcapi", reason="no _testcapi, which lets allocations fail")

ROOT = Path(__file__).parent.parent.parent
CONVERSATIONS = 17


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in kernels.NAMES if name != "python"])
def test_every_allocation_may_fail(name: str) -> None:
    load_kernel(name)
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.reliability.allocation", name, "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stderr[-3000:]
    ran = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ran) == CONVERSATIONS
    assert all(one["failed"] > 50 for one in ran)
