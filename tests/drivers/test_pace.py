"""When a stream is read again: by a clock that the tests set."""

from __future__ import annotations

import pytest

from dockerwire.drivers import pace as module
from dockerwire.drivers.pace import Pace

pytestmark = pytest.mark.every_kernel
LATENCY = 0.001


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


def receive(pace: Pace, clock: Clock, after: float, count: int = 100) -> float:
    """Receive what comes `after` seconds from now: how long was rested before."""
    rest = pace.rest
    clock.now += rest
    if rest:
        pace.rested()
    clock.now += after
    pace.received(count)
    return rest


def test_a_busy_stream_rests(clock: Clock) -> None:
    at_once = Pace(LATENCY)
    assert [receive(at_once, clock, 0) for _ in range(5)] == [0.0] * 4 + [LATENCY]
    pace = Pace(LATENCY)
    clock.now += 10
    rests = [receive(pace, clock, LATENCY / 10) for _ in range(20)]
    assert rests[:5] == [0.0] * 5
    assert set(rests[5:]) == {LATENCY}


def test_a_quiet_stream_never_rests(clock: Clock) -> None:
    """Nor do lines that come in pairs."""
    pace = Pace(LATENCY)
    assert {receive(pace, clock, after) for _ in range(50) for after in (1.0, LATENCY / 10)} == {0.0}


def test_a_silence_ends_it(clock: Clock) -> None:
    pace = Pace(LATENCY)
    while not receive(pace, clock, 0):
        pass
    assert receive(pace, clock, 5 * LATENCY) == LATENCY
    assert [receive(pace, clock, 0) for _ in range(5)] == [0.0] * 4 + [LATENCY]


def test_much_at_once_need_not_gather(clock: Clock) -> None:
    pace = Pace(LATENCY)
    assert {receive(pace, clock, 0, 65536) for _ in range(50)} == {0.0}
    assert {receive(pace, clock, 0, 65535) for _ in range(50)} == {0.0, LATENCY}
