"""``wait``: until a container is over, healthy, or has written a line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any

from ..drivers.sync import Client
from ..waiting import exited, healthy, logs, wait_for
from .terminal import a_time, complain, safe, text_of


def add(command: Any) -> None:
    parser = command("wait", wait)
    parser.add_argument("container", help="a name or an id")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--exit", action="store_true", help="until its process has ended (this is usual)")
    what.add_argument("--healthy", action="store_true", help="until its health check succeeds")
    what.add_argument(
        "--log", type=_a_pattern, metavar="PATTERN", help="until a line of its log fits a regular expression; print it"
    )
    parser.add_argument("--since", type=a_time, metavar="TIME", help="with --log: of lines from then on, as in logs")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="no longer than that")


def _a_pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(os.fsencode(text))
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return seconds


def wait(client: Client, given: argparse.Namespace) -> int:
    if given.since is not None and given.log is None:
        complain("wait: --since goes with --log")
        return 2
    if given.healthy:
        wait_for(client, given.container, healthy, timeout=given.timeout)
    elif given.log is not None:
        found = wait_for(client, given.container, logs(given.log, since_ns=given.since), timeout=given.timeout)
        line = text_of(found.record.message)
        print(safe(line) if sys.stdout.isatty() else line)
    else:
        print(wait_for(client, given.container, exited, timeout=given.timeout))
    return 0
