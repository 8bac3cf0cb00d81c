"""mypy --strict and pyright take the files beside this one, and report what is wrong.

Both must be there where DOCKERWIRE_REQUIRE_TYPES is 1; elsewhere the tests of a checker that is not there are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dockerwire
from dockerwire import api
from dockerwire.drivers import namespaces

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SOURCE = Path(dockerwire.__file__).parent.parent

PREAMBLE = """
import re
from dockerwire import Client, TLSConfig, api, resolve, wait_for, waiting
from dockerwire.drivers import asyncio, trio

async def wrong(blocking: Client, on_asyncio: asyncio.Client, on_trio: trio.Client) -> None:
"""

WRONG = [
    # a keyword that there is not, an argument of another type, one that is missing
    "api.container_list(al=True)",
    "api.container_list(all='yes')",
    "api.container_list(True)",
    "api.container_inspect()",
    "api.exec_resize('id', h=1)",
    "api.container_logs('web', tail='some')",
    "api.container_logs('web', since_ns=1.5)",
    "api.container_wait('web', condition='soon')",
    "api.system_events(accept='text/plain')",
    "api.container_list(filters={'label': 1.5})",
    "api.container_create({'Image': 1})",
    "api.container_create({'Imgae': 'busybox'})",
    "api.container_create({'HostConfig': {'Mounts': [{'VolumeOptions': {'Subpath': 1}}]}})",
    "api.exec_start('id', {'Detach': True})",
    "api.image_create(auth='secret')",
    "api.image_build(version='3')",
    "api.image_push('a', platform='linux')",
    "api.container_archive('web')",
    "api.container_update('web', {'Memory': 'much'})",
    "api.put_container_archive('web', 'tar', path='/')",
    "api.service_create({'TaskTemplate': {'ContainerSpec': {'Imgae': 'x'}}})",
    "api.service_update('s', {})",
    "api.network_create({'IPAM': {'Config': [{'Subnet': 1}]}})",
    "api.plugin_pull([{'Name': 1}], remote='p')",
    "api.system_auth('u')",
    "api.system_data_usage(type='image')",
    "blocking.containers.list(al=True)",
    "blocking.containers.list(True)",
    "blocking.containers.inspect()",
    "blocking.containers.create({'Image': 1})",
    "await on_asyncio.containers.list(al=True)",
    "await on_trio.containers.inspect()",
    # a verb for another kind of request
    "blocking.send(api.container_logs('web'))",
    "blocking.stream(api.container_start('web'))",
    "blocking.stream(api.container_attach('web'))",
    "blocking.attach(api.container_logs('web'))",
    "await on_asyncio.send(api.container_attach('web'))",
    "on_trio.attach(api.container_list())",
    # a forgotten await, one too many, the wrong with
    "on_asyncio.containers.list()",
    "on_trio.containers.start('web')",
    "on_trio.send(api.container_list())",
    "await blocking.containers.list()",
    "await on_asyncio.containers.logs('web')",
    "with on_asyncio.containers.logs('web'): pass",
    "with on_trio.containers.attach('web'): pass",
    "async with blocking.containers.logs('web'): pass",
    "for _ in on_trio.containers.logs('web'): pass",
    # answers
    "blocking.containers.list()['Id']",
    "blocking.containers.list()[0]['ID']",
    "blocking.containers.start('web')['Id']",
    "(await on_asyncio.containers.list())[0]['ID']",
    "blocking.containers.nothing()",
    "blocking.volumes.list()['Volume']",
    "blocking.swarm.init({})['ID']",
    "(await on_trio.services.list())[0]['Id']",
    "on_asyncio.networks.list()",
    "await blocking.secrets.list()",
    "blocking.stream(api.volume_list())",
    "on_trio.send(api.image_build())",
    "blocking.send(api.session())",
    # connections
    "Client(context=b'prod')",
    "Client(2375)",
    "Client('tcp://host', tls=True)",
    "asyncio.Client(tls='ca.pem')",
    "trio.Client(('host', 2375))",
    "resolve(tls=None)",
    "resolve('unix:///x', 'prod')",
    "resolve().path + 1",
    "TLSConfig(verify='no')",
    # waiting
    "wait_for(blocking, 'web', b'ready')",
    "wait_for(blocking, 'web', waiting.logs('ready'))",
    "wait_for(blocking, 'web', waiting.logs(re.compile('ready')))",
    "wait_for(blocking, 'web', waiting.healthy, timeout='5s')",
    "await wait_for(blocking, 'web', waiting.healthy)",
    "wait_for(on_asyncio, 'web', waiting.healthy)",
    "wait_for(on_trio, 'web', waiting.exited) + 1",
    "(await wait_for(on_trio, 'web', waiting.exited)).match",
]


def check(checker: str, *arguments: str | Path) -> str:
    """What `checker` prints. Skips the test where it is not installed, unless it must be."""
    if importlib.util.find_spec(checker) is None:
        if os.environ.get("DOCKERWIRE_REQUIRE_TYPES") == "1":
            pytest.fail(f"{checker} is not installed (and DOCKERWIRE_REQUIRE_TYPES is 1)")
        pytest.skip(f"{checker} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", checker, *arguments],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(SOURCE), "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(cache: Path, *files: Path) -> list[str]:
    """The errors of ``mypy --strict``."""
    options = ["--strict", "--config-file=", "--python-version=3.10", f"--cache-dir={cache}", "--no-error-summary"]
    return [line for line in check("mypy", *options, *files).splitlines() if ": error: " in line]


def pyright(project: Path, *files: Path) -> list[str]:
    """The errors of pyright, in its strict mode, as ``file:line: message``. It looks at copies in `project`."""
    for file in files:
        (project / file.name).write_text(file.read_text("utf-8"), "utf-8")
    settings = {"extraPaths": [str(SOURCE)], "typeCheckingMode": "strict", "pythonVersion": "3.10"}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    output = json.loads(check("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", project))
    assert output["summary"]["filesAnalyzed"] == len(files)
    return [
        f"{one['file']}:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in output["generalDiagnostics"]
        if one["severity"] == "error"
    ]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


RIGHT = sorted(set(HERE.glob("*.py")) - {HERE / "__init__.py", Path(__file__)})


def test_mypy_takes_what_is_right(cache: Path) -> None:
    assert mypy(cache, *RIGHT) == []


def test_pyright_takes_what_is_right(tmp_path: Path) -> None:
    assert pyright(tmp_path, *RIGHT) == []


def lines_with_errors(errors: list[str]) -> set[int]:
    return {int(match[1]) for error in errors if (match := re.search(r"wrong\.py:(\d+):", error))}


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.py"
    file.write_text(PREAMBLE + "".join(f"    {line}\n" for line in WRONG))
    return file


FIRST = PREAMBLE.count("\n") + 1


def test_mypy_reports_what_is_wrong(cache: Path, wrong: Path) -> None:
    found = lines_with_errors(mypy(cache, wrong))
    assert [line for number, line in enumerate(WRONG, FIRST) if number not in found] == []
    assert min(found) >= FIRST


def test_pyright_reports_what_is_wrong(tmp_path: Path, wrong: Path) -> None:
    found = lines_with_errors(pyright(tmp_path, wrong))
    assert [line for number, line in enumerate(WRONG, FIRST) if number not in found] == []
    assert min(found) >= FIRST


def methods() -> set[str]:
    """``containers.list`` and so on."""
    attributes = dir(namespaces.BlockingNamespaces)
    members: list[object] = list(vars(namespaces).values())
    kinds = [one for one in members if isinstance(one, type) and one.__name__.lower() in attributes]
    return {f"{kind.__name__.lower()}.{name}" for kind in kinds for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(
    "file", [HERE / "builders.py", *sorted(HERE.glob("*_client.py"))], ids=lambda file: str(file.stem)
)
def test_every_builder_and_every_method_is_asked_about(file: Path) -> None:
    text = file.read_text("utf-8")
    if file.stem == "builders":
        builders = {name for name in api.__all__ if name not in ("Filters", "Ping", "RegistryAuth")}
        assert set(re.findall(r"assert_type\(\s*api\.(\w+)\(", text)) == builders
    else:
        body = text.partition(" methods(")[2].partition(" verbs(")[0]
        assert set(re.findall(r"client\.(\w+\.\w+)\(", body)) == methods()
