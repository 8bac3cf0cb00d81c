"""The command line, ``dockerwire COMMAND``: the commands stand in `_parser`.

Exit codes: 0; 1 for errors, with one line; 2 for wrong usage; 130 on Ctrl-C; 141 when the reader of the output is gone;
``exec``, ``run`` and ``attach`` give the command's own.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from .. import __version__, kernel
from ..drivers.sync import Client
from ..errors import ConnectionLost, DockerWireError, Truncated
from ..wire.host import environment_tls, parse_host
from . import attach, build, cp, demo, doctor, events, exec, lists, logs, objects, pull, push, run, stats, wait
from .terminal import complain

__all__ = ["main"]

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Raises SystemExit as argparse does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what its encoding lacks is shown as stderr shows it
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard()
        return 141
    except OSError as error:  # there is no space left for the output, for instance
        _discard()
        complain(error.strerror or str(error))
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    try:
        given = _parser().parse_args(arguments)
        code: int = given.run(given)
    except KeyboardInterrupt:
        return 130
    except (ConnectionLost, Truncated) as error:
        complain(f"the engine went away: {error}")
        return 1
    except (DockerWireError, ImportError) as error:
        complain(str(error))
        return 1
    except ValueError as error:  # what a builder says of an argument
        complain(str(error))
        return 2
    return code


def _discard() -> None:
    """Python flushes stdout once more at exit, and would complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dockerwire", description="A low-level client for the Docker Engine API.")
    parser.add_argument("--version", action="version", version=f"dockerwire {__version__}")
    parser.add_argument("-H", "--host", help="the engine's address (default: DOCKER_HOST, or the usual socket)")
    parser.add_argument("--api-version", metavar="1.N", help="speak this API version instead of negotiating one")
    parser.add_argument("--kernel", choices=kernel.NAMES, help="the decoders to use")
    parser.add_argument("-c", "--context", help="the docker CLI's context to use, in place of --host")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Client, argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        def connected(given: argparse.Namespace) -> int:
            # As with the docker CLI, what the environment says of TLS and of the version goes for --host too.
            tls = environment_tls(os.environ) if given.host and parse_host(given.host).scheme == "tcp" else None
            version = given.api_version or (os.environ.get("DOCKER_API_VERSION") if given.host else None) or None
            with Client(given.host, context=given.context, tls=tls, version=version, kernel=given.kernel) as client:
                return run(client, given)

        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(run=connected)
        return added

    lists.add(command)
    logs.add(command)
    events.add(command)
    stats.add(command)
    exec.add(command)
    run.add(command)
    attach.add(command)
    objects.add(command)
    cp.add(command)
    pull.add(command)
    push.add(command)
    build.add(command)
    wait.add(command)
    demo.add(command)
    doctor.add(commands)
    return parser
