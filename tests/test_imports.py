"""What is imported when: a name costs its own modules, not all of them; and what is lazy looks as if it were not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

LAZY = ["dockerwire", "dockerwire.api", "dockerwire.api.types", "dockerwire.wire"]
SLOW = {"asyncio", "dataclasses", "h11", "http", "inspect", "json", "msgspec", "pathlib", "socket", "ssl", "subprocess"}
SLOW |= {"tempfile", "urllib.parse"}
"""Modules that take a millisecond or ten."""


def modules_after(code: str) -> set[str]:
    """What a new interpreter that has run `code` has imported, beyond what it starts with."""
    program = (
        f"import sys\nbefore = set(sys.modules)\n{code}\nafter = set(sys.modules) - before\n"
        "import json\nprint(json.dumps(sorted(after)))"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout
    return set(json.loads(out))


@pytest.fixture(params=LAZY)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def typed(package: ModuleType) -> dict[str, str]:
    """The names that type checkers see imported, and the modules they are imported from."""
    assert package.__file__ is not None
    for node in ast.parse(Path(package.__file__).read_text("utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            imports = [one for one in node.body if isinstance(one, ast.ImportFrom)]
            assert imports == node.body
            return {name.name: "." * one.level + (one.module or "") for one in imports for name in one.names}
    raise AssertionError("nothing is imported for type checkers")


def test_every_name_is_what_type_checkers_are_told(package: ModuleType) -> None:
    names = typed(package)
    assert set(names) == set(package.__all__) - {"__version__"}
    for name, module in names.items():
        assert getattr(package, name) is getattr(import_module(module, package.__name__), name)


def test_dir_has_the_names_before_they_are_imported(package: ModuleType) -> None:
    code = f"import {package.__name__} as package; assert set(package.__all__) <= set(dir(package)), dir(package)"
    modules_after(code)


def test_star_import_has_all(package: ModuleType) -> None:
    modules_after(
        f"from {package.__name__} import *\nimport {package.__name__} as package\n"
        "assert all(globals()[name] is getattr(package, name) for name in package.__all__)"
    )


def test_names_that_are_not_there(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"^module '{package.__name__}' has no attribute 'nothing'$"):
        _ = package.nothing
    with pytest.raises(ImportError, match=r"^cannot import name 'nothing' from"):
        exec(f"from {package.__name__} import nothing", {})
    assert not hasattr(package, "nothing")


def test_a_name_is_looked_up_once(package: ModuleType) -> None:
    name = package.__all__[0]
    assert getattr(package, name) is vars(package)[name]


def test_the_packages_inside_are_attributes() -> None:
    modules_after(
        "import dockerwire\n"
        "assert dockerwire.api.container_list().path == '/containers/json'\n"
        "assert dockerwire.errors.NotFound is dockerwire.NotFound\n"
        "assert dockerwire.wire.Exchange and dockerwire.kernel.Frame and dockerwire.drivers"
    )


def test_importing_dockerwire_imports_next_to_nothing() -> None:
    modules = modules_after("import dockerwire")
    assert modules & SLOW == set()
    assert {name for name in modules if name.startswith("dockerwire.")} == {"dockerwire.__about__", "dockerwire._lazy"}


@pytest.mark.parametrize("world", ["", ".drivers.asyncio", ".drivers.trio"])
def test_a_client_is_made_without_what_its_requests_need(world: str) -> None:
    modules = modules_after(f"import dockerwire{world} as world; world.Client('unix:///x')")
    assert not modules & {"h11", "http", "msgspec"}
    assert world or modules & SLOW <= {"dataclasses", "inspect", "socket"}
    assert not {name for name in modules if name.startswith(("dockerwire.api", "dockerwire.kernel"))}
    assert not {"dockerwire.wire.exchange", "dockerwire.wire.tls", "dockerwire.drivers.namespaces"} & modules


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("from dockerwire import NotFound", set()),
        ("from dockerwire import Frame, LogRecord", {"json"}),
        ("from dockerwire import Request", {"dataclasses", "inspect"}),
        ("from dockerwire.wire import Exchange", {"dataclasses", "inspect", "json"}),
        ("from dockerwire import api; api.container_list()", {"dataclasses", "inspect", "json", "urllib.parse"}),
        ("from dockerwire.api.types import ContainerSummary", set()),
    ],
)
def test_what_a_name_needs(code: str, allowed: set[str]) -> None:
    assert modules_after(code) & SLOW <= allowed


def test_a_builder_imports_no_types() -> None:
    modules = modules_after("from dockerwire import api; api.container_list(); api.container_stats('c')")
    assert {name for name in modules if name.startswith("dockerwire.api.")} == {
        "dockerwire.api._build",
        "dockerwire.api.containers",
        "dockerwire.api.types",
        "dockerwire.api.types._fields",
    }
    # A body's fields say which version they need.
    modules = modules_after("from dockerwire import api; api.container_create({'Image': 'busybox'})")
    assert {"dockerwire.api.types.containers"} <= modules
    assert not {"dockerwire.api.types.swarm", "dockerwire.api.types.plugins"} & modules


def test_a_plain_answer_is_had_without_h11() -> None:
    code = (
        "from dockerwire import api; from dockerwire.wire import Exchange\n"
        "made = Exchange(api.container_list(), '1.41')\n"
        "while made.data_to_send() is not None: pass\n"
        "made.receive_data(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n[]')\n"
        "assert made.result() == []"
    )
    assert "h11" not in modules_after(code)
    assert "h11" in modules_after(code.replace("Content-Length", "Connection: close\\r\\nContent-Length"))


def test_a_refused_connection_is_told_of_without_ssl() -> None:
    modules = modules_after(
        "import dockerwire\n"
        "try: dockerwire.Client('unix:///nosuch').system.ping()\n"
        "except dockerwire.ConnectError: pass"
    )
    assert modules & {"asyncio", "h11", "ssl", "subprocess"} == set()
