"""Many streams at once in one thread: what ``logs``, ``events``, ``stats`` and ``demo`` stand on."""

from __future__ import annotations

import fcntl
import os
import selectors
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .. import api
from ..api.types import EventMessage
from ..drivers.sync import Client, Stream
from ..errors import APIError, ConnectionLost, DockerWireError, NotFound, StreamError
from ..wire.request import StreamRequest
from .terminal import complain
from .wakeup import Wakeup

if TYPE_CHECKING:
    from typing_extensions import Self

_OUTPUT, _SIGNAL = object(), object()


class Streams:
    """Open streams by key.

    `complain` is told of what is refused and of trouble inside a stream; the others go on. What is wrong with a
    connection is raised: the engine is gone for all of them. Waiting ends with `BrokenPipeError` when nobody reads
    stdout any more.
    """

    def __init__(self, client: Client, complain: Callable[[str, DockerWireError], None]) -> None:
        self._client = client
        self._complain = complain
        self._wakeup = Wakeup()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wakeup, selectors.EVENT_READ, _SIGNAL)
        self._open: dict[str, tuple[Stream[Any], ExitStack]] = {}
        self._fresh: list[str] = []  # what came with the head is not seen by a selector
        if (output := _pipe()) is not None:
            self._selector.register(output, selectors.EVENT_READ, _OUTPUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for key in list(self._open):
            self.close(key)
        self._selector.close()
        self._wakeup.close()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: str) -> bool:
        return key in self._open

    def open(self, key: str, request: StreamRequest[Any]) -> Stream[Any] | None:
        """Send `request`; its items are those of `key`. None where it is refused."""
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(self._client.stream(request))
            except APIError as error:
                self._complain(key, error)
                return None
            self._selector.register(stream, selectors.EVENT_READ, key)
            stack.callback(self._selector.unregister, stream)
            self._open[key] = stream, stack.pop_all()
        self._fresh.append(key)
        return stream

    def close(self, key: str) -> None:
        self._open.pop(key)[1].close()

    def ready(self, seconds: float | None = None) -> Iterator[tuple[str, list[Any]]]:
        """Wait for items, `seconds` at most, and give what is there by key.

        A stream that is over is closed, and then given for the last time, perhaps without items.
        """
        fresh, self._fresh = self._fresh, []
        waited = [ready.data for ready, _ in self._selector.select(0 if fresh else seconds)]
        if _OUTPUT in waited:
            raise BrokenPipeError
        if _SIGNAL in waited:  # its handler has run by now, and has not raised
            self._wakeup.take()
        for key in dict.fromkeys([*fresh, *waited]):
            if key not in self._open:  # no stream's, or closed by whoever was given an item
                continue
            stream = self._open[key][0]
            items: list[Any] = []
            try:
                items = stream.receive_available()
            except StreamError as error:  # the stream goes on
                self._complain(key, error)
            over = stream.done
            if over:
                self.close(key)
            elif stream.pending:  # more stands behind an error in the order, which no selector tells
                self._fresh.append(key)
            if items or over:
                yield key, items


def _pipe() -> int | None:
    """The descriptor of stdout where it is a pipe, only written to: readable means that its reader is gone."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # io.UnsupportedOperation is both: it is no file
        return None
    only_written = fcntl.fcntl(output, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
    return output if only_written and stat.S_ISFIFO(os.fstat(output).st_mode) else None


class Containers(Streams):
    """Streams by the id of their container; and one of events, by which containers come and go."""

    EVENTS = ""  # no container's id

    def __init__(self, client: Client) -> None:
        super().__init__(client, self._trouble)
        self.names: dict[str, str] = {}
        self.failed = False

    def watch(self, *actions: str) -> Stream[Any] | None:
        """Have `happened` told of `actions`. To be called before containers are listed, so that none is missed."""
        return self.open(self.EVENTS, api.system_events(filters={"type": "container", "event": actions}))

    def happened(self, action: str, id: str) -> None:
        """What is watched has happened to a container, whose name is known by now."""
        raise NotImplementedError

    def ready(self, seconds: float | None = None) -> Iterator[tuple[str, list[Any]]]:
        for key, items in super().ready(seconds):
            if key == self.EVENTS:
                self._told(items)
            else:
                yield key, items

    def _told(self, events: list[EventMessage]) -> None:
        for event in events:
            id = event["Actor"]["ID"]
            self.names.setdefault(id, event["Actor"]["Attributes"].get("name", id[:12]))
            self.happened(event["Action"], id)
        if self.EVENTS not in self:
            raise ConnectionLost("the engine ended its events", "body")

    def _trouble(self, id: str, error: DockerWireError) -> None:
        if not isinstance(error, NotFound):  # that is: removed since it was listed
            self.failed = True
            complain(f"{self.names.get(id, 'events')}: {error}")
