"""What ``pull``, ``push`` and ``build`` share: a stream that is followed and shown; and the bars of the first two.

These are bars on a terminal that can draw them, and lines elsewhere.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TextIO, TypeVar

from ..drivers.sync import Client
from ..errors import DockerWireError
from ..progress import Change, Layer, Progress
from ..wire.request import StreamRequest
from .follow import Streams
from .terminal import safe, size

if TYPE_CHECKING:
    from rich.table import Table
    from typing_extensions import Self

C = TypeVar("C")

_BETWEEN = 0.1  # seconds from one drawing to the next
_MOVING = frozenset({"downloading", "pushing", "loading", "extracting", "verifying", "retrying", "other"})


class Quiet(Generic[C]):
    """Nothing is shown of what `show` is told."""

    seconds: float | None = None
    """How long the next documents may be waited for before `refresh` must be called."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, change: C, /) -> None:
        pass

    def refresh(self) -> None:
        pass

    def finish(self) -> None:
        """When all is over, without an exception, and nothing is drawn any more."""


class Drawn(Quiet[C], ABC):
    """What is drawn anew, at the bottom of a terminal, while a stream goes on. Raises ImportError without rich."""

    def __init__(self, *, stderr: bool = False) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=stderr)
        self._due = 0.0
        self._live = Live(
            console=self._console,
            get_renderable=self.table,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    @abstractmethod
    def table(self) -> Table:
        """What is drawn; first of all when it is made."""


def draws(file: TextIO) -> bool:
    """Whether `file` is a terminal that can draw."""
    return file.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def follow(
    client: Client,
    request: StreamRequest[Any],
    shown: Quiet[C],
    feed: Callable[[Any], C],
    failed: Callable[[DockerWireError], None],
) -> None:
    """Send `request`, and show what `feed` makes of each document, until there are no more.

    `failed` is called with what goes wrong, also inside the stream, which goes on where that does not raise.
    """
    with shown, Streams(client, lambda key, error: failed(error)) as streams:
        streams.open("", request)
        while len(streams):
            for _, documents in streams.ready(shown.seconds):
                for document in documents:
                    shown.show(feed(document))
            shown.refresh()
    shown.finish()


def transfer(client: Client, request: StreamRequest[Any], quiet: bool) -> Progress:
    """Send `request` and show how it goes on. Raises what went wrong, also inside the stream, with the bars gone."""
    progress = Progress()
    follow(client, request, _shown(progress, quiet), progress.feed, _raise)
    progress.finish()
    return progress


def _raise(error: DockerWireError) -> NoReturn:
    raise error


class Lines(Quiet["Change | None"]):
    """A line for each thing that happens, without counts, as the docker CLI writes to what is no terminal."""

    def show(self, change: Change | None, /) -> None:
        if change is not None and not (isinstance(change, Layer) and _counts(change)):
            print(str(change))

    def refresh(self) -> None:
        sys.stdout.flush()


class Bars(Drawn["Change | None"]):
    """A bar for each layer that is moving, and one for all. What is done becomes a line above them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done: set[str] = set()
        super().__init__()

    def show(self, change: Change | None, /) -> None:
        if change is None:
            return
        if isinstance(change, Layer):
            self.seconds = max(0.0, self._due - time.monotonic())
            if not change.done:
                self._done.discard(change.id)
                return
            if change.id in self._done:
                return
            self._done.add(change.id)
        from rich.text import Text

        self._console.print(Text(str(change)), soft_wrap=True)

    def refresh(self) -> None:
        """Draw the bars anew, if something was shown since they were drawn, and that was a while ago."""
        if self.seconds is not None and time.monotonic() >= self._due:
            self._live.refresh()
            self.seconds, self._due = None, time.monotonic() + _BETWEEN

    def table(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        def cell(text: str) -> Text:
            return Text(safe(text), no_wrap=True, overflow="ellipsis")

        layers = self._progress.layers
        moving = [layer for layer in layers.values() if layer.phase in _MOVING]
        table = Table.grid(padding=(0, 1))
        for layer in moving[: max(1, self._console.height - 3)]:
            bar = ProgressBar(layer.total, layer.current or 0, width=30) if layer.total is not None else ""
            table.add_row(cell(layer.id), cell(layer.status), bar, _counts(layer))
        if layers:
            done, moved, total = (
                len(layers) - len(self._progress.unfinished),
                self._progress.current,
                self._progress.total,
            )
            bar = ProgressBar(total, moved, width=30) if total else ""
            counts = _of(moved, total) if moved or total else ""
            table.add_row(cell(f"{done} of {len(layers)}"), cell("layers done"), bar, counts)
        return table


def _shown(progress: Progress, quiet: bool) -> Quiet[Change | None]:
    if quiet:
        return Quiet()
    if draws(sys.stdout):
        try:
            return Bars(progress)
        except ImportError:  # rich is not there, which must not keep anyone from pulling
            pass
    return Lines()


def _counts(layer: Layer) -> str:
    if layer.current is None:
        return "" if layer.total is None else _of(0, layer.total)
    return _of(layer.current, layer.total) if layer.unit == "bytes" else safe(f"{layer.current} {layer.unit}")


def _of(current: int, total: int | None) -> str:
    return f"{size(current)}/{size(total)}" if total is not None else size(current)
