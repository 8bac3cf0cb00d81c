"""The docker command line talks to the embedded engine as to any other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dockerwire.testing import Engine

SECONDS = 30
DOCKER = shutil.which("docker")
REQUIRED = bool(os.environ.get("CI") or os.environ.get("DOCKERWIRE_REQUIRE_DOCKER_CLI"))
if DOCKER is None and not REQUIRED:
    pytest.skip("there is no docker command here", allow_module_level=True)

pytestmark = pytest.mark.parametrize("api", ["1.41", "1.51", "1.55"])


class Docker:
    """The docker command, with nothing of this machine's configuration."""

    def __init__(self, engine: Engine, config: Path) -> None:
        assert DOCKER, "the docker command is required (CI or DOCKERWIRE_REQUIRE_DOCKER_CLI is set) and not on PATH"
        self._command = [DOCKER, "--host", engine.host]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        self._environment = {**kept, "DOCKER_CONFIG": str(config)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Its exit code, stdout and stderr."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(stdin, timeout=SECONDS)
            finally:
                process.kill()
            return process.returncode, out, err


def test_version(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        code, out, err = Docker(engine, tmp_path).run("version", "--format", "{{json .Server}}")
        assert (code, err) == (0, "")
        assert json.loads(out)["ApiVersion"] == api


def test_ps(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        docker = Docker(engine, tmp_path)
        web_id = engine.container("web", output="x\n", command=["run", "a b"], labels={"tier": "front"})
        engine.container("job", output="", exit_code=3)
        code, out, err = docker.run(
            "ps", "--all", "--no-trunc", "--format", "{{.Names}}|{{.Command}}|{{.State}}|{{.Status}}"
        )
        assert (code, err) == (0, "")
        job, web = out.splitlines()
        assert job.startswith('job|"job"|exited|Exited (3) ')
        assert web.startswith("web|\"run 'a b'\"|running|Up ")
        assert docker.run("ps", "--quiet", "--filter", "label=tier=front")[1].strip() == web_id[:12]


def test_logs(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        docker = Docker(engine, tmp_path)
        engine.container("web", output=[(1, "out\n"), (2, "err\n")])
        with docker.start("logs", "--follow", "web") as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == "out\n"
                engine.log("web", "later\n")
                assert process.stdout.readline() == "later\n"
                engine.log("web", "trouble\n", 2)
                engine.exit("web")
                assert process.communicate(timeout=SECONDS) == ("", "err\ntrouble\n")
            finally:
                process.kill()
        assert process.returncode == 0
        code, out, err = docker.run("logs", "--tail", "2", "--timestamps", "web")
        assert (code, out[30:], err[30:]) == (0, " later\n", " trouble\n")


def test_logs_of_a_terminal(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        engine.container("web", output="a\nb\n", tty=True, exit_code=0)
        # Python's text mode makes one newline of CR LF.
        assert Docker(engine, tmp_path).run("logs", "web") == (0, "a\nb\n", "")


def test_events(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        docker = Docker(engine, tmp_path)
        with docker.start("events", "--since", "1", "--filter", "type=container", "--format", "{{json .}}") as process:
            try:
                assert process.stdout
                engine.container("web", output="")
                engine.exit("web", 3)
                events = [json.loads(process.stdout.readline()) for _ in range(3)]
            finally:
                process.kill()
        assert [event["Action"] for event in events] == ["create", "start", "die"]
        assert events[2]["Actor"]["Attributes"]["exitCode"] == "3"


def test_exec(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        docker = Docker(engine, tmp_path)
        engine.container("box", output="")
        assert docker.run("exec", "box", "echo", "a", "b") == (0, "a b\n", "")
        assert docker.run("exec", "-i", "box", "wc", "-c", stdin="x" * 100_000) == (0, "100000\n", "")
        assert docker.run("exec", "box", "sh", "-c", "echo e >&2; exit 3") == (3, "", "e\n")
        code, out, _ = docker.run("exec", "box", "nosuch")
        assert code == (126 if api == "1.41" else 127)
        assert "executable file not found" in out
        assert docker.run("exec", "--detach", "box", "true")[0] == 0


def test_run_stats_top_pull_and_rm(api: str, tmp_path: Path) -> None:
    with Engine(api) as engine:
        docker = Docker(engine, tmp_path)
        assert docker.run("run", "--rm", "-i", "busybox", "cat", stdin="through\n") == (0, "through\n", "")
        assert docker.run("run", "--rm", "busybox", "sh", "-c", "exit 5")[0] == 5
        code, out, _ = docker.run("pull", "alpine")
        assert (code, out.splitlines()[-1]) == (0, "docker.io/library/alpine:latest")
        assert docker.run("pull", "nosuch")[0] == 1
        engine.container("web", output="x\n")
        code, out, _ = docker.run("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.PIDs}}")
        name, share, pids = out.split()
        assert (code, name, pids) == (0, "web", "1")
        assert 0 < float(share.rstrip("%")) < 200
        assert "web" in docker.run("top", "web")[1]
        assert docker.run("rm", "--force", "web")[0] == 0
