"""What real engines answered: which builder went well on which engine, and how the answers fit their types.

`Recorder` is a plugin of pytest that watches the drivers while tests marked `engine` run, whatever client they use. A
run of a builder is *green* when its test passed and the answer was read without an error; what a failing test saw does
not count. With DOCKERWIRE_RECORD=PATH the record of a run is added to the JSON file there, which
tools/coverage_page.py makes the page of.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from dockerwire import Request, StreamError
from dockerwire.api import types
from dockerwire.drivers import core
from dockerwire.errors import APIError, DockerWireError, UnsupportedVersion
from dockerwire.kernel.pending import Pending
from dockerwire.wire import exchange
from dockerwire.wire.decoders import Documents
from dockerwire.wire.exchange import Exchange
from tests.api import facts
from tests.engine.shape import required

OK = "ok"
LAST = "test_coverage.py"
"""The tests that look at what all others have seen."""
_NEWER = "no engine that new is at hand, nor a recording of its answer: checked against the document only"
NOT_SHOWN = {
    "container_logs_json": f"API 1.54; {_NEWER}",
    "image_attestations": f"API 1.55; {_NEWER}",
}
"""Builders that went well on no engine, and why. Of their operations the second one has no other builder."""


@cache
def _builders() -> dict[Any, str]:
    """Builders by what tells their requests apart."""
    return {_key(facts.build(builder)): builder for builder in facts.BUILDERS}


def _key(request: Any) -> Any:
    return request.operation, type(request), request.decode if isinstance(request, Request) else type(request.items)


def builder_of(request: Any) -> str | None:
    """The builder that makes such requests; None for what drivers ask by themselves."""
    return _builders().get(_key(request))


def answer_of(builder: str) -> Any:
    """What the answer of a builder is, or each item of it."""
    hints = get_type_hints(facts.BUILDERS[builder], localns={name: getattr(types, name) for name in types.__all__})
    return get_args(hints["return"])[0]


def parts(hint: Any) -> list[Any]:
    """What a list, map or union is made of, None left out."""
    return [one for one in get_args(hint) if one not in (type(None), str) or get_origin(hint) is list]


def types_in(hint: Any, found: dict[str, Any] | None = None) -> dict[str, Any]:
    """The TypedDicts in `hint`, and in these, by name."""
    found = {} if found is None else found
    if is_typeddict(hint):
        if hint.__name__ not in found:
            found[hint.__name__] = hint
            for inner in get_type_hints(hint).values():
                types_in(inner, found)
    else:
        for one in parts(hint):
            types_in(one, found)
    return found


def _strange(value: Any, hint: Any) -> int:
    """How many of the keys of `value` are none of `hint`."""
    names = get_type_hints(hint) if is_typeddict(hint) else ()
    return len([name for name in value if name not in names]) if isinstance(value, dict) else 0


class Record:
    """The record of runs, as it stands in the JSON file."""

    def __init__(self) -> None:
        self.engines: dict[str, set[str]] = {}
        """The API versions that went well with each engine."""
        self.runs: dict[str, dict[str, set[str]]] = {}
        """By builder and engine: "ok", the status of a refusal, the class of an error."""
        self.known: dict[str, dict[str, set[str]]] = {}
        """By type and field: the engines that sent it."""
        self.unknown: dict[str, dict[str, set[str]]] = {}
        """The same of fields that the type does not have."""
        self.missing: dict[str, dict[str, set[str]]] = {}
        """By type and field: the engines that left it out although the type promises it."""

    def _tables(self) -> Iterator[tuple[str, dict[str, dict[str, set[str]]]]]:
        for name in ("runs", "known", "unknown", "missing"):
            yield name, getattr(self, name)

    def is_green(self, builder: str, engine: str | None = None) -> bool:
        """Whether it went well there, or anywhere."""
        by_engine = self.runs.get(builder, {})
        return any(OK in outcomes for name, outcomes in by_engine.items() if engine in (None, name))

    def note(self, builder: str, engine: str, version: str | None, what: str | WatchedExchange) -> None:
        """Note how a request went: why it failed, or its exchange."""
        outcomes = [what] if isinstance(what, str) else what.outcomes()
        if version is not None and OK in outcomes:
            self.engines.setdefault(engine, set()).add(version)
        self.runs.setdefault(builder, {}).setdefault(engine, set()).update(outcomes)
        if isinstance(what, WatchedExchange):
            for value in what.values:
                self.compare(value, answer_of(builder), engine)

    def compare(self, value: Any, hint: Any, engine: str) -> None:
        """Note the fields of `value`, which is said to be a `hint`."""
        if is_typeddict(hint) and isinstance(value, dict):
            hints = get_type_hints(hint)
            for name, one in value.items():
                table = self.known if name in hints else self.unknown
                table.setdefault(hint.__name__, {}).setdefault(name, set()).add(engine)
                self.compare(one, hints.get(name), engine)
            for name in required(hint) - value.keys():
                self.missing.setdefault(hint.__name__, {}).setdefault(name, set()).add(engine)
        elif isinstance(value, list) and get_origin(hint) is list:
            for one in value:
                self.compare(one, get_args(hint)[0], engine)
        elif isinstance(value, dict) and get_origin(hint) is dict:
            for one in value.values():
                self.compare(one, get_args(hint)[1], engine)
        elif value is not None and get_origin(hint) not in (list, dict) and (choices := parts(hint)):
            self.compare(value, min(choices, key=lambda one: _strange(value, one)), engine)

    def add(self, path: Path) -> None:
        """What the file at `path` has, if there is one."""
        if not path.exists():
            return
        loaded = json.loads(path.read_text("utf-8"))
        for engine, versions in loaded["engines"].items():
            self.engines.setdefault(engine, set()).update(versions)
        for name, table in self._tables():
            for outer, inner in loaded[name].items():
                for key, values in inner.items():
                    table.setdefault(outer, {}).setdefault(key, set()).update(values)

    def write(self, path: Path) -> None:
        document: dict[str, Any] = {"engines": self.engines, **dict(self._tables())}
        path.write_text(json.dumps(document, indent=1, sort_keys=True, default=sorted) + "\n", "utf-8")


class WatchedReceiver:
    """A receiver that shows what it has received."""

    def __init__(self, receiver: Any, pending: Any, show: Callable[[list[Any]], None]) -> None:
        self._receiver, self._pending, self._show = receiver, pending, show

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receiver, name)

    @property
    def torn(self) -> bool:
        return bool(self._receiver.torn)

    @torn.setter
    def torn(self, torn: bool) -> None:
        self._receiver.torn = torn

    @property
    def least(self) -> float:
        return float(self._receiver.least)

    @least.setter
    def least(self, least: float) -> None:
        self._receiver.least = least

    def receive(self, wait: bool) -> int:
        return self._seen(self._receiver.receive(wait))

    def receive_quiet(self) -> int:
        return self._seen(self._receiver.receive_quiet())

    def _seen(self, count: int) -> int:
        items: list[Any] = []
        while len(self._pending):
            try:
                items.append(self._pending.pop())
            except StreamError as error:
                items.append(error)
        self._show(items)
        return count


class WatchedExchange(Exchange[Any]):
    """An exchange that keeps what it gave out."""

    address = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version: str | None = args[1]
        self.values: list[Any] = []
        self.troubles: list[str] = []
        self.went_well = False
        self.documents = isinstance(getattr(self.request, "items", None), Documents)

    def _see(self, items: list[Any]) -> list[Any]:
        for item in items:
            if isinstance(item, StreamError):
                self.troubles.append("StreamError")
                item = item.detail
            else:
                self.went_well = True
            if self.documents:
                self.values.append(item)
        return items

    def receive_data(self, data: bytes) -> list[Any]:
        return self._see(super().receive_data(data)) if data else super().receive_data(data)

    def receive_eof(self) -> list[Any]:
        return self._see(super().receive_eof())

    def direct(self, descriptor: int, size: int, pending: Any) -> Any:
        mine = Pending(lambda error: False)
        receiver = super().direct(descriptor, size, mine)
        return receiver and WatchedReceiver(receiver, mine, lambda items: pending.extend(self._see(items)))

    def settle(self) -> list[Any]:
        return self._see(super().settle())

    def set_tty(self, tty: bool) -> list[Any]:
        return self._see(super().set_tty(tty))

    def result(self) -> Any:
        try:
            value = super().result()
        except DockerWireError as error:
            self.troubles.append(type(error).__name__)
            raise
        self.went_well = True
        self.values.append(value)
        return value

    def outcomes(self) -> list[str]:
        troubles = list(self.troubles)
        if self.error is not None and type(self.error).__name__ not in troubles:
            troubles.append(type(self.error).__name__)
        if isinstance(self.request, Request):
            well = self.went_well
        elif getattr(self.request.items, "in_band_errors", False):
            well = self.done and not troubles  # only the end of such a stream tells that all went well
        else:
            well = self.went_well or (self.done and not troubles)
        return [OK] if well else troubles


_SERVER = re.compile(r"(Docker|Libpod)/(\d+\.\d+)")


class Recorder:
    """A plugin of pytest, see above."""

    name: ClassVar[str] = "engine-recorder"

    def __init__(self) -> None:
        self.record = Record()
        self.left_out = 0
        """How many tests of engines were collected and not chosen."""
        self._notes: list[tuple[Any, str, str | None, str | WatchedExchange]] = []
        self._engines: dict[str, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Whatever a driver sends in this block is noted."""
        start: Callable[..., Generator[Any, Any, Any]] = core.Core._start

        def watched(client: core.Core, request: Any, version: str | None, *rest: Any) -> Generator[Any, Any, Any]:
            address = str(client.address())
            try:
                incoming = yield from start(client, request, version, *rest)
            except UnsupportedVersion:  # nothing was sent
                raise
            except DockerWireError as error:
                outcome = str(error.status) if isinstance(error, APIError) else type(error).__name__
                self._notes.append((request, address, version, outcome))
                raise
            server = _SERVER.match(incoming.exchange.headers.get("server", ""))
            if server is not None:
                self._engines[address] = f"podman-{server[2]}" if server[1] == "Libpod" else server[2]
            self._notes.append((request, address, version, incoming.exchange))
            return incoming

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exchange, "Exchange", WatchedExchange)
            patch.setattr(core.Core, "_start", watched)
            yield

    def settle(self, passed: bool) -> None:
        """Count what was noted so far, or forget it."""
        notes, self._notes = self._notes, []
        for request, address, version, what in notes if passed else ():
            builder, engine = builder_of(request), self._engines.get(address)
            if builder is None or engine is None:
                continue
            self.record.note(builder, engine, version, what)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        if item.get_closest_marker("engine") is None:
            return (yield)
        with self.watching():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self.settle(report.passed)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.path.name == LAST)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.left_out += sum(item.get_closest_marker("engine") is not None for item in items)

    def pytest_sessionfinish(self) -> None:
        if path := os.environ.get("DOCKERWIRE_RECORD"):
            self.record.add(Path(path))
            self.record.write(Path(path))
