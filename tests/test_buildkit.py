"""BuildKit's traces, decoded as the protobuf library does; and what builds by every builder come to."""

from __future__ import annotations

import base64
import json
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from dockerwire import LimitExceeded, Malformed, StreamError, buildkit
from dockerwire.buildkit import (
    BuildFailure,
    BuildProgress,
    Step,
    Trace,
    Vertex,
    VertexLog,
    VertexStatus,
    VertexWarning,
)

TAPES = Path(__file__).parent / "tapes" / "builds"

# The messages of BuildKit's control.proto. Texts are bytes here, as what is not UTF-8 is escaped and not refused.
MESSAGES: dict[str, str] = {
    "Timestamp": "int64 int32",
    "Position": "int32 int32",
    "Range": "Position Position",
    "Source": "bytes",
    "Vertex": "bytes *bytes bytes bool Timestamp Timestamp bytes",
    "Status": "bytes bytes bytes int64 int64 Timestamp Timestamp Timestamp",
    "Log": "bytes Timestamp int64 bytes",
    "Warning": "bytes int64 bytes *bytes bytes Source *Range",
    "Response": "*Vertex *Status *Log *Warning",
}


def _oracle() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="trace.proto", package="trace", syntax="proto3")
    kinds: Any = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, kind in enumerate(fields.split(), 1):
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            field = message.field.add(name=f"f{number}", number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".trace.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("trace.Response"))


RESPONSE = _oracle()


def text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def by_oracle(data: bytes) -> Trace:
    """What the library makes of `data`. Raises DecodeError."""

    def ns(message: Any, field: str) -> int | None:
        time = getattr(message, field)
        return time.f1 * 10**9 + time.f2 if message.HasField(field) else None

    found: Any = RESPONSE.FromString(data)
    return Trace(
        tuple(
            Vertex(text(v.f1), tuple(map(text, v.f2)), text(v.f3), v.f4, ns(v, "f5"), ns(v, "f6"), text(v.f7))
            for v in found.f1
        ),
        tuple(
            VertexStatus(text(s.f1), text(s.f2), text(s.f3), s.f4, s.f5, ns(s, "f6"), ns(s, "f7"), ns(s, "f8"))
            for s in found.f2
        ),
        tuple(VertexLog(text(log.f1), ns(log, "f2"), log.f3, log.f4) for log in found.f3),
        tuple(
            VertexWarning(
                text(w.f1),
                w.f2,
                w.f3,
                tuple(w.f4),
                text(w.f5),
                text(w.f6.f1),
                tuple((place.f1.f1, place.f2.f1) for place in w.f7),
            )
            for w in found.f4
        ),
    )


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


FIELDS = st.integers(1, 9)
VALUES = st.integers(0, 300) | st.integers(0, 2**64 - 1)
SCALARS = st.one_of(
    st.builds(field, FIELDS, VALUES),
    st.builds(field, FIELDS, st.binary(max_size=8)),
    st.builds(lambda number, data: varint(number << 3 | 1) + data, FIELDS, st.binary(min_size=8, max_size=8)),
    st.builds(lambda number, data: varint(number << 3 | 5) + data, FIELDS, st.binary(min_size=4, max_size=4)),
)


def within(fields: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    message = st.lists(fields, max_size=6).map(b"".join)
    return st.one_of(
        st.builds(field, FIELDS, message),
        st.builds(
            lambda number, data: varint(number << 3 | 3) + data + varint(number << 3 | 4), FIELDS, message
        ),  # a group, which no field of ours is
    )


WIRE = st.lists(st.recursive(SCALARS, within, max_leaves=30), max_size=8).map(b"".join)
"""Messages in any number of parts, with known and unknown fields, each of any type."""


def messages() -> st.SearchStrategy[Any]:
    """Messages of the real shape."""
    time = st.none() | st.builds(dict, f1=st.integers(-(2**63), 2**63 - 1), f2=st.integers(-(2**31), 2**31 - 1))
    data, number = st.binary(max_size=10), st.integers(-(2**63), 2**63 - 1)
    words = st.text(max_size=10).map(str.encode) | data
    position = st.builds(dict, f1=st.integers(-(2**31), 2**31 - 1))
    vertexes = st.builds(
        dict, f1=words, f2=st.lists(words, max_size=3), f3=words, f4=st.booleans(), f5=time, f6=time, f7=words
    )
    statuses = st.builds(dict, f1=words, f2=words, f3=words, f4=number, f5=number, f6=time, f7=time, f8=time)
    logs = st.builds(dict, f1=words, f2=time, f3=number, f4=data)
    warnings = st.builds(
        dict,
        f1=words,
        f2=number,
        f3=data,
        f4=st.lists(data, max_size=3),
        f5=words,
        f6=st.none() | st.builds(dict, f1=words),
        f7=st.lists(st.builds(dict, f1=position, f2=position), max_size=3),
    )
    some = {f"f{n}": st.lists(kind, max_size=3) for n, kind in enumerate((vertexes, statuses, logs, warnings), 1)}
    return st.builds(RESPONSE, **some)


@given(messages())
def test_what_the_library_writes_is_read(message: Any):
    data = message.SerializeToString()
    assert buildkit.decode(data) == by_oracle(data)


def judged(data: bytes) -> None:
    """Read alike, or refused alike."""
    try:
        expected = by_oracle(data)
    except DecodeError:
        with pytest.raises(Malformed) as caught:
            buildkit.decode(data)
        assert caught.value.offset is not None
        assert 0 <= caught.value.offset <= len(data)
    else:
        assert buildkit.decode(data) == expected


@given(WIRE)
def test_any_fields_are_read_as_the_library_reads_them(data: bytes):
    judged(data)


STRICT = pytest.mark.skipif(
    platform.python_implementation() == "PyPy", reason="the library is less strict without its compiled part"
)


@STRICT
@given(WIRE, st.data())
def test_what_is_cut_or_spoilt_is_judged_as_the_library_judges_it(data: bytes, draw: Any):
    at = draw.draw(st.integers(0, len(data)))
    judged(data[:at])
    judged(data[:at] + draw.draw(st.binary(min_size=1, max_size=2)) + data[at + 1 :])


@STRICT
@given(st.binary(max_size=24))
@example(b"\x0b\x0b\x0c\x0c")  # a group in a group
@example(b"\x0b\x14")  # a group that ends as another
@example(b"\x00\x00")  # the field 0
@example(b"\x0e")  # the type 6
@example(b"\x78" + b"\xff" * 9 + b"\x01")  # the longest number
@example(b"\x78" + b"\xff" * 10 + b"\x01")
def test_garbage_is_judged_as_the_library_judges_it(data: bytes):
    judged(data)


def tapes() -> list[str]:
    return sorted(path.stem for path in TAPES.glob("*.jsonl"))


def read(tape: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TAPES / f"{tape}.jsonl").read_text().splitlines()]


def document(data: bytes) -> dict[str, Any]:
    return {"id": "moby.buildkit.trace", "aux": base64.b64encode(data).decode()}


@pytest.mark.parametrize("tape", tapes())
def test_traces_of_engines(tape: str):
    for told in read(tape):
        found = buildkit.trace(told)
        if told.get("id") == "moby.buildkit.trace":
            assert found == by_oracle(base64.b64decode(told["aux"]))
            assert found != Trace()
        else:
            assert found is None


def test_a_warning_in_whole():
    [warning] = [w for told in read("28.5-stages") for w in (buildkit.trace(told) or Trace()).warnings]
    assert warning.short.startswith(b"ConsistentInstructionCasing: Command 'from' should match")
    assert warning.detail == (b"All commands within the Dockerfile should use the same casing (either upper or lower)",)
    assert warning.url.endswith("/consistent-instruction-casing/")
    assert (warning.level, warning.file, warning.lines) == (1, "Dockerfile", ((1, 1),))


@pytest.mark.parametrize("aux", ["?", "AAA", "=", "AA=", "AAAA\n", None, 7, ["AA=="], {"ID": "sha256:1"}, "é"])
def test_what_is_not_base64(aux: Any):
    with pytest.raises(Malformed, match="base64"):
        buildkit.trace({"id": "moby.buildkit.trace", "aux": aux})


def test_the_offset_of_what_is_wrong():
    for data, offset in ((b"\x12\x00\x0a\x05\x0a", 2), (b"\x0a\x03\x0a\x09\x61", 2), (b"\x0a\x02\x08\xff", 3)):
        with pytest.raises(Malformed) as caught:
            buildkit.decode(data)
        assert caught.value.offset == offset


def test_fields_are_counted():
    most = 2**18
    assert buildkit.decode(field(15, 0) * most) == Trace()
    with pytest.raises(LimitExceeded, match="fields") as caught:
        buildkit.decode(field(15, 0) * (most + 1))
    assert caught.value.limit == most
    with pytest.raises(LimitExceeded):
        buildkit.decode(field(1, field(2, b"x") * most))


def fed(documents: Iterable[Any], **limits: int) -> BuildProgress:
    progress = BuildProgress(**limits)
    for told in documents:
        progress.feed(told)
    return progress


def states(progress: BuildProgress) -> dict[str, str]:
    """By the name of the step; without those that only BuildKit knows of."""
    return {
        step.name: step.state for step in progress.steps.values() if "] " in step.name and "internal" not in step.name
    }


BASE, REMOTE = "docker.io/dockerwire/busybox:test", "127.0.0.1:5000/base:1"
BAD, SLOW = "RUN sleep 0.5; echo bad; exit 3", "RUN echo slow; sleep 30"
TALK = "RUN echo hello $WHO; echo err >&2; sleep 0.3; printf part; sleep 0.2; echo ial"
ENDS: dict[str, Any] = {
    "20.10-parallel": {
        f"[bad 1/2] FROM {BASE}": "done",
        f"[slow 2/2] {SLOW}": "cancelled",
        f"[bad 2/2] {BAD}": "failed",
        "[stage-2 2/3] COPY --from=slow /bin/sh /a": "waiting",
        "[stage-2 3/3] COPY --from=bad /bin/sh /b": "waiting",
    },
    "28.5-stages": {
        f"[first 1/2] FROM {BASE}": "cached",
        f"[first 2/2] {TALK.replace('$WHO', 'me')}": "done",
        "[stage-1 2/3] COPY file /file": "done",
        "[stage-1 3/3] COPY --from=first /bin/sh /sh": "done",
    },
    "28.5-cached": {
        f"[first 1/2] FROM {BASE}": "done",
        f"[first 2/2] {TALK.replace('$WHO', 'me')}": "cached",
        "[stage-1 2/3] COPY file /file": "cached",
        "[stage-1 3/3] COPY --from=first /bin/sh /sh": "cached",
    },
    "26.1-cancelled": {f"[1/2] FROM {BASE}": "cached", "[2/2] RUN echo be''gun; sleep 60": "cancelled"},
    "20.10-no-file": {f"[1/2] FROM {BASE}": "cached", "[2/2] COPY nosuch /": "failed"},
    "20.10-classic-cached": {
        "[1/7] from dockerwire/busybox:test as first": "done",
        "[2/7] ARG WHO=no": "cached",
        f"[3/7] {TALK}": "cached",
        "[4/7] FROM dockerwire/busybox:test": "done",
        "[5/7] COPY file /file": "cached",
        "[6/7] COPY --from=first /bin/sh /sh": "cached",
        "[7/7] LABEL a=b": "cached",
    },
    "28.5-classic-fails": {
        "[1/7] FROM dockerwire/busybox:test AS slow": "done",
        "[2/7] RUN echo slow; sleep 0": "done",
        "[3/7] FROM dockerwire/busybox:test AS bad": "done",
        f"[4/7] {BAD}": "failed",
    },
    "20.10-classic-pulls": {f"[1/2] FROM {REMOTE}": "done", "[2/2] RUN true": "done"},
    "podman-4.3-classic": {
        "[1/4] FROM busybox:test": "done",
        "[2/4] RUN echo hello-build; echo err-build >&2; sleep 0.4; echo second": "done",
        "[3/4] RUN echo data > /f": "done",
        "[4/4] LABEL a=b": "done",
    },
    "podman-5.8-classic-fails": {"[1/2] FROM busybox:test": "done", "[2/2] RUN echo before; exit 3": "failed"},
}
ENDS["28.5-parallel"] = ENDS["20.10-parallel"]


@pytest.mark.parametrize("tape", ENDS)
def test_steps_end_as_they_did(tape: str):
    assert states(fed(read(tape))) == ENDS[tape]


ERRORS = {
    "20.10-parallel": (f"[bad 2/2] {BAD}: executor failed running", None),
    "28.5-parallel": (f"[bad 2/2] {BAD}: process ", None),
    "20.10-no-file": ('[2/2] COPY nosuch /: failed to compute cache key: "/nosuch" not found', None),
    "26.1-cancelled": ("[2/2] RUN echo be''gun; sleep 60: context canceled", None),
    "28.5-classic-fails": (f"[4/7] {BAD}: The command '/bin/sh -c sleep 0.5;", 3),
    "29.7-fails": ("[2/2] RUN echo before; exit 3: process ", None),
    "podman-5.8-classic-fails": ("[2/2] RUN echo before; exit 3: building at STEP ", None),
}


@pytest.mark.parametrize("tape", tapes())
def test_the_image_or_the_step_that_failed(tape: str):
    progress = fed(read(tape))
    if tape in ERRORS:
        begins, code = ERRORS[tape]
        assert progress.error is not None
        assert str(progress.error).startswith(begins)
        assert str(progress.error).isprintable()
        assert progress.error.code == code
        assert progress.image is None
    else:
        assert progress.error is None
        assert progress.image is not None
        assert len(progress.image) == 71


def test_an_error_as_it_is_raised_is_taken_too():
    *before, last = read("28.5-parallel")
    progress = fed(before)
    assert progress.error is None
    assert progress.feed(StreamError(last["error"], None, last)) == []
    assert str(progress.error).startswith(f"[bad 2/2] {BAD}: ")
    alone = fed([StreamError("no \x1b[2J more")])
    assert alone.error == BuildFailure("no \x1b[2J more", None, None)
    assert str(alone.error) == "no \\x1b[2J more"
    assert len(str(fed([{"error": "x" * 5000}]).error)) == 2049
    assert str(fed([{"errorDetail": {"message": "only here", "code": 4}}]).error) == "only here"
    assert fed([{"error": 7, "errorDetail": []}]).error == BuildFailure("", None, None)


def test_what_steps_wrote_and_how_long_they_took():
    progress = fed(read("28.5-stages"))
    [talk] = [step for step in progress.steps.values() if "echo hello" in step.name]
    assert sorted(talk.log.splitlines()) == [b"err", b"hello me", b"partial"]
    assert talk.log_size == len(talk.log)
    assert talk.started_ns is not None
    assert talk.completed_ns is not None
    assert talk.duration_ns == talk.completed_ns - talk.started_ns
    assert 0.5e9 < talk.duration_ns < 5e9
    assert [progress.steps[id].name for id in talk.inputs] == [f"[first 1/2] FROM {BASE}"]
    [export] = [step for step in progress.steps.values() if step.name == "exporting to image"]
    assert [(id, s.completed_ns is not None) for id, s in export.statuses.items()] == [
        ("exporting layers", True),
        (f"writing image {progress.image}", True),
        ("naming to docker.io/library/x:1", True),
    ]
    assert [w.short[:27] for w in progress.warnings] == [b"ConsistentInstructionCasing"]
    assert repr(export) == "<Step 'exporting to image' done>"


def test_what_is_new_is_told():
    progress = BuildProgress()
    told = [(progress.feed(one), buildkit.trace(one)) for one in read("28.5-stages")]
    seen: list[str] = []
    for changes, found in told:
        seen += [one.name for one in changes if isinstance(one, Step)]
        for kind in (VertexLog, VertexStatus, VertexWarning):
            there = [] if found is None else [*found.logs, *found.statuses, *found.warnings]
            assert [one for one in changes if isinstance(one, kind)] == [one for one in there if isinstance(one, kind)]
    assert set(seen) == {step.name for step in progress.steps.values()}
    assert seen.count("[stage-1 2/3] COPY file /file") == 3  # it waits, runs, is done
    last = read("28.5-stages")[-2]
    assert progress.feed(last) == []  # nothing is new


def vertex(digest: str, **fields: Any) -> bytes:
    """A trace of one step."""
    names = {"name": 3, "cached": 4, "started": 5, "completed": 6, "error": 7}
    data = field(1, digest.encode())
    for name, value in fields.items():
        value = field(1, value) if name in ("started", "completed") else value
        data += field(names[name], value.encode() if isinstance(value, str) else int(value) if value is True else value)
    return field(1, data)


def test_a_step_that_runs_twice():
    progress = BuildProgress()
    [step] = progress.feed(document(vertex("a", name="twice")))
    assert isinstance(step, Step)
    assert (step.state, step.duration_ns, step.started_ns) == ("waiting", 0, None)
    for started, completed, cached, state, took in (
        (10, None, False, "running", 0),
        (10, 12, False, "done", 2),
        (13, None, False, "running", 2),
        (13, 14, True, "cached", 3),
        (11, 15, False, "done", 4),  # over what is counted already
        (1, 2, False, "done", 4),
    ):
        more: dict[str, Any] = {"completed": completed} if completed else {}
        more |= {"cached": True} if cached else {}
        progress.feed(document(vertex("a", name="twice", started=started, **more)))
        assert (step.state, step.duration_ns) == (state, took * 10**9)
    # Another step that waits for it tells of it as it was before it ran.
    assert progress.feed(document(vertex("a", name="again"))) == []
    assert (step.name, step.state) == ("twice", "done")


def test_the_step_to_blame():
    def told(*steps: tuple[str, str], message: str) -> str:
        progress = BuildProgress()
        for number, (name, error) in enumerate(steps):
            progress.feed(document(vertex(str(number), name=name, started=1, completed=2, error=error)))
        progress.feed({"error": message})
        return str(progress.error)

    cancelled = ("c", "exit code: 137: context canceled")
    assert told(cancelled, ("a", "boom"), ("b", "bang"), message="failed: bang") == "b: failed: bang"
    assert told(cancelled, ("a", "boom of it"), message="boom") == "a: boom"
    assert told(cancelled, ("a", "boom"), ("b", "bang"), message="other") == "a: other"
    assert told(cancelled, message="context canceled") == "c: context canceled"
    assert told(cancelled, message="no such Dockerfile") == "no such Dockerfile"


def stream(*texts: str) -> list[dict[str, str]]:
    return [{"stream": text} for text in texts]


def test_the_classic_builder():
    progress = BuildProgress()
    first, last = stream("Step 1/2 : FROM x", "Step 2/2 : RUN y")
    [step] = progress.feed(first)
    assert isinstance(step, Step)
    assert (step.id, step.name, step.state) == ("1/2", "[1/2] FROM x", "running")
    assert progress.feed({"stream": "\n"}) == []
    assert progress.feed({"status": "Downloading", "id": "abc", "progressDetail": {"current": 1, "total": 2}}) == [
        VertexStatus("abc", "1/2", "Downloading", 1, 2)
    ]
    progress.feed({"status": "Pull complete", "id": "abc", "progressDetail": {}})
    assert step.statuses == {"abc": VertexStatus("abc", "1/2", "Pull complete")}
    changes = progress.feed(last)
    assert changes == [step, progress.steps["2/2"]]
    assert [one.state for one in changes if isinstance(one, Step)] == ["done", "running"]
    assert progress.feed({"stream": "\x1b[91mno\n\x1b[0m"}) == [VertexLog("2/2", None, 2, b"no\n")]
    assert progress.feed({"stream": "yes\n"}) == [VertexLog("2/2", None, 1, b"yes\n")]
    assert progress.feed({"stream": "\n"}) == [VertexLog("2/2", None, 1, b"\n")]
    assert progress.steps["2/2"].log == b"no\nyes\n\n"
    assert progress.feed({"aux": {"ID": "sha256:1"}}) == [progress.steps["2/2"]]
    assert progress.steps["2/2"].state == "done"
    assert progress.image == "sha256:1"
    # That it cannot be named is no step's fault.
    assert progress.feed({"error": "no name", "errorDetail": {"message": "no name"}}) == []
    assert str(progress.error) == "no name"
    assert progress.image is None


def test_commands_do_not_pass_for_steps():
    said = ["Step 3/4 : X\n", "Step 2/4 : X", "Step 4/4 : X", "Step 3/5 : X", "STEP 2/4: X\n", " ---> Using cache\n"]
    begun = stream("Step 1/4 : FROM x", "\n", "Step 2/4 : RUN y", "\n", " ---> Running in abc\n")
    progress = fed([*begun, *stream(*said)])
    assert [(step.id, step.state) for step in progress.steps.values()] == [("1/4", "done"), ("2/4", "running")]
    assert progress.steps["2/4"].log.decode() == " ---> Running in abc\n" + "".join(said)
    assert list(fed([*begun, *stream("Step 3/4 : Z")]).steps) == ["1/4", "2/4", "3/4"]


def test_stages_of_podman():
    lines = ["[1/2] STEP 1/2: FROM x AS a\n", "[1/2] STEP 2/2: RUN b\n", "--> Using cache 1234\n", "--> 1234\n"]
    progress = fed(stream(*lines, "[2/2] STEP 1/1: FROM x\n", "[1/2] STEP 1/2: FROM x AS a\n"))
    assert [(step.name, step.state) for step in progress.steps.values()] == [
        ("[1/2] [1/2] FROM x AS a", "done"),
        ("[1/2] [2/2] RUN b", "cached"),
        ("[2/2] [1/1] FROM x", "running"),
    ]
    assert progress.steps["[2/2] 1/1"].log == b"[1/2] STEP 1/2: FROM x AS a\n"


def test_quiet_and_what_is_of_no_step():
    image = f"sha256:{'ab' * 32}"
    assert fed(stream(f"{image}\n")).image == image
    progress = BuildProgress()
    assert progress.feed({"stream": "Successfully tagged x\n"}) == [VertexLog("", None, 1, b"Successfully tagged x\n")]
    assert progress.feed({"status": "Pulling", "progressDetail": None}) == [VertexStatus("", "", "Pulling")]
    assert progress.feed({"stream": "\n"}) == []
    assert progress.feed({}) == []
    assert progress.feed({"aux": {"ID": 7}, "stream": None}) == []
    assert (progress.steps, progress.image) == ({}, None)


def log(step: str, data: bytes) -> dict[str, Any]:
    return document(field(3, field(1, step.encode()) + field(3, 1) + field(4, data)))


def test_of_a_log_the_end_is_kept():
    progress = fed([log("a", b"0123456789"), log("a", b"abc"), log("b", b"x" * 30), log("", b"no step")], max_log=10)
    assert (progress.steps["a"].log, progress.steps["a"].log_size) == (b"3456789abc", 13)
    assert (progress.steps["b"].log, progress.steps["b"].log_size) == (b"x" * 10, 30)
    assert list(progress.steps) == ["a", "b"]
    none = fed([log("a", b"abc")], max_log=0)
    assert (none.steps["a"].log, none.steps["a"].log_size) == (b"", 3)
    with pytest.raises(ValueError, match="max_log=2 and max_logs=1"):
        BuildProgress(max_log=2, max_logs=1)


def test_logs_of_steps_that_are_silent_go_first():
    progress = BuildProgress(max_log=4, max_logs=8)
    for step, data in (("a", b"aaaa"), ("b", b"bb"), ("a", b"A"), ("c", b"cc")):
        progress.feed(log(step, data))
    assert [step.log for step in progress.steps.values()] == [b"aaaA", b"bb", b"cc"]
    progress.feed(log("d", b"d"))
    assert [step.log for step in progress.steps.values()] == [b"aaaA", b"", b"cc", b"d"]
    progress.feed(log("b", b"B"))
    assert [step.log for step in progress.steps.values()] == [b"aaaA", b"B", b"cc", b"d"]
    assert progress.steps["b"].log_size == 3


KIB = 1024


def test_names_are_bounded():
    progress = BuildProgress(max_names=64 * KIB)
    for _ in range(100):  # one step, told anew each time
        progress.feed(document(vertex("a", name="n" * KIB, error="e" * KIB)))
        progress.feed(document(field(2, field(1, b"s" * KIB) + field(2, b"a"))))
    told = [document(vertex(f"{number}", name="n" * KIB)) for number in range(100)]
    with pytest.raises(LimitExceeded, match="names") as caught:
        [progress.feed(one) for one in told]
    assert caught.value.limit == 64 * KIB
    assert 35 < len(progress.steps) < 64


def test_many_small_ones_are_counted_as_what_they_take():
    """Of inputs and details, each of which may be empty."""
    many = 2**17
    step, warning = field(1, field(1, b"a") + field(2, b"") * many), field(4, field(1, b"a") + field(4, b"") * many)
    for told in (step, warning):
        progress = BuildProgress(max_names=many * 50)  # they take eight bytes each, and more if they hold anything
        with pytest.raises(LimitExceeded, match="names"):
            progress.feed(document(told))
        assert progress.warnings == []
        assert all(step.inputs == () for step in progress.steps.values())


def test_many_logs_can_go_at_once():
    many = 80_000
    progress = BuildProgress(max_log=many, max_logs=many, max_names=1000 * many)
    for start in range(0, many, many // 2):
        ids = (f"{number}".encode() for number in range(start, start + many // 2))
        progress.feed(document(b"".join(field(3, field(1, id) + field(4, b"x")) for id in ids)))
    last = log("last", b"x" * many)
    began = time.process_time()
    progress.feed(last)
    assert time.process_time() - began < 1.5  # about 0.03 s; each time looking for the first in a dict, some seconds
    assert [step.id for step in progress.steps.values() if step.log] == ["last"]


@pytest.mark.parametrize("number", [2, 4])
def test_what_steps_do_is_bounded(number: int):
    """Statuses of one step by their ids; warnings."""
    progress = BuildProgress(max_names=64 * KIB)
    texts = [f"{count}".encode() + b"s" * KIB for count in range(100)]
    told = [document(field(number, field(1, text) + field(2, b"a") + field(3, text))) for text in texts]
    if number == 4:
        told = [document(field(4, field(1, b"a") + field(3, text))) for text in texts]
    with pytest.raises(LimitExceeded, match="what they do"):
        [progress.feed(one) for one in told]
    kept = progress.warnings if number == 4 else progress.steps["a"].statuses
    assert 20 < len(kept) < 64
