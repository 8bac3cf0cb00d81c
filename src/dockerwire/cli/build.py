"""``build``: an image from a folder, an archive or a Dockerfile, by BuildKit or the classic builder.

How it goes on is told on stderr; the image's id, once it is there, on stdout.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .. import api, context, registry
from ..buildkit import BuildProgress, Change, Step, VertexLog, VertexStatus
from ..drivers.sync import Client
from ..errors import ConfigError, DockerWireError, StreamError, without_users
from ..reference import parse
from ..wire.host import resolve
from ..wire.request import StreamRequest
from .bars import Drawn, Quiet, draws, follow
from .terminal import colour, colourful, complain, rest_of, safe, size, text_of

if TYPE_CHECKING:
    from rich.table import Table

_PIECE = 64 * 1024
_BLOCK = 512  # of a tar archive
_MOST_RESTS = 64  # lines that have begun
_LARGEST_DOCKERFILE = 1024 * 1024
_ENDS = {"done": "DONE", "cached": "CACHED", "failed": "ERROR", "cancelled": "CANCELED"}
_BETWEEN = 0.2  # seconds from one drawing to the next
_SHOWN_OF_A_LOG = 20  # lines


def add(command: Any) -> None:
    parser = command("build", build)
    parser.add_argument("-t", "--tag", action="append", metavar="NAME[:TAG]", help="a name of the image")
    parser.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile (default: PATH/Dockerfile)")
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="KEY[=VALUE]", help="without value: that of our environment"
    )
    parser.add_argument("--target", metavar="STAGE", help="the stage to build")
    parser.add_argument("--no-cache", action="store_true", help="run each step, whatever is cached")
    parser.add_argument("--pull", action="store_true", help="look for newer base images")
    parser.add_argument("--platform", metavar="OS[/ARCH[/VARIANT]]")
    parser.add_argument("--network", metavar="MODE", help="of the commands: none, host, default")
    parser.add_argument("--config-proxies", action="store_true", help="the proxies of config.json as build arguments")
    parser.add_argument("--classic", action="store_true", help="by the classic builder")
    parser.add_argument("--progress", choices=("auto", "plain", "tty"), default="auto")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the image's id")
    parser.add_argument("path", metavar="PATH|-", help="the folder; -: an archive of one, or a Dockerfile, on stdin")


def build(client: Client, given: argparse.Namespace) -> int:
    progress = BuildProgress()
    try:
        request, shown = _request(given), _shown(progress, given)

        def failed(error: DockerWireError) -> None:
            if not isinstance(error, StreamError):
                raise error
            shown.show(progress.feed(error))

        follow(client, request, shown, progress.feed, failed)
    except OSError as error:
        if error.filename is None:  # of no file, so not of the context
            raise
        complain(safe(f"{error.strerror}: {error.filename}"))
        return 1
    if progress.error is not None:
        complain(str(progress.error))
        return 1
    if progress.image is not None:
        print(safe(progress.image))
    return 0


def _request(given: argparse.Namespace) -> StreamRequest[Any]:
    body: Any
    dockerfile: bytes | None = None
    name = given.file
    if given.path == "-":
        body, dockerfile = _from_stdin(sys.stdin.buffer, given.file)
    else:
        body = context.tar(given.path, dockerfile=Path(given.file).absolute() if given.file else "Dockerfile")
        name = body.dockerfile
        if given.classic:
            dockerfile = Path(given.file or Path(body.path) / name).read_bytes()
    arguments: dict[str, str | None] = {}
    config = registry.load() if given.config_proxies or given.classic else registry.Config()
    if given.config_proxies:
        arguments |= config.proxies(str(resolve(given.host, context=given.context)))
    for argument in given.build_arg:
        key, equals, value = argument.partition("=")
        if not key:
            raise ValueError(f"--build-arg: {argument!r} is not KEY=VALUE")
        arguments[key] = value if equals else os.environ.get(key)
    # BuildKit does not look at them (it would ask a session), so they stay here.
    images = base_images(dockerfile.decode("utf-8", "replace"), arguments) if given.classic and dockerfile else []
    return api.image_build(
        body,
        dockerfile=name,
        t=given.tag,
        buildargs=arguments or None,
        target=given.target,
        nocache=given.no_cache or None,
        pull=given.pull or None,
        platform=given.platform,
        networkmode=given.network,
        forcerm=True if given.classic else None,  # or what failed, or was left, stays as a container
        registry_config=config.auths_for(images) or None,
        version="1" if given.classic else "2",
    )


def _from_stdin(stdin: BinaryIO, file: str | None) -> tuple[Any, bytes | None]:
    """The context, and the Dockerfile where it is all there is of one."""
    begin = stdin.read(_BLOCK)
    if _is_archive(begin):
        return rest_of(begin, stdin), None
    if file is not None:
        raise ValueError("--file: stdin holds no archive that it could be in")
    dockerfile = begin + stdin.read(_LARGEST_DOCKERFILE)
    if len(dockerfile) > _LARGEST_DOCKERFILE or b"\0" in dockerfile:
        raise ValueError("stdin holds neither an archive (tar, perhaps in gzip, bzip2 or xz) nor a Dockerfile")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile))
    return archive.getvalue(), dockerfile


def _is_archive(begin: bytes) -> bool:
    if begin.startswith((b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00")):
        return True
    try:
        tarfile.TarInfo.frombuf(begin, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return len(begin) == _BLOCK and not any(begin)  # an empty one
    return True


_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?([-+])([^{}$]*))?\})", re.ASCII)


def base_images(dockerfile: str, arguments: Mapping[str, str | None]) -> list[str]:
    """The images that FROM and COPY --from= name, in their order, as the build arguments make them.

    Without stages, ``scratch``, and what is no name of an image once its variables are filled in.
    """
    values: dict[str, str] = {}
    stages = {"scratch"}
    images: list[str] = []
    for line in _instructions(dockerfile):
        word, _, rest = line.partition(" ")
        if word.upper() == "ARG" and len(stages) == 1 and not images:  # the later ones are their stage's
            for name, equals, default in (one.partition("=") for one in rest.split()):
                value = arguments.get(name)
                if value is None and equals:
                    value = _filled(default.strip("\"'"), values)
                if value is not None:
                    values[name] = value
        elif word.upper() == "FROM":
            named = [one for one in rest.split() if not one.startswith("--")]
            image = _filled(named[0].strip("\"'"), values) if named else "scratch"
            if image.lower() not in stages and _is_name(image):
                images.append(image)
            if len(named) == 3:
                stages.add(named[2].lower())
            stages.add("")  # a stage has begun
        elif word.upper() == "COPY":
            name = next((one[len("--from=") :] for one in rest.split() if one.startswith("--from=")), "")
            if name.lower() not in stages and not name.isdigit() and _is_name(name):  # a number is a stage's
                images.append(name)
    return list(dict.fromkeys(images))


def _instructions(dockerfile: str) -> Iterator[str]:
    """The lines, with those that go on joined and white space as single spaces."""
    lines = dockerfile.removeprefix("\ufeff").splitlines()
    found = re.match(r"#\s*escape\s*=\s*([\\`])\s*$", lines[0], re.IGNORECASE) if lines else None
    escape = found[1] if found else "\\"
    whole = ""
    for line in lines:
        if line.lstrip().startswith("#"):
            continue
        ended = line.rstrip()
        if ended.endswith(escape):
            whole += f"{ended[:-1]} "
            continue
        yield " ".join((whole + ended).split())
        whole = ""
    yield " ".join(whole.split())


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name, sign, word = found[1] or found[2], found[3], found[4] or ""
        if sign == "+":
            return word if values.get(name) else ""
        return values.get(name) or (word if sign == "-" else "")

    return _VARIABLE.sub(value, text)


def _is_name(image: str) -> bool:
    try:
        parse(image)
    except ValueError:
        return False
    return True


class Lines(Quiet["Iterable[Change]"]):
    """As ``docker build --progress=plain`` has it: ``#5 [2/3] RUN make``, ``#5 0.123 text``, ``#5 DONE 0.2s``."""

    def __init__(self, progress: BuildProgress) -> None:
        self._progress = progress
        self._safe = safe if sys.stderr.isatty() else str
        self._numbers: dict[str, int] = {}
        self._current = ""
        self._ended: dict[str, str] = {}
        self._last: Step | None = None  # of the classic builder, which writes on when a step is over
        self._rest: dict[tuple[str, int], bytes] = {}  # lines that have not ended, by step and stream

    def show(self, changes: Iterable[Change], /) -> None:
        for change in changes:
            if isinstance(change, VertexLog):
                self._log(change)
            elif isinstance(change, VertexStatus):
                self._status(change)
            elif isinstance(change, Step):
                self._step(change)

    def refresh(self) -> None:
        sys.stderr.flush()

    def finish(self) -> None:
        self._end_last()
        for warning in self._progress.warnings:
            self._print(f"WARNING: {safe(text_of(warning.short))}")
        self.refresh()

    def _print(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def _line(self, step: str, text: str) -> None:
        """One line of a step, below its name."""
        if not step:
            self._print(self._safe(text))
            return
        if self._current != step:
            if self._current:
                self._print(f"#{self._numbers[self._current]} ...")
            if self._numbers:
                self._print("")
            number = self._numbers.setdefault(step, len(self._numbers) + 1)
            self._print(f"#{number} {safe(self._progress.steps[step].name)}")
            self._current = step
        if text:
            self._print(f"#{self._numbers[step]} {text}")

    def _step(self, step: Step) -> None:
        if step.state == "waiting":
            return
        if step is not self._last:
            self._end_last()
        if step.state == "running":
            if step.id not in self._numbers:
                self._line(step.id, "")
        elif step.completed_ns is None and step.state != "failed":
            self._last = step
        else:
            self._end(step)

    def _end_last(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            self._end(last)

    def _end(self, step: Step) -> None:
        for stream in (1, 2):
            self._log(VertexLog(step.id, step.completed_ns, stream, b""), end=True)
        if self._ended.get(step.id) != step.state:  # or it ran once more, and no different
            end = _ENDS[step.state]
            if step.state == "failed":
                end += f": {safe(without_users(step.error.strip()))}"
            elif step.state == "done" and step.completed_ns is not None:
                end += f" {step.duration_ns / 1e9:.1f}s"
            self._ended[step.id] = step.state
            self._line(step.id, end)
        if self._current == step.id:
            self._current = ""

    def _log(self, log: VertexLog, end: bool = False) -> None:
        key = log.vertex, 2 if log.stream == 2 else 1
        *lines, rest = (self._rest.pop(key, b"") + log.data).split(b"\n")
        if rest and (end or len(rest) > _PIECE):
            lines, rest = [*lines, rest], b""
        if rest:
            self._rest[key] = rest
            if len(self._rest) > _MOST_RESTS:
                oldest, stream = next(iter(self._rest))
                self._log(VertexLog(oldest, None, stream, b""), end=True)
        step = self._progress.steps.get(log.vertex)
        start = None if step is None else step.started_ns
        at = "" if start is None or log.time_ns is None else f"{max(0, log.time_ns - start) / 1e9:.3f} "
        for line in lines:
            self._line(log.vertex, at + self._safe(text_of(line.removesuffix(b"\r"))))

    def _status(self, status: VertexStatus) -> None:
        """Those that are over; how far the others are would be too many lines."""
        text = safe(" ".join(filter(None, (status.id, status.name))))
        if status.completed_ns is not None:
            counted = f" {size(status.total)}" if status.total > 0 else ""
            took = (status.completed_ns - (status.started_ns or status.completed_ns)) / 1e9
            self._line(status.vertex, f"{text}{counted} {took:.1f}s done")
        elif status.time_ns is None and not status.current:  # the classic builder's pull
            self._line(status.vertex, text)


class Display(Drawn["Iterable[Change]"]):
    """What runs, and the last it wrote, at the bottom; what is over above. Of a step that failed the end of its log."""

    seconds = _BETWEEN

    def __init__(self, progress: BuildProgress) -> None:
        self._progress = progress
        self._since: dict[str, float] = {}
        super().__init__(stderr=True)

    def show(self, changes: Iterable[Change], /) -> None:
        for change in changes:
            if isinstance(change, Step):
                if change.state in _ENDS:
                    self._since.pop(change.id, None)
                elif change.state == "running":
                    self._since.setdefault(change.id, time.monotonic())

    def refresh(self) -> None:
        if time.monotonic() >= self._due:
            self._live.refresh()
            self._due = time.monotonic() + _BETWEEN

    def finish(self) -> None:
        colours = colourful(sys.stderr)
        for step in self._progress.steps.values():
            if step.state in _ENDS:
                end, took = _ENDS[step.state], f" {step.duration_ns / 1e9:.1f}s" if step.duration_ns else ""
                end = colour(end, 31) if colours and step.state == "failed" else end
                print(f"{safe(step.name)} {end}{took}", file=sys.stderr)
        for warning in self._progress.warnings:
            print(f"WARNING: {safe(text_of(warning.short))}", file=sys.stderr)
        error = self._progress.error
        if error is not None and error.step is not None:
            for line in error.step.log.splitlines()[-_SHOWN_OF_A_LOG:]:
                print(f"> {safe(text_of(line))}", file=sys.stderr)

    def table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        steps = [step for step in self._progress.steps.values() if step.id in self._since]
        for step in steps[-max(1, self._console.height // 2 - 1) :]:
            wrote = step.log[-1000:].splitlines() or [b""]
            table.add_row(
                Text(f"{now - self._since[step.id]:.1f}s"),
                Text(safe(step.name), no_wrap=True, overflow="ellipsis"),
            )
            if wrote[-1]:
                table.add_row("", Text(f"  {safe(text_of(wrote[-1]))}", style="dim", no_wrap=True, overflow="ellipsis"))
        done = sum(step.state in _ENDS for step in self._progress.steps.values())
        table.add_row("", f"{done} of {len(self._progress.steps)} steps done")
        return table


def _shown(progress: BuildProgress, given: argparse.Namespace) -> Quiet[Iterable[Change]]:
    if given.quiet:
        return Quiet()
    if given.progress == "tty" or (given.progress == "auto" and draws(sys.stderr)):
        try:
            return Display(progress)
        except ImportError:
            if given.progress == "tty":
                raise ConfigError("--progress tty needs rich: pip install 'dockerwire[cli]', or say plain") from None
    return Lines(progress)
