"""What `dockerwire.kernel` itself promises: the choice of a backend, its face, its values, the buffers it takes."""

from __future__ import annotations

import array
import mmap
import os
import pickle
import subprocess
import sys
import types
from types import ModuleType
from typing import Any

import pytest

from dockerwire import kernel as kernels
from dockerwire.errors import LimitExceeded, Malformed, ProtocolError, Truncated

from ..conftest import load_kernel
from ..support.decoding import chunks

DECODERS = ("ChunkedDecoder", "FrameDecoder", "DocumentSplitter", "LogDecoder")
NO_STAMPS = {"LogDecoder": {"timestamps": False}}


def in_a_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "DOCKERWIRE_KERNEL"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_names() -> None:
    assert kernels.NAMES == ("cython", "cffi", "python")


def test_available_lists_what_loads_in_order_of_preference() -> None:
    available = kernels.available()
    assert [name for name in kernels.NAMES if name in available] == list(available)
    assert "python" in available
    for name in kernels.NAMES:
        if name in available:
            assert kernels.load(name).name == name
        else:
            with pytest.raises(ImportError):
                kernels.load(name)


@pytest.mark.parametrize("name", ["", "fortran", "CYTHON", "python ", "backend_python"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises((ImportError, ValueError)):
        kernels.load(name)


def test_the_fastest_available_is_in_use() -> None:
    done = in_a_new_process("from dockerwire import kernel; print(kernel.name, *kernel.available())")
    assert done.returncode == 0, done.stderr
    name, *available = done.stdout.split()
    assert name == available[0]


@pytest.mark.parametrize("name", kernels.NAMES)
def test_the_environment_forces_one(name: str) -> None:
    load_kernel(name)
    done = in_a_new_process(
        "from dockerwire import kernel as k; print(k.name, k.ChunkedDecoder is k.load(k.name).ChunkedDecoder)",
        DOCKERWIRE_KERNEL=name,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name, "True"]


def test_the_environment_forcing_one_that_is_none_is_an_error() -> None:
    done = in_a_new_process("from dockerwire import kernel", DOCKERWIRE_KERNEL="fortran")
    assert done.returncode != 0
    assert "fortran" in done.stderr
    assert all(name in done.stderr for name in kernels.NAMES)


@pytest.mark.parametrize("module", ["backend_cython", "backend_cffi"])
def test_one_that_does_not_load_is_left_out_unless_forced(module: str) -> None:
    name = module.removeprefix("backend_")
    block = f"import sys; sys.modules['dockerwire.kernel.{module}'] = None; from dockerwire import kernel; "
    done = in_a_new_process(block + "print(kernel.name, *kernel.available())")
    assert done.returncode == 0, done.stderr
    assert name not in done.stdout.split()
    assert "python" in done.stdout.split()
    done = in_a_new_process(block, DOCKERWIRE_KERNEL=name)
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert name in done.stderr


BROKEN = """
import sys, warnings

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "dockerwire.kernel.MODULE":
            raise ImportError("undefined symbol: PyNone")

sys.meta_path.insert(0, Broken())
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    from dockerwire import kernel
print(kernel.name, *(warning.category.__name__ for warning in told))
print(*(warning.message for warning in told))
"""


def test_one_that_is_there_and_does_not_fit_is_told_of() -> None:
    module = "backend_cffi" if sys.implementation.name == "pypy" else "backend_cython"
    done = in_a_new_process(BROKEN.replace("MODULE", module))
    assert done.returncode == 0, done.stderr
    first, why = done.stdout.splitlines()
    assert first.split()[1:] == ["RuntimeWarning"]
    assert first.split()[0] != module.removeprefix("backend_")
    assert "undefined symbol: PyNone" in why
    done = in_a_new_process(BROKEN.replace("MODULE", module), DOCKERWIRE_KERNEL="python")
    assert done.stdout.split() == ["python"]  # it was not asked for


def test_no_cffi_package_leaves_the_cffi_kernel_out() -> None:
    # PyPy needs it for TLS: that has been loaded before it is gone.
    block = "import ssl, sys; sys.modules['cffi'] = sys.modules['_cffi_backend'] = None; "
    done = in_a_new_process(block + "from dockerwire import kernel; print(*kernel.available())")
    assert done.returncode == 0, done.stderr
    built_in = sys.implementation.name == "pypy"  # there the compiled module needs no package
    assert ("cffi" in done.stdout.split()) == (built_in and "cffi" in kernels.available())


def test_the_face(kernel: ModuleType) -> None:
    assert kernel.name in kernels.NAMES
    for name in DECODERS:
        decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
        assert decoder.error is None
        assert callable(decoder.feed)
        assert callable(decoder.finish)
    assert callable(kernel.parse_timestamp)
    assert callable(kernel.format_timestamp)


def test_all_kernels_give_the_same_classes(kernel: ModuleType) -> None:
    [frame] = kernel.FrameDecoder().feed(b"\1\0\0\0\0\0\0\2hi")
    [record] = kernel.LogDecoder(timestamps=False).feed(b"\1\0\0\0\0\0\0\3hi\n")
    assert type(frame) is kernels.Frame
    assert type(record) is kernels.LogRecord
    assert type(frame.stream) is int
    assert type(frame.data) is bytes
    assert type(record.stream) is int
    assert type(record.message) is bytes
    assert type(record.attrs) is dict
    assert type(record.partial) is bool
    [stamped] = kernel.LogDecoder().feed(b"\1\0\0\0\0\0\0\x182024-05-01T10:00:00Z hi\n\1\0")
    assert type(stamped.time_ns) is int
    [document] = kernel.DocumentSplitter().feed(b"{}")
    assert type(document) is bytes
    assert type(kernel.ChunkedDecoder().feed(b"1\r\nx")) is bytes


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("FrameDecoder", {"max_piece": 0}),
        ("FrameDecoder", {"max_piece": -1}),
        ("DocumentSplitter", {"max_document": 0}),
        ("DocumentSplitter", {"max_document": -1}),
        ("DocumentSplitter", {"max_depth": -1}),
        ("LogDecoder", {"max_line": 0}),
        ("LogDecoder", {"max_line": -1}),
        ("ChunkedDecoder", {"max_line": -1}),
        ("ChunkedDecoder", {"max_extensions": -1}),
        ("ChunkedDecoder", {"max_trailers": -1}),
    ],
)
def test_limits_that_cannot_be_are_refused(kernel: ModuleType, name: str, arguments: dict[str, int]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        getattr(kernel, name)(**arguments)


# Buffers


def as_mmap(data: bytes) -> mmap.mmap:
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    return mapped


FORMS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "writable memoryview": lambda data: memoryview(bytearray(data)),
    "a slice of a memoryview": lambda data: memoryview(b"<" + data + b">")[1:-1],
    "signed bytes": lambda data: memoryview(data).cast("b"),
    "two dimensions": lambda data: memoryview(data).cast("B", (2, len(data) // 2)),
    "array of bytes": lambda data: array.array("B", data),
    "array of 16 bits": lambda data: array.array("H", data),
    "mmap": as_mmap,
}
INPUTS = {
    "ChunkedDecoder": (b"8\r\nabcdefgh\r\n0\r\n\r\n", b"abcdefgh"),
    "FrameDecoder": (b"\2\0\0\0\0\0\0\2hi", [kernels.Frame(2, b"hi")]),
    "DocumentSplitter": (b'{"a":1}\n', [b'{"a":1}']),
    "LogDecoder": (b"\2\0\0\0\0\0\0\4hi!\n", [kernels.LogRecord(2, None, b"hi!", {}, False)]),
}


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("form", FORMS)
def test_feed_takes_any_contiguous_buffer(kernel: ModuleType, name: str, form: str) -> None:
    data, expected = INPUTS[name]
    assert len(data) % 2 == 0  # which the array of 16 bits needs
    buffer: Any = FORMS[form](data)
    decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
    assert decoder.feed(buffer) == expected
    decoder.finish()
    if isinstance(buffer, (bytearray, array.array)):  # it is let go of: resizing one that is still exported raises
        buffer.extend(buffer)
    if isinstance(buffer, mmap.mmap):
        buffer.close()


@pytest.mark.parametrize("name", DECODERS)
def test_what_was_fed_may_change_afterwards(kernel: ModuleType, name: str) -> None:
    data, expected = INPUTS[name]
    decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
    items = []
    one = bytearray(1)
    for byte in data:
        one[0] = byte
        items.append(decoder.feed(one))
        one[0] = 0x7F
    flat = b"".join(items) if isinstance(expected, bytes) else [item for part in items for item in part]
    assert flat == expected


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("wrong", [memoryview(b"abcd")[::2], "text", None, 1, [1, 2]], ids=["holes", *"snil"])
def test_what_is_no_contiguous_buffer_is_refused_and_changes_nothing(kernel: ModuleType, name: str, wrong: Any) -> None:
    data, expected = INPUTS[name]
    faults = {"ChunkedDecoder": b"1\r\nxy", "FrameDecoder": b"\4", "DocumentSplitter": b"]", "LogDecoder": b"\4"}
    decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
    given_out = []
    for piece in chunks(data if name != "ChunkedDecoder" else data.removesuffix(b"0\r\n\r\n"), 1):
        with pytest.raises((TypeError, BufferError)):
            decoder.feed(wrong)
        assert decoder.error is None
        given_out += [decoder.feed(piece)]
    assert [*filter(None, given_out)] == ([*chunks(expected, 1)] if isinstance(expected, bytes) else [expected])
    at = sum(map(len, given_out)) + 5 if name == "ChunkedDecoder" else len(data)
    decoder.feed(faults[name])
    assert decoder.error.offset == at + (4 if name == "ChunkedDecoder" else 0)


@pytest.mark.parametrize("name", DECODERS)
def test_feeding_nothing_gives_nothing(kernel: ModuleType, name: str) -> None:
    data, expected = INPUTS[name]
    decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
    for _ in range(3):
        assert not decoder.feed(b"")
    assert decoder.feed(data) == expected
    assert not decoder.feed(b"")


# Values

VALUES = [
    (kernels.Frame(1, b"data"), (1, b"data"), [(2, b"data"), (1, b"date")]),
    (
        kernels.LogRecord(1, 5, b"text", {"a": "b"}, False),
        (1, 5, b"text", {"a": "b"}, False),
        [
            (2, 5, b"text", {"a": "b"}, False),
            (1, None, b"text", {"a": "b"}, False),
            (1, 5, b"", {"a": "b"}, False),
            (1, 5, b"text", {}, False),
            (1, 5, b"text", {"a": "b"}, True),
        ],
    ),
]


@pytest.mark.parametrize(("value", "fields", "others"), VALUES, ids=["Frame", "LogRecord"])
def test_values_compare_hash_and_unpack(value: Any, fields: tuple[Any, ...], others: list[tuple[Any, ...]]) -> None:
    cls = type(value)
    assert tuple(value) == fields
    assert value == cls(*fields)
    for other in others:
        assert value != cls(*other)
    if cls is kernels.Frame:
        assert hash(value) == hash(cls(*fields))
        assert {value: 1}[cls(*fields)] == 1
    assert cls.__match_args__ == tuple(cls.__match_args__)
    assert [getattr(value, name) for name in cls.__match_args__] == list(fields)
    assert cls.__name__ in repr(value)
    assert repr(value) == repr(cls(*fields))
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(("value", "fields", "others"), VALUES, ids=["Frame", "LogRecord"])
def test_values_do_not_change(value: Any, fields: tuple[Any, ...], others: list[tuple[Any, ...]]) -> None:
    for name in type(value).__match_args__:
        with pytest.raises(AttributeError):
            setattr(value, name, getattr(value, name))
        with pytest.raises(AttributeError):
            delattr(value, name)
    assert tuple(value) == fields


@pytest.mark.skipif("dockerwire.kernel._items" not in sys.modules, reason="not compiled here")
@pytest.mark.parametrize(("cls", "name"), [(kernels.Frame, "data"), (kernels.LogRecord, "message")])
def test_bytes_of_compiled_values_are_got_without_a_call(cls: type, name: str) -> None:
    assert isinstance(vars(cls)[name], types.MemberDescriptorType)


def test_values_of_two_classes_differ() -> None:
    assert kernels.Frame(1, b"") != kernels.LogRecord(1, None, b"", {}, False)
    assert kernels.Frame(1, b"") != object()


def test_a_frame_of_a_kernel_equals_one_made_by_hand(kernel: ModuleType) -> None:
    [frame] = kernel.FrameDecoder().feed(b"\2\0\0\0\0\0\0\2hi")
    assert frame == kernels.Frame(2, b"hi")
    assert hash(frame) == hash(kernels.Frame(2, b"hi"))
    stream, data = frame
    assert (stream, data) == (2, b"hi")
    match frame:
        case kernels.Frame(2, matched):
            assert matched == b"hi"
        case _:
            pytest.fail("no match by position")


def test_a_record_of_a_kernel_matches_by_position(kernel: ModuleType) -> None:
    [record] = kernel.LogDecoder(timestamps=False).feed(b"\2\0\0\0\0\0\0\3hi\n")
    match record:
        case kernels.LogRecord(2, None, b"hi", attrs, False):
            assert attrs == {}
        case _:
            pytest.fail("no match by position")


def test_records_do_not_share_their_attrs(kernel: ModuleType) -> None:
    first, second = kernel.LogDecoder(timestamps=False).feed(b"\1\0\0\0\0\0\0\2a\n\1\0\0\0\0\0\0\2b\n")
    first.attrs["x"] = "y"
    assert first.attrs == {"x": "y"}
    assert second.attrs == {}
    assert kernel.LogDecoder(timestamps=False).feed(b"\1\0\0\0\0\0\0\2c\n")[0].attrs == {}


# Errors


@pytest.mark.parametrize(
    ("name", "arguments", "fault", "kind"),
    [
        ("ChunkedDecoder", {}, b"x", Malformed),
        ("ChunkedDecoder", {"max_line": 8}, b"1;" + b"e" * 100, LimitExceeded),
        ("FrameDecoder", {}, b"\4\0\0\0\0\0\0\0", Malformed),
        ("DocumentSplitter", {}, b"]", Malformed),
        ("DocumentSplitter", {"max_document": 8}, b"[" * 100, LimitExceeded),
        ("LogDecoder", {}, b"\4\0\0\0\0\0\0\0", Malformed),
    ],
)
def test_an_error_is_told_at_once_and_stays(
    kernel: ModuleType, name: str, arguments: dict[str, int], fault: bytes, kind: type[ProtocolError]
) -> None:
    decoder = getattr(kernel, name)(**arguments)
    assert not decoder.feed(fault)
    error = decoder.error
    assert type(error) is kind
    for _ in range(3):
        for call in (decoder.finish, lambda: decoder.feed(b"more"), lambda: decoder.feed(b"")):
            with pytest.raises(kind) as caught:
                call()
            assert caught.value is error
    assert decoder.error is error


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("ChunkedDecoder", b""),
        ("ChunkedDecoder", b"5\r\nab"),
        ("FrameDecoder", b"\1\0\0\0"),
        ("DocumentSplitter", b"{"),
        ("LogDecoder", b"\1\0\0\0\0\0\0\5ab"),
    ],
)
def test_an_end_that_came_too_early_stays(kernel: ModuleType, name: str, start: bytes) -> None:
    decoder = getattr(kernel, name)(**NO_STAMPS.get(name, {}))
    decoder.feed(start)
    with pytest.raises(Truncated) as first:
        decoder.finish()
    for call in (decoder.finish, lambda: decoder.feed(b"0\r\n\r\n")):
        with pytest.raises(Truncated) as caught:
            call()
        assert caught.value is first.value
    assert decoder.error is first.value
