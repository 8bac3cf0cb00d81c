"""Peers that mean harm: each ends in the error that it should, in time, and makes the client hold little.

Each offers 300 MiB. The client meets them in a process of its own, whose memory the system tells.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire import kernel as kernels
from tests.reliability.hostile import CASES, MIB, OFFER, Case
from tests.support.peers import Peer, Talk

from .soak import SOAK

LASTING = 16 * MIB
"""Of what breaks no rule, and so is read as long as it lasts; all 300 MiB where there is time."""
HELD = 8 * MIB
ON_ITS_WAY = 2 * MIB  # what the sockets hold, and what is received at a time: 256 KiB

WORLDS = [*(("blocking", kernel) for kernel in kernels.NAMES), ("asyncio", "cython"), ("trio", "cython")]

Meet = Callable[[str, str], dict[str, Any]]

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a peak of memory")


@pytest.fixture(scope="module", params=WORLDS, ids="-".join)
def meet(request: pytest.FixtureRequest) -> Iterator[Meet]:
    """Has a client of one world and kernel meet a peer: what came of it."""
    client = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.hostile", *request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert client.stdin is not None
    assert client.stdout is not None

    def meet(name: str, host: str) -> dict[str, Any]:
        print(json.dumps([name, host]), file=client.stdin, flush=True)
        found: dict[str, Any] = json.loads(client.stdout.readline())
        return found

    with client:
        yield meet
        client.stdin.close()


@pytest.fixture
def _nothing_left_open() -> None:
    """The client's descriptors are its own affair here: the fixture of this name counts those of this process."""


def playing(case: Case, offer: int, sent: list[int]) -> Callable[[Talk], None]:
    block = case.piece * (MIB // 4 // len(case.piece) + 1) if case.piece else b""

    def script(talk: Talk) -> None:
        head = talk.sock.recv(65536) if case.tls else talk.head()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            talk.send(case.head if isinstance(case.head, bytes) else case.head(head))
            if not block:
                talk.rest()
            while block and sum(sent) < offer:
                talk.send(block)
                sent.append(len(block))
            talk.half_close()
            if case.request().method == "GET":
                talk.rest()

    return script


@pytest.mark.parametrize("name", CASES)
def test_hostile_peers(meet: Meet, name: str) -> None:
    case, sent = CASES[name], [0]
    lasting = not case.error or case.error == "Truncated"
    offer = min(OFFER, int(LASTING * SOAK / case.dear)) if lasting else OFFER
    with Peer(playing(case, offer, sent), tcp=case.tls) as peer:
        found = meet(name, peer.host)
    told = f"{name}: {found}, sent {sum(sent) / MIB:.1f} MiB"
    print(told)
    assert found["error"] == case.error, told
    assert case.says in found["text"], told
    assert found["text"].isprintable(), told
    assert found["left"] == 0, told
    assert found["growth"] <= HELD + 2 * case.limit, told
    if lasting:
        assert sum(sent) >= offer
    elif not case.tls:  # TCP has megabytes on its way
        assert sum(sent) <= case.limit + ON_ITS_WAY, told
