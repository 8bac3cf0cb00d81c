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
    faults = parser.add_argument_group("with --tape")
    faults.add_argument("--cut", type=int, metavar="BYTES", help="close the connection after so many of all answers")
    faults.add_argument("--reset", action="store_true", default=None, help="reset it there instead")
    faults.add_argument("--piece", type=int, metavar="BYTES", help="have the client read so many at a time")
    faults.add_argument("--chunk", type=int, metavar="BYTES", help="answer in other HTTP chunks, of so many at most")
    faults.add_argument("--delay", type=float, metavar="SECONDS", help="wait before each piece")
    given = parser.parse_args(arguments)
    names = ("cut", "reset", "piece", "chunk", "delay")
    asked = {name: value for name in names if (value := getattr(given, name)) is not None}
    if asked and given.tape is None:
        parser.error(f"--{next(iter(asked))} is for --tape")
    engine: Engine | Replay
    try:
        if given.tape is not None:
            engine = Tape.load(given.tape).replay(given.socket, **asked)
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
