"""The chunked transfer coding, with the vectors and with h11 as the oracle."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import h11
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dockerwire.errors import LimitExceeded, Malformed, Truncated

from ..support.decoding import Outcome, chunks, drive, one_outcome
from ..support.vectors import content, matches, params

END = b"0\r\n\r\n"


@pytest.mark.parametrize("row", params("http_chunked"))
def test_vector(kernel: ModuleType, row: dict[str, Any]) -> None:
    body, fault, trailing_data = one_outcome(kernel.ChunkedDecoder, content(row["input"]))
    expect = row["expect"]
    if expect["class"] == "accept" or (expect["class"] == "either" and fault is None):
        assert fault is None
        assert matches(expect["body"], body)
        assert trailing_data == b""
    else:
        assert fault is not None


@pytest.mark.parametrize("after", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"\r\n", b"0\r\n\r\n"])
def test_what_comes_after_the_end_is_kept(kernel: ModuleType, after: bytes) -> None:
    assert one_outcome(kernel.ChunkedDecoder, b"1\r\nx\r\n" + END + after) == Outcome(b"x", None, after)


def test_done_is_told_with_the_last_byte(kernel: ModuleType) -> None:
    data = b"1;e\r\nx\r\n0;e\r\nT: v\r\n\r\n"
    decoder = kernel.ChunkedDecoder()
    for byte in chunks(data[:-1], 1):
        decoder.feed(byte)
        assert decoder.done is False
        assert decoder.trailing_data == b""
    decoder.feed(data[-1:])
    assert decoder.done is True
    assert decoder.finish() is None
    assert decoder.finish() is None


def test_data_is_given_as_it_comes(kernel: ModuleType) -> None:
    decoder = kernel.ChunkedDecoder()
    assert decoder.feed(b"5\r\nab") == b"ab"
    assert decoder.feed(b"c") == b"c"
    assert decoder.feed(b"de\r\n3") == b"de"
    assert decoder.feed(b"\r\nfgh\r\n1\r\ni\r\n0\r\n\r\nrest") == b"fghi"
    assert decoder.trailing_data == b"rest"


# Truncation


@pytest.mark.parametrize("data", [b'5\r\nhello\r\n10;ext="a;\\"b"\r\n0123456789abcdef\r\n0\r\nA: b\r\nC: d\r\n\r\n'])
def test_a_cut_anywhere_is_truncated(kernel: ModuleType, data: bytes) -> None:
    whole = one_outcome(kernel.ChunkedDecoder, data)
    assert whole.fault is None
    for length in range(len(data)):
        body, fault, _ = one_outcome(kernel.ChunkedDecoder, data[:length])
        assert whole.items.startswith(body)
        assert fault is not None
        assert fault.kind == "Truncated"


def test_truncated_says_how_much_of_the_chunk_is_missing(kernel: ModuleType) -> None:
    decoder = kernel.ChunkedDecoder()
    assert decoder.feed(b"10\r\nabc") == b"abc"
    with pytest.raises(Truncated) as caught:
        decoder.finish()
    assert caught.value.missing == 13
    decoder = kernel.ChunkedDecoder()
    decoder.feed(b"3\r\nabc\r\n")
    with pytest.raises(Truncated) as caught:
        decoder.finish()
    assert caught.value.missing is None


# Malformed

MALFORMED = [
    (b"x", 0),
    (b"\r\n", 0),
    (b" 1\r\n", 0),
    (b"-1\r\n", 0),
    (b"+1\r\n", 0),
    (b"0x1\r\n", 1),
    (b"1_0\r\n", 1),
    (b"1 2\r\n", 2),
    (b"1\rx", 2),
    (b"1\n", 1),
    (b"1;\n", 2),
    (b"1;a\rb", 4),
    (b"1\r\nxy", 4),
    (b"1\r\nx\n", 4),
    (b"1\r\nx\r\r", 5),
    (b"1\r\nx\r\n\r\n", 6),
    (b"\xef\xbc\x91\r\n", 0),
    (b";a\r\n", 0),
    (b"g\r\n", 0),
    (b"0\r\n\rx", 4),
    (b"0\r\nA: b\rx", 8),
]


@pytest.mark.parametrize(("data", "offset"), MALFORMED)
@pytest.mark.parametrize("before", [b"", b"3\r\nabc\r\n", b"1\r\nx\r\n" * 3000], ids=len)
def test_malformed_tells_the_first_wrong_byte(kernel: ModuleType, data: bytes, offset: int, before: bytes) -> None:
    for size in (1, 5, 1 << 20) if len(before) < 100 else (1000, 1 << 20):
        decoder = kernel.ChunkedDecoder()
        for piece in chunks(before + data, size):
            decoder.feed(piece)
            if decoder.error:
                break
        assert type(decoder.error) is Malformed
        assert decoder.error.offset == len(before) + offset


@pytest.mark.parametrize(
    "trailer",
    [
        b"no colon",
        b": no name",
        b"a b: c",
        b"a : b",
        b"a: \0",
        b"a: b\rc",
        b"\xe9: x",
        b"a\t: b",
        b"(: x",
        b"a: \x01",
        b" a: b",
    ],
)
def test_malformed_trailers_are_refused(kernel: ModuleType, trailer: bytes) -> None:
    _, fault, _ = one_outcome(kernel.ChunkedDecoder, b"0\r\n" + trailer + b"\r\n\r\n")
    assert fault is not None
    assert fault.kind == "Malformed"


@pytest.mark.parametrize(
    "trailer",
    [b"a:", b"a: ", b"a:b", b"a: \t b \t", b"!#$%&'*+-.^_`|~09azAZ: ok", b"a: \xe9\xff", b"a: b\r\n c d\r\n\t(e"],
)
def test_trailers_are_read_over(kernel: ModuleType, trailer: bytes) -> None:
    assert one_outcome(kernel.ChunkedDecoder, b"1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\nrest") == Outcome(
        b"x", None, b"rest"
    )


# Limits: in bytes of the chunk-size line without its CRLF, of what follows the sizes, of the trailer lines with theirs


@pytest.mark.parametrize("size", [b"3", b"0003", b"0" * 15 + b"3", b"0" * 19 + b"3"])
def test_zeros_before_a_size_are_allowed(kernel: ModuleType, size: bytes) -> None:
    assert one_outcome(kernel.ChunkedDecoder, size + b"\r\nabc\r\n" + END) == Outcome(b"abc", None)


def test_the_largest_chunk_size(kernel: ModuleType) -> None:
    body, fault, _ = one_outcome(kernel.ChunkedDecoder, b"7fffffffffffffff\r\nabc")
    assert body == b"abc"
    assert fault is not None
    assert (fault.kind, fault.missing) == ("Truncated", 2**63 - 1 - 3)


@pytest.mark.parametrize(
    "size", [b"8000000000000000", b"ffffffffffffffff", b"FFFFFFFFFFFFFFFE", b"10000000000000000", b"1" + b"0" * 99]
)
def test_one_over_the_largest_chunk_size(kernel: ModuleType, size: bytes) -> None:
    body, fault, _ = one_outcome(kernel.ChunkedDecoder, b"1\r\nx\r\n" + size + b"\r\nabc")
    assert body == b"x"
    assert fault is not None
    assert fault.kind == "Malformed"
    assert "2**63" in fault.message


@pytest.mark.parametrize("limit", [1, 2, 64, 4096])
@pytest.mark.parametrize("line", [b"1;" + b"e" * 5000, b"1 " + b" " * 5000, b"0" * 5000], ids=["ext", "blank", "zeros"])
def test_the_chunk_line_at_its_limit_and_one_over(kernel: ModuleType, limit: int, line: bytes) -> None:
    def decoder() -> Any:
        return kernel.ChunkedDecoder() if limit == 4096 else kernel.ChunkedDecoder(max_line=limit)

    before = b"1\r\nx\r\n"
    at_limit = one_outcome(decoder, before + line[:limit] + b"\r\n")
    assert at_limit.fault is not None
    assert at_limit.fault.kind == "Truncated"
    body, fault, _ = one_outcome(decoder, before + line[: limit + 1])
    assert body == b"x"
    assert fault is not None
    assert (fault.kind, fault.limit) == ("LimitExceeded", limit)


@pytest.mark.parametrize("digits", range(1, 8))
def test_the_digits_of_a_size_are_of_its_line(kernel: ModuleType, digits: int) -> None:
    data = b"%0*x\r\nx\r\n" % (digits, 1) * 2 + END
    for limit in range(1, 8):
        body, fault, _ = one_outcome(lambda limit=limit: kernel.ChunkedDecoder(max_line=limit), data)
        assert (body, fault is None) == ((b"xx", True) if limit >= digits else (b"", False))


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 4095, 4096, 65535, 65536, 1048576])
def test_sizes_in_capital_and_small_digits(kernel: ModuleType, size: int) -> None:
    data = b"x" * size
    for line in (b"%x\r\n", b"%X\r\n"):
        decoder = kernel.ChunkedDecoder()
        assert decoder.feed((line % size + data + b"\r\n") * 2 + END) == data * 2
        assert decoder.done


@pytest.mark.parametrize("limit", [0, 100, 16384])
@pytest.mark.parametrize("data", [0, 1, 1000])
def test_extensions_at_their_limit_and_one_over(kernel: ModuleType, limit: int, data: int) -> None:
    """A body has `limit` bytes of extensions for nothing, and two more for each byte of data before them."""

    def decoder() -> Any:
        return kernel.ChunkedDecoder(max_line=1 << 20, **({} if limit == 16384 else {"max_extensions": limit}))

    before = b"%x\r\n" % data + b"x" * data + b"\r\n" if data else b""
    allowed = limit + 2 * data
    extension = b";" + b"e" * allowed
    for size in (1, 7, 1 << 20):
        at_limit = before + b"0" + extension[:allowed] + b"\r\n\r\n"
        assert drive(decoder(), chunks(at_limit, size)) == Outcome(b"x" * data, None)
        body, fault, _ = drive(decoder(), chunks(before + b"0" + extension, size))
        assert body == b"x" * data
        assert fault is not None
        assert (fault.kind, fault.limit) == ("LimitExceeded", limit)


def test_a_stream_of_one_byte_chunks_passes(kernel: ModuleType) -> None:
    decoder = kernel.ChunkedDecoder()
    assert decoder.feed(b"1\r\nx\r\n" * 50_000 + END) == b"x" * 50_000
    assert decoder.done


def test_one_byte_chunks_with_long_extensions_do_not(kernel: ModuleType) -> None:
    decoder = kernel.ChunkedDecoder()
    body = decoder.feed(b"1;ext\r\nx\r\n" * 50_000)
    assert type(decoder.error) is LimitExceeded
    assert len(body) == 8191  # number n has the extensions up to 4 * n, and 16384 + 2 * (n - 1) are allowed


def test_data_pays_for_extensions(kernel: ModuleType) -> None:
    chunk = b"3e8;" + b"e" * 1999 + b"\r\n" + b"x" * 1000 + b"\r\n"
    decoder = kernel.ChunkedDecoder()
    assert decoder.feed(chunk * 100 + END) == b"x" * 100_000
    assert decoder.done


@pytest.mark.parametrize("limit", [64, 16384])
@pytest.mark.parametrize("lines", [1, 8])
def test_trailers_at_their_limit_and_one_over(kernel: ModuleType, limit: int, lines: int) -> None:
    def decoder() -> Any:
        return kernel.ChunkedDecoder() if limit == 16384 else kernel.ChunkedDecoder(max_trailers=limit)

    trailers = b"T:v\r\n" * (lines - 1)
    trailers += b"T:" + b"v" * (limit - len(trailers) - 4) + b"\r\n"
    assert len(trailers) == limit
    assert one_outcome(decoder, b"1\r\nx\r\n0\r\n" + trailers + b"\r\n") == Outcome(b"x", None)
    body, fault, _ = one_outcome(decoder, b"1\r\nx\r\n0\r\nT" + trailers + b"\r\n")
    assert body == b"x"
    assert fault is not None
    assert (fault.kind, fault.limit) == ("LimitExceeded", limit)


def test_one_trailer_too_many_is_over_the_limit_too(kernel: ModuleType) -> None:
    _, fault, _ = one_outcome(lambda: kernel.ChunkedDecoder(max_trailers=50), b"0\r\n" + b"T:v\r\n" * 10 + b"T")
    assert fault is not None
    assert (fault.kind, fault.limit) == ("LimitExceeded", 50)


# The oracle


def h11_reads(data: bytes) -> tuple[bytes, bytes | None]:
    """The body, as an h11 client reads it, and what is left over after it, or None for an error or an end too early."""
    connection = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Response)
    connection.receive_data(data)
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return body, None
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return body, connection.trailing_data[0]
        else:
            assert event is h11.NEED_DATA
            connection.receive_data(b"")


extensions = st.sampled_from(
    [b"", b"", b"", b";", b";a", b";a=b", b';a="b;\\"c"', b";a;b=c", b" ", b"\t ", b"; \t", b" ;a"]
)
whole_chunks = st.builds(
    lambda data, zeros, ext: b"%s%x%s\r\n%s\r\n" % (b"0" * zeros, len(data), ext, data),
    st.binary(min_size=1, max_size=40),
    st.integers(0, 3),
    extensions,
)
trailer_lines = st.sampled_from(
    [b"A: b\r\n", b"Content-Type: x y\r\n", b"x:\r\n", b" folded\r\n", b"\t\r\n", b"y:\t\xe9 \r\n"]
)
bodies = st.builds(
    lambda parts, ext, trailers, rest: b"".join(parts) + b"0" + ext + b"\r\n" + b"".join(trailers) + b"\r\n" + rest,
    st.lists(whole_chunks, max_size=6),
    extensions,
    st.lists(trailer_lines, max_size=3),
    st.binary(max_size=8),
)
tokens = st.lists(
    st.one_of(
        whole_chunks,
        trailer_lines,
        st.sampled_from([b"\r\n", b"\r", b"\n", b"0", b"0\r\n", b"5", b"a", b";", b"F" * 16, b"0" * 20, b" ", b"\0"]),
        st.binary(max_size=6),
    ),
    max_size=12,
).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good body with one byte changed, taken out or put in, or cut off."""
    data = draw(bodies)
    at = draw(st.integers(0, len(data)))
    byte = bytes([draw(st.one_of(st.sampled_from(b"\r\n0;: \tfF\0\x7f"), st.integers(0, 255)))])
    return draw(
        st.sampled_from(
            [data[:at] + byte + data[at + 1 :], data[:at] + data[at + 1 :], data[:at] + byte + data[at:], data[:at]]
        )
    )


