"""Make docs/coverage.md of the record that the engine tests write, and of the recordings of Docker 29.7.

    rm -f record.json
    DOCKERWIRE_RECORD=record.json .venv/bin/python -m pytest -q tests/engine
    .venv/bin/python -m tools.coverage_page record.json

Runs of other engines can be added to the same record before the page is made.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

from tests.api import facts
from tests.support import captures
from tests.support.recording import NOT_SHOWN, Record, answer_of, types_in

from dockerwire.drivers import namespaces
from dockerwire.drivers.namespaces import _Method, _Namespace

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
GREEN = "✓"

REMARKS: dict[str, str] = {
    **NOT_SHOWN,
    "volume_update": "API 1.42",
}
"""By builder, why it did not go well on some Docker."""

HEAD = """\
# Coverage

Made by `tools/coverage_page.py` of a run of all engine tests, which fail where this page says more than is true and
where an operation has no {green}.

- **{green}**: a test ran it on that engine, the answer was read without an error, and the test passed.
- **a number, a word**: the engine refused it with that status, or it failed so, as the test expected.
- **empty**: not tried there.
- **29.7** is no engine that was run: what it once answered is read by the builders (`tests/support/captures.py`).
- **Podman** has no swarm, plugins, sessions and attach over WebSocket; [Podman](podman.md) lists what it does not do,
  and what it does in another way.

| engine | asked as API |
|---|---|
"""


def tags() -> dict[str, dict[str, str]]:
    """By namespace of a client: its methods, and the builder of each."""
    found: dict[str, dict[str, str]] = {}
    for name, cls in vars(namespaces).items():
        if isinstance(cls, type) and issubclass(cls, _Namespace) and cls is not _Namespace:
            methods = {
                method: one.__wrapped__.__name__ for method, one in vars(cls).items() if isinstance(one, _Method)
            }
            found[name] = methods
    return found


def by_version(name: str) -> tuple[bool, list[int]]:
    """A key to sort engines and API versions by: Docker first."""
    return name.startswith("podman"), [int(number) for number in re.findall(r"\d+", name)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def cell(record: Record, builder: str, engine: str) -> str:
    if record.is_green(builder, engine):
        return GREEN
    return ", ".join(sorted(record.runs.get(builder, {}).get(engine, ())))


def operations(record: Record, engines: list[str]) -> Iterator[str]:
    """The tables of the operations, one for each tag."""
    for tag, methods in tags().items():
        yield f"### {tag}"
        yield ""
        lines = []
        for method, builder in methods.items():
            name = f"{facts.operation_of(builder)}<br>`{tag.lower()}.{method}`"
            lines.append([name, *(cell(record, builder, engine) for engine in engines), REMARKS.get(builder, "")])
        yield from table(["", *engines, "remark"], lines)


def answer_types() -> dict[str, Any]:
    """Every TypedDict in the answers of the builders."""
    found: dict[str, Any] = {}
    for builder in facts.BUILDERS:
        types_in(answer_of(builder), found)
    return dict(sorted(found.items()))


def since(shape: Any) -> dict[str, str]:
    """The API versions that brought the fields of a type, as its source says."""
    return dict(re.findall(r"^ +\W?(\w+)\W.*since\W+(1\.\d+)", inspect.getsource(shape), re.MULTILINE))


def never_seen(record: Record) -> tuple[list[str], dict[str, list[str]]]:
    """The types no engine sent, and the fields of the others that none sent."""
    types, fields = [], {}
    for name, shape in answer_types().items():
        known, versions = record.known.get(name, {}), since(shape)
        if not known:
            types.append(name)
        elif unseen := [field for field in get_type_hints(shape) if field not in known]:
            fields[name] = [f"`{one}`" + (f" ({versions[one]})" if one in versions else "") for one in unseen]
    return types, fields


def answers(record: Record) -> Iterator[str]:
    """What is to be said of the answers' fields."""

    def seen(fields: dict[str, dict[str, set[str]]]) -> Iterator[list[str]]:
        for name, by_field in sorted(fields.items()):
            for field, engines in sorted(by_field.items()):
                yield [f"`{name}`", f"`{field}`", ", ".join(sorted(engines, key=by_version))]

    for title, fields in (
        ("Fields that engines sent and the types do not have", record.unknown),
        ("Fields that the types promise and engines left out", record.missing),
    ):
        yield f"### {title}"
        yield ""
        rows = list(seen(fields))
        yield from table(["type", "field", "engines"], rows) if rows else ["None.", ""]
    types, unseen = never_seen(record)
    yield "### Fields that no engine sent"
    yield ""
    yield "In brackets the API version that brought them. Of these fields the types repeat what the document says."
    yield ""
    yield from table(["type", "fields"], ([f"`{name}`", ", ".join(fields)] for name, fields in unseen.items()))
    yield "### Types that no engine sent"
    yield ""
    yield ", ".join(f"`{name}`" for name in types) + "." if types else "None."


def page(record: Record) -> str:
    """The page."""
    engines = sorted(record.engines, key=by_version)
    lines = [HEAD.format(green=GREEN).rstrip("\n")]
    for engine in engines:
        versions = sorted(record.engines[engine], key=by_version)
        asked = versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"
        lines.append(f"| {engine} | {asked} |")
    lines += ["", "## Operations", "", *operations(record, engines), "## Answers", "", *answers(record)]
    return "\n".join(lines) + "\n"


def rows() -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of the page as it is: a builder, and what stands in the column of each engine."""
    builders = {f"{tag.lower()}.{method}": name for tag, methods in tags().items() for method, name in methods.items()}
    columns: list[str] = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if line.startswith("|  | "):
            columns = cells[1:-1]
        elif found := re.match(r"\| \w+<br>`([\w.]+)` \|", line):
            yield builders[found[1]], dict(zip(columns, cells[1:], strict=False))


def greens() -> list[tuple[str, str]]:
    """What the page as it is says to go well: builders and engines."""
    return [(builder, engine) for builder, cells in rows() for engine, one in cells.items() if one == GREEN]


def main() -> int:
    record = captures.record()
    for path in map(Path, sys.argv[1:]):
        if not path.exists():
            print(f"there is no {path}", file=sys.stderr)
            return 1
        record.add(path)
    PAGE.write_text(page(record), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
