"""``python -m dockerwire.testing``: the embedded engine, or the replay of a tape, as a process.

It prints its address and runs until SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from .demo import populate
from .engine import Engine
from .release import NEWEST, dotted
from .replay import Replay
from .tape import Tape


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dockerwire.testing", description="A Docker engine without Docker.")
    parser.add_argument("--api-version", default=dotted(NEWEST), help="the highest API version it speaks")
    parser.add_argument("--min-api-version", help="the lowest API version it accepts")
    parser.add_argument("--socket", metavar="PATH", help="where to make its unix socket")
    parser.add_argument("--demo", action="store_true", help="with a handful of containers that write logs")
    parser.add_argument("--tape", metavar="FILE", help="answer as this recording does")
    given = parser.parse_args(arguments)
    engine: Engine | Replay
    try:
        if given.tape is not None:
            engine = Tape.load(given.tape).replay(given.socket)
        else:
            engine = Engine(given.api_version, min_api_version=given.min_api_version, path=given.socket)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: stop.set()) for number in signals]
    try:
        with engine:
            if given.demo and isinstance(engine, Engine):
                populate(engine)
            print(engine.host, flush=True)
            stop.wait()
    except OSError as error:
        parser.error(str(error))
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
