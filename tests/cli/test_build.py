"""``build``: what it asks for, what it shows, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dockerwire.buildkit import BuildProgress, VertexLog
from dockerwire.cli.build import Lines, base_images
from dockerwire.reference import parse
from tests.support.files import archive_of, files_in
from tests.support.peers import JSON_404, Asked, Peer, Talk, answers, ok

TAPES = Path(__file__).parents[1] / "tapes" / "builds"
IMAGE = "sha256:af93c156270a2858491400bf1d1cd839c31d7be280702684f44a81c12a8e8244"
SECONDS = 30

Ran = tuple[int, str, str]


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A context."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM a.test/base\nRUN true\n")
    (folder / "file").write_text("data")
    return folder


def tape(name: str) -> bytes:
    return ok((TAPES / f"{name}.jsonl").read_bytes(), b"Content-Type: application/json")


def told(*documents: Any) -> bytes:
    return ok(b"".join(json.dumps(one).encode() for one in documents), b"Content-Type: application/json")


BUILT = told({"id": "moby.image.id", "aux": {"ID": IMAGE}})


def engine(answer: bytes = BUILT) -> Peer:
    """One that answers everything but pings so."""
    ping = ok(b"", b"Api-Version: 1.41", b"Ostype: linux")
    return Peer(answers(lambda asked: ping if asked.target.endswith("/_ping") else answer))


def asked(peer: Peer) -> Asked:
    """The one request that was no ping."""
    [request] = [request for request in peer.requests if not request.target.endswith("/_ping")]
    return request


def query(peer: Peer) -> dict[str, list[str]]:
    return parse_qs(urlsplit(asked(peer).target).query, keep_blank_values=True)


def test_what_is_asked_for(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OURS", "ä b")
    monkeypatch.delenv("NOT_OURS", raising=False)
    with engine() as peer:
        assert run("-H", peer.host, "build", str(folder)) == (0, f"{IMAGE}\n", "")
        assert query(peer) == {"dockerfile": ["Dockerfile"], "version": ["2"]}
        assert files_in(asked(peer).body) == {"Dockerfile": b"FROM a.test/base\nRUN true\n", "file": b"data"}
        assert asked(peer).headers["content-type"] == "application/x-tar"
    (folder / "other").write_text("FROM scratch\n")
    names = ("-t", "x:1", "-t", "y")
    given = ("--build-arg", "A=b=c", "--build-arg", "OURS", "--build-arg", "NOT_OURS", "--build-arg", "EMPTY=")
    more = ("--target", "stage", "--no-cache", "--pull", "--platform", "linux/arm64", "--network", "none", "-q")
    with engine() as peer:
        code = run("-H", peer.host, "build", *names, "-f", str(folder / "other"), *given, *more, str(folder))[0]
        assert code == 0
        assert query(peer) == {
            "dockerfile": ["other"],
            "t": ["x:1", "y"],
            "buildargs": ['{"A":"b=c","OURS":"ä b","NOT_OURS":null,"EMPTY":""}'],
            "target": ["stage"],
            "nocache": ["1"],
            "pull": ["1"],
            "platform": ["linux/arm64"],
            "networkmode": ["none"],
            "version": ["2"],
        }
    with engine() as peer:
        assert run("-H", peer.host, "build", "--classic", str(folder))[0] == 0
        assert query(peer) == {"dockerfile": ["Dockerfile"], "forcerm": ["1"], "version": ["1"]}


def test_a_dockerfile_from_elsewhere(run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere").write_text("FROM b.test/base\n")
    monkeypatch.chdir(tmp_path)
    with engine() as peer:
        assert run("-H", peer.host, "build", "-f", "elsewhere", "context")[0] == 0
        [name] = query(peer)["dockerfile"]
        assert files_in(asked(peer).body)[name] == b"FROM b.test/base\n"
    with engine() as peer:
        assert run("-H", peer.host, "build", "-f", "context/file", "context")[0] == 0
        assert query(peer)["dockerfile"] == ["file"]


def write_config(**config: Any) -> None:
    Path(os.environ["DOCKER_CONFIG"], "config.json").write_text(json.dumps(config))


def credentials(peer: Peer) -> dict[str, str]:
    """The users that were sent, by registry."""
    sent = asked(peer).headers.get("x-registry-config", "e30=")
    return {name: auth["username"] for name, auth in json.loads(base64.urlsafe_b64decode(sent)).items()}


def test_credentials_go_where_they_are_needed_and_used(run: Any, folder: Path, tmp_path: Path):
    auths = {name: {"auth": base64.b64encode(f"u-{name}:p".encode()).decode()} for name in ("a.test", "b.test")}
    write_config(auths=auths)
    with engine() as peer:
        run("-H", peer.host, "build", "--classic", str(folder))
        assert credentials(peer) == {"a.test": "u-a.test"}
    with engine() as peer:  # which BuildKit does not look at
        run("-H", peer.host, "build", str(folder))
        assert credentials(peer) == {}
    (tmp_path / "elsewhere").write_text("ARG HOST\nFROM $HOST/base\n")
    arguments = ("--build-arg", "HOST=b.test", "-f", str(tmp_path / "elsewhere"))
    with engine() as peer:
        run("-H", peer.host, "build", "--classic", *arguments, str(folder))
        assert credentials(peer) == {"b.test": "u-b.test"}


def test_proxies_are_used_when_they_are_asked_for(run: Any, folder: Path):
    write_config(proxies={"default": {"httpProxy": "http://proxy.test"}})
    with engine() as peer:
        run("-H", peer.host, "build", "--classic", str(folder))
        assert "buildargs" not in query(peer)
    with engine() as peer:
        run("-H", peer.host, "build", "--config-proxies", "--build-arg", "http_proxy=mine", str(folder))
        expected = {"HTTP_PROXY": "http://proxy.test", "http_proxy": "mine"}
        assert json.loads(query(peer)["buildargs"][0]) == expected
    with Peer(answers(BUILT)) as other:
        write_config(proxies={"default": {"httpProxy": "no"}, other.host: {"noProxy": "x"}})
        run("-H", other.host, "--api-version", "1.41", "build", "--config-proxies", str(folder))
        assert json.loads(query(other)["buildargs"][0]) == {"NO_PROXY": "x", "no_proxy": "x"}


def test_the_proxies_are_those_of_the_context(run: Any, folder: Path):
    meta = Path(os.environ["DOCKER_CONFIG"], "contexts/meta", hashlib.sha256(b"prod").hexdigest(), "meta.json")
    meta.parent.mkdir(parents=True)
    with Peer(answers(BUILT)) as other:
        meta.write_text(json.dumps({"Name": "prod", "Endpoints": {"docker": {"Host": other.host}}}))
        write_config(proxies={"default": {"httpProxy": "no"}, other.host: {"noProxy": "x"}})
        run("-c", "prod", "--api-version", "1.41", "build", "--config-proxies", str(folder))
        assert json.loads(query(other)["buildargs"][0]) == {"NO_PROXY": "x", "no_proxy": "x"}


def from_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    class Stdin:
        buffer = io.BytesIO(data)

    monkeypatch.setattr(sys, "stdin", Stdin)


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_an_archive_on_stdin(run: Any, monkeypatch: pytest.MonkeyPatch, compression: str):
    archive = archive_of({"sub/File": b"FROM a.test/b\n", "big": os.urandom(200_000)}, compression=compression)
    from_stdin(monkeypatch, archive)
    with engine() as peer:
        assert run("-H", peer.host, "build", "-f", "sub/File", "-")[0] == 0
        assert query(peer) == {"dockerfile": ["sub/File"], "version": ["2"]}
        assert asked(peer).body == archive


def test_an_empty_archive_on_stdin(run: Any, monkeypatch: pytest.MonkeyPatch):
    from_stdin(monkeypatch, bytes(10240))
    with engine() as peer:
        run("-H", peer.host, "build", "-")
        assert asked(peer).body == bytes(10240)


@pytest.mark.parametrize("dockerfile", [b"FROM a.test/b\n", b"FROM a.test/b\n" + b"# more\n" * 1000, b""])
def test_a_dockerfile_on_stdin(run: Any, monkeypatch: pytest.MonkeyPatch, dockerfile: bytes):
    write_config(auths={"a.test": {"auth": base64.b64encode(b"bob:p").decode()}})
    from_stdin(monkeypatch, dockerfile)
    with engine() as peer:
        assert run("-H", peer.host, "build", "--classic", "-")[0] == 0
        assert files_in(asked(peer).body) == {"Dockerfile": dockerfile}
        assert "dockerfile" not in query(peer)
        assert credentials(peer) == ({"a.test": "bob"} if dockerfile else {})


def test_nonsense_on_stdin(run: Any, monkeypatch: pytest.MonkeyPatch):
    for data in (b"\0" * 100, b"FROM x\n" * 200_000):
        from_stdin(monkeypatch, data)
        code, _, err = run("build", "-")
        assert (code, err.splitlines()) == (
            2,
            ["dockerwire: stdin holds neither an archive (tar, perhaps in gzip, bzip2 or xz) nor a Dockerfile"],
        )
    from_stdin(monkeypatch, b"FROM x\n")
    code, _, err = run("build", "-f", "Dockerfile", "-")
    assert (code, err) == (2, "dockerwire: --file: stdin holds no archive that it could be in\n")


@pytest.mark.parametrize(
    ("dockerfile", "images"),
    [
        ("FROM a", ["a"]),
        ("from  --platform=linux/amd64   a  as  b\nFROM B\nFROM c", ["a", "c"]),
        ("# FROM no\nFROM a\n  # FROM no\nRUN FROM no\nFROM scratch\nFROM a", ["a"]),
        ("FROM \\\n# comment\n  a \\\n as b\nRUN x \\\nFROM no\nFROM b", ["a"]),
        ("# escape=`\nFROM `\na\nRUN \\\nFROM b", ["a", "b"]),
        (
            "ARG X=a\nARG Y=\"b\" Z=$X/'q'\nFROM ${X}/$Y\nFROM ${NO:-c}\nFROM ${X:+d}${NO:+no}\nFROM $Z",
            ["a/b", "c", "d"],
        ),
        ("ARG X\nFROM $X", []),
        ("ARG X=no\nFROM a\nARG X=no\nFROM $GIVEN/x", ["a"]),
        ("ARG GIVEN=no\nFROM $GIVEN/x\nARG LATE=z\nFROM y$LATE", ["given/x", "y"]),
        ("FROM BAD:NAME:\nFROM\nFROM a@sha256:1\nFROM https://x/y", []),
        ("\ufeffFROM a\r\nFROM b\r\n", ["a", "b"]),
        ("", []),
        ("FROM a AS b\nCOPY --chown=1 --from=r.test/c /x /y\nCOPY --from=B x y\nCOPY --from=0 x y", ["a", "r.test/c"]),
        ("FROM a\nCOPY from --from= y\ncopy --from=r.test/c:1 x y\nCOPY --from=$C x y", ["a", "r.test/c:1"]),
    ],
)
def test_base_images(dockerfile: str, images: list[str]):
    assert base_images(dockerfile, {"GIVEN": "given", "OTHER": None}) == images
    for image in images:
        parse(image)


def test_lines(run: Any, folder: Path):
    with engine(tape("28.5-stages")) as peer:
        code, out, err = run("-H", peer.host, "build", "--progress", "plain", str(folder))
    assert (code, out) == (0, f"{IMAGE}\n")
    why = "Command 'from' should match the case of the command majority (uppercase) (line 1)"
    talk = "[first 2/2] RUN echo hello me; echo err >&2; sleep 0.3; printf part; sleep 0.2; echo ial"
    base = "[first 1/2] FROM docker.io/dockerwire/busybox:test"
    assert err.splitlines() == [
        "#1 [internal] load remote build context",
        "#1 DONE 0.0s",
        "",
        "#2 copy /context /",
        "#2 DONE 0.0s",
        "",
        "#3 [internal] load metadata for docker.io/dockerwire/busybox:test",
        "#3 DONE 0.0s",
        "",
        f"#4 {base}",
        "#4 CACHED",
        "",
        f"#5 {talk}",
        "#5 ...",
        "",
        "#6 [stage-1 2/3] COPY file /file",
        "#6 DONE 0.0s",
        "",
        f"#5 {talk}",
        "#5 0.069 err",
        "#5 0.069 hello me",
        "#5 0.573 partial",
        "#5 DONE 0.6s",
        "",
        "#7 [stage-1 3/3] COPY --from=first /bin/sh /sh",
        "#7 DONE 0.0s",
        "",
        "#8 exporting to image",
        "#8 exporting layers 0.0s done",
        f"#8 writing image {IMAGE} 0.0s done",
        "#8 naming to docker.io/library/x:1 0.0s done",
        "#8 DONE 0.0s",
        f"WARNING: ConsistentInstructionCasing: {why}",
    ]


@pytest.mark.parametrize("progress", ["plain", "tty", "quiet"])
def test_a_step_fails(run: Any, folder: Path, progress: str):
    how = ("-q",) if progress == "quiet" else ("--progress", progress)
    with engine(tape("28.5-parallel")) as peer:
        code, out, err = run("-H", peer.host, "build", *how, str(folder))
    assert (code, out) == (1, "")
    bad, slow = "[bad 2/2] RUN sleep 0.5; echo bad; exit 3", "[slow 2/2] RUN echo slow; sleep 30"
    why = 'process "/bin/sh -c sleep 0.5; echo bad; exit 3" did not complete successfully: exit code: 3'
    *lines, last = err.splitlines()
    assert last == f"dockerwire: {bad}: {why}"
    if progress == "quiet":
        assert lines == []
        return
    numbers = {name: number for number, name in re.findall(r"(?m)^(#\d+) (\[.*)$", err)}
    assert "COPY --from=slow" not in err
    if progress == "plain":
        assert [line for line in lines if line.startswith(f"{numbers[bad]} ")][-1] == f"{numbers[bad]} ERROR: {why}"
        assert [line for line in lines if line.startswith(f"{numbers[slow]} ")][-1] == f"{numbers[slow]} CANCELED"
    else:
        assert lines[:2] == ["[internal] load remote build context DONE 0.0s", "copy /context / DONE 0.0s"]
        assert lines[2:4] == [f"{bad} ERROR 0.6s", f"{slow} CANCELED 0.6s"]
        assert lines[-1] == "> bad"


def test_the_classic_builder(run: Any, folder: Path):
    with engine(tape("20.10-classic-cached")) as peer:
        code, out, err = run("-H", peer.host, "build", "--classic", str(folder))
    assert (code, out[:7]) == (0, "sha256:")
    assert err.splitlines()[:10] == [
        "#1 [1/7] from dockerwire/busybox:test as first",
        "#1  ---> 8b50913065f8",
        "#1 DONE",
        "",
        "#2 [2/7] ARG WHO=no",
        "#2  ---> Using cache",
        "#2  ---> f4df85a6669c",
        "#2 CACHED",
        "",
        "#3 [3/7] RUN echo hello $WHO; echo err >&2; sleep 0.3; printf part; sleep 0.2; echo ial",
    ]
    assert err.splitlines()[-1] == "#7 CACHED"
    with engine(tape("28.5-classic-fails")) as peer:
        code, out, err = run("-H", peer.host, "build", "--classic", str(folder))
    why = "The command '/bin/sh -c sleep 0.5; echo bad; exit 3' returned a non-zero code: 3"
    assert (code, out) == (1, "")
    assert err.splitlines()[-2:] == [
        f"#4 ERROR: {why}",
        f"dockerwire: [4/7] RUN sleep 0.5; echo bad; exit 3: {why}",
    ]
    with engine(tape("20.10-classic-pulls")) as peer:
        err = run("-H", peer.host, "build", "--classic", str(folder))[2]
    assert err.splitlines()[:3] == [
        "#1 [1/2] FROM 127.0.0.1:5000/base:1",
        "#1 1 Pulling from base",
        "#1 Digest: sha256:34c876167ae7acfb5ca3899e24286c7f9091898290976efac733c81eb78f8c0a",
    ]


def test_lines_of_parts(capsys: pytest.CaptureFixture[str]):
    progress = BuildProgress()
    lines = Lines(progress)
    lines.show(progress.feed({"stream": "before\n"}))
    lines.show(progress.feed({"stream": "Step 1/1 : RUN a\x1b[2J"}))
    step = progress.steps["1/1"]
    for data in (b"a\xc3", b"\xa4\r\n\xff\n", b"x" * 65536, b"x", b"y\n", b"end"):
        lines.show([VertexLog("1/1", None, 1, data)])
    lines.show([VertexLog("1/1", None, 2, b"err")])
    step.state = "done"
    lines.show([step])
    lines.finish()
    assert capsys.readouterr().err.splitlines() == [
        "before",
        "#1 [1/1] RUN a\\x1b[2J",
        "#1 aä",
        "#1 \\xff",
        f"#1 {'x' * 65537}",
        "#1 y",
        "#1 end",
        "#1 err",
        "#1 DONE",
    ]


def test_lines_that_do_not_end(capsys: pytest.CaptureFixture[str]):
    """The beginnings of 64 are held back, and of no more."""
    progress = BuildProgress()
    lines = Lines(progress)
    for number in range(1, 65):
        lines.show(progress.feed({"stream": f"Step {number}/64 : RUN {number}"})[-1:])
    assert len(capsys.readouterr().err.splitlines()) == 3 * 64 - 2  # each has begun
    for stream, number in ((1, 1), (7, 2), (2, 1)):
        lines.show([VertexLog(f"{number}/64", None, stream, b"one")])
    for number in range(3, 64):
        lines.show([VertexLog(f"{number}/64", None, 1, b"two")])
    assert capsys.readouterr().err == ""
    lines.show([VertexLog("64/64", None, 1, b"two")])
    assert capsys.readouterr().err.splitlines()[-1] == "#1 one"
    lines.show([VertexLog("2/64", None, 1, b" of both\n")])  # what is neither stdout nor stderr is as stdout
    assert capsys.readouterr().err.splitlines()[-1] == "#2 one of both"


def test_layers_are_told_when_they_are_done(run: Any, folder: Path):
    with engine(tape("28.5-pulls")) as peer:
        err = run("-H", peer.host, "build", str(folder))[2]
    assert "\n#4 [1/2] FROM 127.0.0.1:5000/base:1@sha256:f6a8e66e" in err
    assert len(re.findall(r"(?m)^#4 resolve 127.0.0.1:5000/base:1@sha256:[0-9a-f]{64} 0.0s done$", err)) == 1


def test_errors(run: Any, folder: Path, tmp_path: Path):
    nowhere = tmp_path / "nowhere\x1b[2J"
    code, _, err = run("build", str(nowhere))
    shown = str(nowhere).replace("\x1b", "\\x1b")
    assert (code, err) == (1, f"dockerwire: no folder to build from: {shown}\n")
    code, _, err = run("build", "-f", str(folder / "none"), str(folder))
    assert (code, err) == (1, f"dockerwire: no Dockerfile to build from: {folder / 'none'}\n")
    assert run("build", "--build-arg", "=x", str(folder))[0] == 2
    with engine(JSON_404) as peer:
        code, out, err = run("-H", peer.host, "build", str(folder))
    assert (code, out, err) == (1, "", "dockerwire: ImageBuild: no such thing (HTTP 404)\n")
    with engine(told({"error": "no step's fault\x1b[2J"})) as peer:
        code, _, err = run("-H", peer.host, "build", str(folder))
    assert (code, err) == (1, "dockerwire: no step's fault\\x1b[2J\n")
    with engine(told()) as peer:  # no image is told of; what was built is the engine's own affair then
        assert run("-H", peer.host, "build", str(folder)) == (0, "", "")


def test_the_engine_goes_away(run: Any, folder: Path):
    def cut(talk: Talk) -> None:
        talk.request()
        talk.send(tape("28.5-stages")[:-200])

    with Peer(cut) as peer:
        code, out, err = run("-H", peer.host, "--api-version", "1.41", "build", str(folder))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("dockerwire: the engine went away: ")


def chunk(*documents: Any) -> bytes:
    data = b"".join(json.dumps(one).encode() for one in documents)
    return b"%x\r\n%s\r\n" % (len(data), data)


def slow_build(talk: Talk) -> None:
    """A build that goes on until the client has gone."""
    talk.request()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    lines = (TAPES / "28.5-parallel.jsonl").read_text().splitlines()
    talk.send(*(chunk(json.loads(line)) for line in lines[:14]))
    assert talk.rest() == b""


@contextmanager
def on_a_terminal(*arguments: str, **environ: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "dockerwire", "--api-version", "1.41", *arguments)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "24", **environ}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            yield ours, process
        finally:
            os.close(ours)
            if process.poll() is None:
                process.kill()


def shown(fd: int, until: bytes | None = None) -> bytes:
    """What comes until it matches; or until the program is over."""
    data, deadline = b"", time.monotonic() + SECONDS
    while until is None or not re.search(until, data):
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{until!r} was not shown, but {data!r}"
        try:
            data += os.read(fd, 65536)
        except OSError:  # EIO: the other side is closed
            assert until is None, f"{until!r} was not shown, but {data!r}"
            break
    return data


def test_a_display_on_a_terminal(folder: Path):
    pytest.importorskip("rich")
    with Peer(slow_build) as peer, on_a_terminal("-H", peer.host, "build", str(folder)) as (fd, process):
        shown(fd, rb"(?s)\[slow 2/2\] RUN echo slow; sleep 30.*\d of 8 steps done")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    with engine(tape("28.5-parallel")) as peer, on_a_terminal("-H", peer.host, "build", str(folder)) as (fd, process):
        out = shown(fd)
        assert process.wait(SECONDS) == 1
    assert b"[bad 2/2] RUN sleep 0.5; echo bad; exit 3 \x1b[31mERROR\x1b[0m 0.6s\r\n" in out
    assert b"\r\n> bad\r\ndockerwire: [bad 2/2] RUN" in out
    with engine(tape("28.5-stages")) as peer, on_a_terminal("-H", peer.host, "build", str(folder)) as (fd, process):
        out = shown(fd)
    assert b"WARNING: ConsistentInstructionCasing" in out
    assert out.endswith(f"{IMAGE}\r\n".encode())


def test_a_display_needs_rich(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with engine() as peer:
        code, _, err = run("-H", peer.host, "build", "--progress", "tty", str(folder))
        assert (code, err) == (
            1,
            "dockerwire: --progress tty needs rich: pip install 'dockerwire[cli]', or say plain\n",
        )


@pytest.mark.parametrize("how", ["plain", "auto"])
def test_what_is_written_cannot_drive_a_terminal(folder: Path, how: str):
    evil = "\x1b]0;evil\x07 \x1b[2J"
    body = [{"stream": f"Step 1/1 : RUN {evil}"}, {"stream": f"out {evil}\r\n"}, {"error": f"bad {evil}"}]
    environment = {} if how == "plain" else {"TERM": "dumb"}
    arguments = ("build", "--progress", how, str(folder))
    with engine(told(*body)) as peer, on_a_terminal("-H", peer.host, *arguments, **environment) as (fd, _):
        out = shown(fd)
    assert b"\x1b" not in out
    seen = evil.replace("\x1b", "\\x1b").replace("\x07", "\\x07").encode()
    assert out.splitlines() == [
        b"#1 [1/1] RUN " + seen,
        b"#1 out " + seen,
        b"#1 ERROR: bad " + seen,
        b"dockerwire: [1/1] RUN " + seen + b": bad " + seen,
    ]


def test_ctrl_c_leaves_the_build(folder: Path):
    command = (sys.executable, "-m", "dockerwire", "--api-version", "1.41")
    with Peer(slow_build) as peer:
        arguments = ("-H", peer.host, "build", str(folder))
        with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert any(b"RUN echo slow" in line for line in iter(process.stderr.readline, b""))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