@given(data=st.one_of(bodies, damaged(), tokens, st.binary(max_size=64)), size=st.integers(1, 64))
@example(data=b"5\r\nhello\r\n0\r\n\r\n", size=3)
@example(data=b"1;\r\nx\r\n0\r\n\r\n", size=1)
@example(data=b"0\r\nA: b\r\n c\r\n\r\n", size=1)
@example(data=b"0\r\n c\r\n\r\n", size=1)
@example(data=b"0\r\nT: v\n\n", size=1)
@example(data=b"1;a\r\r\nx\r\n0\r\n\r\n", size=1)
@example(data=b"ffffffffffffffff\r\nx", size=1)
def test_h11_says_the_same(kernel: ModuleType, data: bytes, size: int) -> None:
    assume(not re.search(rb"[0-9A-Fa-f]{21}", data))  # see the next test
    decoder = kernel.ChunkedDecoder()
    body, fault, trailing_data = drive(decoder, chunks(data, size))
    h11_body, h11_rest = h11_reads(data)
    if fault is None:
        assert (body, trailing_data) == (h11_body, h11_rest)
    elif body != h11_body or h11_rest is not None:
        # Three things are refused here that h11 lets pass: a size of 2**63 and more; control characters in extensions
        # and trailers; and in trailers a line that ends in LF alone.
        assert type(decoder.error) is Malformed
        offset = decoder.error.offset
        wrong = data[offset]
        assert "2**63" in fault.message or wrong < 0x20 or wrong == 0x7F or data[offset - 1 : offset] == b"\r"
        assert h11_body.startswith(body)


def test_a_size_of_more_than_twenty_digits_is_the_one_thing_that_h11_refuses_and_we_do_not(kernel: ModuleType) -> None:
    data = b"0" * 20 + b"1\r\nx\r\n" + END
    assert h11_reads(data) == (b"", None)
    assert one_outcome(kernel.ChunkedDecoder, data) == Outcome(b"x", None)
