"""The command line, ``dockerwire COMMAND``: the commands stand in `_COMMANDS`.

Exit codes: 0; 1 for errors, with one line; 2 for wrong usage; 130 on Ctrl-C; 141 when the reader of the output is gone;
``exec``, ``run`` and ``attach`` give the command's own.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import __version__, kernel
from ..errors import ConnectionLost, DockerWireError, InsecureWarning, Truncated, printable
from .terminal import complain

if TYPE_CHECKING:
    from ..drivers.sync import Client

__all__ = ["main"]

_COMMANDS = {
    "version": ("lists", "Show the versions of dockerwire and of the engine."),
    "ps": ("lists", "List containers."),
    "logs": ("logs", "Show what containers wrote."),
    "events": ("events", "Show what happens in the engine, as it happens."),
    "stats": ("stats", "Show what containers use, each second."),
    "exec": ("exec", "Run a command in a container; its exit code is ours."),
    "run": ("run", "Run a command in a new container; its exit code is ours."),
    "attach": ("attach", "Talk with a container that runs; its exit code is ours."),
    "inspect": ("objects", "Show all that the engine tells of containers, images, networks, volumes."),
    "rm": ("objects", "Remove containers."),
    "start": ("objects", "Start containers."),
    "stop": ("objects", "Stop containers, one after the other."),
    "cp": ("cp", "Copy files and folders out of a container, or into one."),
    "pull": ("pull", "Pull an image, with the credentials of the docker CLI."),
    "push": ("push", "Push an image to the registry in its name, with the credentials of the docker CLI."),
    "build": ("build", "Build an image; its id goes to stdout."),
    "wait": ("wait", "Wait until a container exits, and print its exit code; or until something else."),
    "demo": ("demo", "Follow the logs of all containers for a few seconds."),
    "doctor": ("doctor", "Say what is wrong between here and the engine, and what mends it."),
}
"""The commands: the module of each, which is imported when it is called, and what it does."""


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
        with warnings.catch_warnings():
            warnings.simplefilter("always", InsecureWarning)
            warnings.showwarning = lambda message, *_, **__: complain(f"warning: {printable(str(message))}")
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
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:  # of what the types say
        complain(f"the engine's answer has not the shape it should: {error!r}")
        return 1
    return code


def _discard() -> None:
    """Python flushes stdout once more at exit, and would complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Command(argparse.ArgumentParser):
    """The parser of one command, which gets its arguments when it is needed."""

    fill: Callable[[], None]

    def parse_known_args(self, *arguments: Any, **keywords: Any) -> Any:
        self.fill()
        return super().parse_known_args(*arguments, **keywords)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dockerwire", description="A low-level client for the Docker Engine API.")
    parser.add_argument("--version", action="version", version=f"dockerwire {__version__}")
    parser.add_argument("-H", "--host", help="the engine's address (default: DOCKER_HOST, or the usual socket)")
    parser.add_argument("--api-version", metavar="1.N", help="speak this API version instead of negotiating one")
    parser.add_argument("--kernel", choices=kernel.NAMES, help="the decoders to use")
    parser.add_argument("-c", "--context", help="the docker CLI's context to use, in place of --host")
    parser.add_argument("--tape", metavar="FILE", help="record there what is said to the engine and what it answers")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Command)
    parsers = {name: commands.add_parser(name, help=help, description=help) for name, (_, help) in _COMMANDS.items()}

    def command(name: str, run: Callable[..., int], connected: bool = True) -> argparse.ArgumentParser:
        parsers[name].set_defaults(run=partial(_connected, run) if connected else partial(_alone, run))
        return parsers[name]

    for name, (module, _) in _COMMANDS.items():
        parsers[name].fill = partial(_fill, module, command)
    return parser


def _fill(module: str, command: Callable[..., argparse.ArgumentParser]) -> None:
    import_module(f".{module}", __name__).add(command)


def _connected(run: Callable[[Client, argparse.Namespace], int], given: argparse.Namespace) -> int:
    """Call `run` with a client."""
    from ..drivers.sync import Client
    from ..wire.host import environment_tls, parse_host

    # As with the docker CLI, what the environment says of TLS and of the version goes for --host too.
    tls = environment_tls(os.environ) if given.host and parse_host(given.host).scheme == "tcp" else None
    version = given.api_version or (os.environ.get("DOCKER_API_VERSION") if given.host else None) or None
    settings = {"context": given.context, "tls": tls, "version": version, "kernel": given.kernel}
    if given.tape is None:
        with Client(given.host, **settings) as client:
            return run(client, given)
    from ..testing.tape import TapeFile

    with ExitStack() as stack:
        try:
            tape = stack.enter_context(TapeFile(given.tape))
        except OSError as error:
            complain(f"{given.tape}: {error.strerror}")
            return 1
        return run(stack.enter_context(Client(given.host, **settings, tape=tape)), given)


def _alone(run: Callable[[argparse.Namespace], int], given: argparse.Namespace) -> int:
    """Call `run`, which makes its own clients, if it makes any."""
    if given.tape is not None:
        raise ValueError("--tape is for commands that use the engine")
    return run(given)
