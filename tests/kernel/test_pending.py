"""`Pending` and `Items`: the compiled twins and those in Python do the same."""

from __future__ import annotations

import builtins
import importlib.util
import json
import random
import sys
import types
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest

from dockerwire import Frame, Malformed, StreamError
from dockerwire.kernel import LogRecord, pending


def _in_python() -> ModuleType:
    """The module as it is where nothing was compiled."""
    spec = importlib.util.spec_from_file_location("dockerwire.kernel.pending_python", pending.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "_pending":
            raise ImportError(name)
        return real(name, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        spec.loader.exec_module(module)
    return module


TWINS = [pending, _in_python()]
pytestmark = [
    pytest.mark.every_kernel,
    pytest.mark.parametrize("twin", TWINS, ids=["as installed", "in Python"]),
]


def test_the_twins_are_two(twin: ModuleType) -> None:
    assert TWINS[1].Pending.__module__ == "dockerwire.kernel.pending_python"
    if sys.implementation.name == "cpython" and "dockerwire.kernel._pending" in sys.modules:
        assert TWINS[0].Pending.__module__ == "dockerwire.kernel._pending"


class _End(Exception):
    """There is no more."""


def _stepped(coroutine: Any) -> Any:
    """What `coroutine` returns, which yields nothing."""
    with pytest.raises(StopIteration) as raised:
        coroutine.send(None)
    return raised.value.value


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when it is awaited"])
def test_iterating_with_a_loop(twin: ModuleType, late: bool) -> None:
    waiting, trouble = twin.Pending(), StreamError("trouble")
    rounds = iter([[1, 2], [], [trouble, 3]])

    def receive() -> None:
        items = next(rounds, None)
        if items is None:
            raise _End
        waiting.extend(items)

    async def received() -> None:
        receive()

    items = twin.AsyncItems(waiting, received if late else receive, _End)
    assert items.__aiter__() is items
    assert [_stepped(items.__anext__()) for _ in range(2)] == [1, 2]
    with pytest.raises(StreamError) as raised:
        items.__anext__().send(None)
    assert raised.value is trouble
    assert _stepped(items.__anext__()) == 3
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            items.__anext__().send(None)


def test_what_is_awaited_for_items_is_told_of_a_cancellation(twin: ModuleType) -> None:
    waiting = twin.Pending()
    told: list[BaseException] = []

    @types.coroutine
    def wait() -> Generator[str, None, None]:
        try:
            yield "to the loop"
        except BaseException as error:
            told.append(error)
            raise

    items = twin.AsyncItems(waiting, wait, _End)
    step = items.__anext__()
    assert step.send(None) == "to the loop"
    cancelled = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        step.throw(cancelled)
    assert told == [cancelled]
    waiting.extend([1])
    assert _stepped(items.__anext__()) == 1
    step = twin.AsyncItems(twin.Pending(), wait, _End).__anext__()
    step.send(None)
    step.close()
    assert isinstance(told[1], GeneratorExit)


def test_one_by_one(twin: ModuleType) -> None:
    waiting, trouble = twin.Pending(), StreamError("trouble")
    waiting.extend([1, trouble, 2])
    waiting.extend([3])
    assert len(waiting) == 4
    assert waiting.pop() == 1
    with pytest.raises(StreamError) as raised:
        waiting.pop()
    assert raised.value is trouble
    assert [waiting.pop(), waiting.pop(), len(waiting)] == [2, 3, 0]
    with pytest.raises(IndexError):
        waiting.pop()


def test_many_at_once(twin: ModuleType) -> None:
    waiting = twin.Pending()
    assert waiting.take() == []
    waiting.extend([0, 1, StreamError("a"), StreamError("b"), 2])
    assert waiting.pop() == 0
    assert waiting.take() == [1]
    for message in "ab":
        with pytest.raises(StreamError, match=message):
            waiting.take()
    assert waiting.take() == [2]
    assert waiting.take() == []
    waiting.extend([3])
    assert waiting.take() == [3]
    assert not waiting


def test_any_order_of_calls(twin: ModuleType) -> None:
    """As a list would have it."""
    dice = random.Random(5)
    for _ in range(200):
        waiting, model, number = twin.Pending(), list[Any](), 0
        for _ in range(30):
            match dice.randrange(3):
                case 0:
                    items = [StreamError("") if dice.randrange(4) == 0 else (number := number + 1) for _ in range(3)]
                    waiting.extend(list(items))
                    model += items
                case 1 if model:
                    try:
                        taken: Any = waiting.pop()
                    except StreamError as error:
                        taken = error
                    assert taken is model.pop(0)
                case 2 if model:
                    try:
                        many = waiting.take()
                    except StreamError as error:
                        many = [error]
                    assert many == model[: len(many)]
                    del model[: len(many)]
            assert len(waiting) == len(model)


def test_items(twin: ModuleType) -> None:
    """The iterator asks for more when there is nothing; what that raises it raises, and goes on afterwards."""
    waiting = twin.Pending()
    more: list[Any] = [[1, 2], [], [3, StreamError("x"), 4], KeyError("lost"), [5], StopIteration()]

    def refill(said: object) -> None:
        assert said is None
        came = more.pop(0)
        if isinstance(came, list):
            waiting.extend(came)
        else:
            raise came

    items = twin.Items(waiting, refill)
    assert iter(items) is items
    assert [next(items), next(items), next(items)] == [1, 2, 3]
    with pytest.raises(StreamError, match="x"):
        next(items)
    assert next(items) == 4
    with pytest.raises(KeyError):
        next(items)
    assert list(items) == [5]


def test_items_that_are_received(twin: ModuleType) -> None:
    """Of what receives them it is told what it said, before anything is taken, but not of a few bytes."""
    waiting = twin.Pending()
    lost = KeyError("lost")
    # What receiving says or raises, and the items that come by it.
    more: list[Any] = [(5, [1]), (0, []), (9, [2, 3]), (4097, [4]), (-3, [5]), (-1, []), (lost, []), (lost, [6])]
    told: list[Any] = []

    def receive() -> int:
        says, items = more.pop(0)
        waiting.extend(items)
        if says is lost:
            raise lost
        return int(says)

    def refill(said: object) -> Any:
        told.append(said)
        if said is lost:
            raise lost
        if not more and not len(waiting):
            raise StopIteration
        return None if len(waiting) else receive

    items = twin.Items(waiting, refill)
    assert [next(items) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert told == [None, None, 0, None, 4097, None, -3]
    del told[:]
    for _ in range(2):
        with pytest.raises(KeyError):
            next(items)
    assert told == [None, -1, lost, None, lost]
    assert list(items) == [6]


def read(text: Any) -> Any:
    """Texts are numbers; what is raised for others is raised in its place."""
    if isinstance(text, str):
        raise {"stop": StopIteration, "async": StopAsyncIteration, "fatal": KeyError}.get(text, ValueError)(text)
    return -text


def test_what_is_read_when_it_is_taken(twin: ModuleType) -> None:
    waiting = twin.Pending()
    waiting.reader = read
    waiting.extend([1, "bad", 2, StreamError("x"), "stop", "async", 3])
    assert waiting.pop() == -1
    with pytest.raises(ValueError, match="bad"):
        waiting.pop()
    assert waiting.take() == [-2]
    with pytest.raises(StreamError):
        waiting.take()
    for name in ("StopIteration", "StopAsyncIteration"):  # which would end an iteration without a word
        with pytest.raises(RuntimeError, match=name):
            waiting.take()
    assert waiting.take() == [-3]
    assert waiting.take() == []


def test_some_are_read_at_once(twin: ModuleType) -> None:
    waiting = twin.Pending()
    waiting.reader = read
    waiting.extend([*range(20), "bad", 20])
    assert [len(waiting.take()) for _ in range(3)] == [8, 8, 4]
    with pytest.raises(ValueError, match="bad"):
        waiting.take()
    assert waiting.take() == [-20]


@pytest.mark.parametrize("at_once", [False, True])
def test_after_what_is_fatal_there_is_nothing(twin: ModuleType, at_once: bool) -> None:
    waiting = twin.Pending(lambda error: isinstance(error, KeyError))
    waiting.reader = read
    waiting.extend([1, "fatal", 2])
    assert (waiting.take() if at_once else [waiting.pop()]) == [-1]
    with pytest.raises(KeyError):
        waiting.take() if at_once else waiting.pop()
    assert len(waiting) == 0
    waiting.extend([3])
    assert waiting.pop() == -3


def test_a_reader(twin: ModuleType) -> None:
    def decode(text: bytes) -> Any:
        if text == b"deep":
            raise RecursionError
        return json.loads(text)

    def judge(text: bytes) -> Any:
        if text == b"bad":
            raise Malformed("bad", 0)
        return "judged"

    plain = twin.Reader(decode, judge)
    assert plain(b'{"error":1}') == {"error": 1}
    assert [plain(b"deep"), plain(b"{")] == ["judged", "judged"]
    with pytest.raises(Malformed):
        plain(b"bad")
    telling = twin.Reader(decode, judge, ("e", "f"), lambda value: StreamError("x") if value.get("f") else None)
    assert [telling(text) for text in (b"1", b'["f"]', b'{"e":1}', b'{"f":0}', b'"f"')] == [
        1,
        ["f"],
        {"e": 1},
        {"f": 0},
        "f",
    ]
    waiting = twin.Pending()
    waiting.reader = telling
    waiting.extend([b'{"g":1}', b'{"f":1}', b"2"])
    assert waiting.take() == [{"g": 1}]
    with pytest.raises(StreamError):
        waiting.take()
    assert waiting.pop() == 2


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (b'{"error":1}', True),
        (b'{"errorDetail":1}', True),
        (b'{"a":"error"}', True),
        (b'{"\\u0065rror":1}', True),
        (b'{"err\\u006Fr":1}', True),
        (b'{"e\\u0072ror":1}', True),
        (b'"\\u006f"', True),
        (b'{"erro":1}', False),
        (b'{"a":"x error"}', False),
        (b'"\\u003e\\u0056\\u0160"', False),
        (b"", False),
        (b'"erro', False),
        (b'"error', True),
        (b'x"error', True),
        (b"\\u006", True),
        (b"\\u00", False),
    ],
)
def test_a_screen(twin: ModuleType, text: bytes, asked: bool) -> None:
    """Only of what may be an error is it asked whether it is one."""
    seen: list[bytes] = []
    assert twin.Screen(len, seen.append)(text) == len(text)
    assert seen == [text] * asked
    trouble = StreamError("x")
    telling = twin.Screen(len, lambda text: trouble)
    if asked:
        with pytest.raises(StreamError) as raised:
            telling(text)
        assert raised.value is trouble
    else:
        assert telling(text) == len(text)


def test_the_items_are_let_go(twin: ModuleType) -> None:
    """What was taken is nobody's any more, however many others are there."""
    waiting, item = twin.Pending(), bytearray(b"big")
    count = sys.getrefcount(item) if hasattr(sys, "getrefcount") else 0
    waiting.extend([item, 1, 2])
    assert waiting.pop() is item
    if count:
        assert sys.getrefcount(item) == count


def test_finding_a_stream(twin: ModuleType) -> None:
    frames: list[Any] = [Frame(1, b"a"), Frame(2, b"b"), Frame(1, b"c")]
    assert [twin.find_stream(frames, stream) for stream in range(4)] == [-1, 0, 1, -1]
    records: list[Any] = [LogRecord(stream, None, b"", {}, False) for stream in (2, 3)]
    assert [twin.find_stream(records, stream) for stream in range(4)] == [-1, -1, 0, 1]
    assert twin.find_stream([], 1) == -1


def test_a_reader_for_which_more_comes(twin: ModuleType) -> None:
    """What it raises stands before that."""
    waiting = twin.Pending()

    def read(text: bytes) -> bytes:
        if text == b"b":
            waiting.extend([b"c"])
            raise ValueError("trouble")
        return text

    waiting.reader = read
    waiting.extend([b"a", b"b"])
    assert waiting.take() == [b"a"]
    with pytest.raises(ValueError, match="trouble"):
        waiting.take()
    assert waiting.take() == [b"c"]
