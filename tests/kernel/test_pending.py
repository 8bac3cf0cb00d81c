"""`Pending` and `Items`: the compiled twins and those in Python do the same."""

from __future__ import annotations

import builtins
import importlib.util
import random
import sys
from types import ModuleType
from typing import Any

import pytest

from dockerwire import Frame, StreamError
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

    def refill() -> None:
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
