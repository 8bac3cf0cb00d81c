"""Whether the tests bite: change one thing in a module, run the tests that go through it, and see whether one fails.

    python tools/mutants.py [--every N] [--jobs N] [--seconds N] MODULE... -- PYTEST_ARGUMENT...

Every test is run once to learn which lines it goes through. Then each mutant lives in a process of its own, forked when
the tests were collected: one place of the module's syntax tree is changed there, the code of the function it stands in
is replaced, and the tests of that line are run until one fails (or hangs). Those that survive are listed, with the
share of those that did not.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import inspect
import os
import pickle
import random
import select
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, cast

import coverage
import pytest

HANGS = 10.0  # seconds more than a test took before
_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


class Mutant(NamedTuple):
    """One change. `apply` makes it in the module's tree."""

    module: str
    line: int
    owner: tuple[str, ...]
    """The names that lead to the outermost function, or to the constant."""
    what: str
    apply: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {'.'.join(self.owner)}: {self.what}"


# --- the changes -----------------------------------------------------------------------------------------------------


def mutants(name: str, tree: ast.Module) -> Iterator[Mutant]:
    """Every mutant of a module."""
    for owner, top in _owners(tree.body, ()):
        for node, parent, field, index in _nodes(top):

            def put(new: ast.AST, parent: ast.AST = parent, field: str = field, index: int | None = index) -> None:
                if index is None:
                    setattr(parent, field, new)
                else:
                    getattr(parent, field)[index] = new

            for what, apply in _changes(node, parent, field, put):
                yield Mutant(name, getattr(node, "lineno", getattr(parent, "lineno", 0)), owner, what, apply)


def _owners(body: list[ast.stmt], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.stmt]]:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _owners(statement.body, (*path, statement.name))
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if statement.name != "__repr__":
                yield (*path, statement.name), statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            if statement.targets[0].id not in ("__all__", "__slots__"):
                yield (*path, statement.targets[0].id), statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and not path:
            yield (statement.target.id,), statement


def _nodes(top: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, str, int | None]]:
    for field, value in ast.iter_fields(top):
        if field in ("annotation", "returns", "decorator_list") or isinstance(top, (ast.Assert, ast.JoinedStr)):
            continue
        if isinstance(top, (ast.FunctionDef, ast.Module)) and field == "body" and ast.get_docstring(top) is not None:
            first = 1
        else:
            first = 0
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or (index is not None and index < first):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring of an attribute
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            yield child, top, field, index
            if isinstance(child, ast.Raise):
                continue  # the words of an error
            called = getattr(child.func, "id", "") if isinstance(child, ast.Call) else ""
            if called in ("cast", "TypeVar"):  # the type, or the name
                yield from ((a, child, "args", i) for i, a in enumerate(cast("ast.Call", child).args) if i)
                continue
            yield from _nodes(child)


def _changes(
    node: ast.AST, parent: ast.AST, field: str, put: Callable[[ast.AST], None]
) -> Iterator[tuple[str, Callable[[], None]]]:
    def setter(name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(node, name, value)

    if isinstance(node, (ast.operator, ast.cmpop, ast.boolop)) and type(node) in _SWAPS:
        other = _SWAPS[type(node)]
        yield f"{type(node).__name__} is {other.__name__}", lambda: put(other())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield f"no {type(node.op).__name__} in {ast.unparse(node)}", lambda: put(node.operand)
    elif isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield f"{value} is {not value}", setter("value", not value)
        elif isinstance(value, int):
            yield f"{value} is {value + 1}", setter("value", value + 1)
        elif isinstance(value, bytes):
            yield f"{value!r} is longer", setter("value", value + b"!")
        elif isinstance(value, str):
            yield f"{value!r} is longer", setter("value", value + "x")
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        test = node.test
        yield f"not: {ast.unparse(test)}", setter("test", ast.UnaryOp(ast.Not(), test))
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield f"None of {ast.unparse(node)}", setter("value", ast.Constant(None))
    elif isinstance(node, (ast.Break, ast.Continue)):
        swapped = ast.Continue() if isinstance(node, ast.Break) else ast.Break()
        yield f"{type(swapped).__name__.lower()} for {type(node).__name__.lower()}", lambda: put(swapped)
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper"):
            if getattr(node, name) is not None:
                yield f"no {name} of [{ast.unparse(node)}]", setter(name, None)
    if isinstance(node, (ast.Expr, ast.AugAssign, ast.Raise)) or (
        isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name) and isinstance(parent, ast.stmt)
    ):
        yield f"without {ast.unparse(node).splitlines()[0]}", lambda: put(ast.Pass())


def live(mutant: Mutant, tree: ast.Module) -> None:
    """Make `mutant` what runs in this process."""
    mutant.apply()
    module = sys.modules[mutant.module]
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update(__package__=module.__package__, __file__=module.__file__)
    sys.modules[mutant.module] = fresh  # where dataclasses look
    try:
        exec(compile(ast.fix_missing_locations(tree), str(module.__file__), "exec"), fresh.__dict__)  # noqa: S102
    finally:
        sys.modules[mutant.module] = module
    old: Any = module
    new: Any = fresh
    *path, name = mutant.owner
    for part in path:
        old, new = vars(old)[part], vars(new)[part]
    was, becomes = vars(old)[name], vars(new)[name]
    functions = _function(was), _function(becomes)
    if functions[0] is not None and functions[1] is not None:
        functions[0].__code__ = functions[1].__code__
        functions[0].__defaults__ = functions[1].__defaults__
        functions[0].__kwdefaults__ = functions[1].__kwdefaults__
        if hasattr(was, "cache_clear"):
            was.cache_clear()
    elif inspect.isclass(old):
        setattr(old, name, becomes)
    else:  # wherever it was imported to
        for other in list(sys.modules.values()):
            if other is not None and other.__name__.startswith("dockerwire") and vars(other).get(name) is was:
                setattr(other, name, becomes)


def _function(thing: Any) -> FunctionType | None:
    if isinstance(thing, property):
        thing = thing.fget
    thing = getattr(thing, "__func__", thing)  # of a static or class method
    thing = inspect.unwrap(thing) if callable(thing) else thing
    return thing if isinstance(thing, FunctionType) else None


# --- the tests -------------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """What a test took, in seconds, and the lines it goes through by module."""

    seconds: float
    lines: dict[str, set[int]]


class Running(NamedTuple):
    mutant: Mutant
    pid: int
    out: int
    deadline: float


class Bench:
    """A pytest plugin: instead of running the tests once, runs them against the mutants."""

    def __init__(self, modules: list[str], every: int, jobs: int, seconds: float) -> None:
        self.modules = modules
        self.trees: dict[str, ast.Module] = {}  # once pytest runs: it is to import the package first, which is a plugin
        self.every, self.jobs, self.seconds = every, jobs, seconds
        self.failed = False
        self.tracing: coverage.Coverage | None = None
        self.killed = self.total = 0
        self.survivors: list[Mutant] = []
        self.killers: dict[tuple[str, ...], list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        if self.tracing is None:
            return (yield)
        self.tracing.start()
        self.tracing.switch_context(pyfuncitem.nodeid)
        try:
            return (yield)
        finally:
            self.tracing.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for name in self.modules:
            file = importlib.import_module(name).__file__
            self.trees[name] = ast.parse(Path(str(file)).read_text("utf-8"))
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()
        print(f"{len(items)} tests, once each", flush=True)
        known = self._known(items)
        print(f"{sum(test.seconds for test in known.values()):.0f} s", flush=True)
        waiting = [mutant for name, tree in self.trees.items() for mutant in mutants(name, tree)][:: self.every]
        random.Random(6).shuffle(waiting)  # noqa: S311  so that what is told on the way is about all of them
        print(f"{len(waiting)} mutants", flush=True)
        running: list[Running] = []
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._work(waiting, running, known, items)
        finally:
            for one in running:
                self._kill(one)
        return True

    def _work(
        self, waiting: list[Mutant], running: list[Running], known: dict[str, Known], items: dict[str, pytest.Item]
    ) -> None:
        begun = time.monotonic()
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop(0)
                running.append(self._begin(mutant, self._tests(mutant, known, items)))
            ready, _, _ = select.select([one.out for one in running], [], [], 0.2)
            for one in list(running):
                if one.out in ready or time.monotonic() > one.deadline:
                    running.remove(one)
                    self._end(one, one.out in ready)
                    if self.total % 100 == 0:
                        spent = time.monotonic() - begun
                        print(f"{self.total}: {self.killed} killed, {spent:.0f} s", flush=True)

    def _known(self, items: dict[str, pytest.Item]) -> dict[str, Known]:
        """What each test goes through, those that fail left out."""
        with tempfile.TemporaryFile() as file:
            pid = os.fork()
            if not pid:
                self._quiet()
                found: dict[str, Known] = {}
                self.tracing = coverage.Coverage(data_file=None, config_file=False, include=self._files())
                self.tracing.set_option("run:concurrency", ["thread"])
                took = {}
                for nodeid, passed, seconds in self._run([(item, None) for item in items.values()]):
                    if passed:
                        took[nodeid] = seconds
                data = self.tracing.get_data()
                for nodeid, seconds in took.items():
                    data.set_query_context(nodeid)
                    lines = {
                        name: set(data.lines(file) or ()) for name, file in zip(self.trees, self._files(), strict=True)
                    }
                    if any(lines.values()):
                        found[nodeid] = Known(seconds, lines)
                pickle.dump(found, file)
                file.flush()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0, "the tests do not run"
            file.seek(0)
            return cast("dict[str, Known]", pickle.load(file))  # noqa: S301  of our own

    def _files(self) -> list[str]:
        return [str(sys.modules[name].__file__) for name in self.trees]

    def _quiet(self) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests send it to themselves
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)

    def _run(self, tests: list[tuple[pytest.Item, float | None]]) -> Iterator[tuple[str, bool, float]]:
        """Each with the seconds that it took before, where that is known: if it hangs, this process ends."""
        following = [item for item, _ in tests[1:]]
        for (item, took), after in zip(tests, [*following, None], strict=True):
            self.failed = False
            if took is not None:
                signal.setitimer(signal.ITIMER_REAL, HANGS + 3 * took)
            begun = time.perf_counter()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            yield item.nodeid, not self.failed, time.perf_counter() - begun

    def _tests(self, mutant: Mutant, known: dict[str, Known], items: dict[str, pytest.Item]) -> list[Any]:
        """The tests that go through the mutant's line: those first that caught the last ones of the same function, then
        by turns the quickest of each test function, as many as there is time for."""
        lines = self._lines(mutant)
        groups = defaultdict(list)
        for nodeid, test in known.items():
            if not lines.isdisjoint(test.lines[mutant.module]):
                groups[nodeid.partition("[")[0]].append((test.seconds, nodeid))
        for group in groups.values():
            group.sort()
        order = [nodeid for nodeid in reversed(self.killers[mutant.owner]) if nodeid in known]
        turns = sorted((turn, *entry) for group in groups.values() for turn, entry in enumerate(group))
        order += [nodeid for _, _, nodeid in turns]
        chosen, left = [], self.seconds
        for nodeid in dict.fromkeys(order):
            left -= known[nodeid].seconds
            if left < 0 and chosen:
                break
            chosen.append((items[nodeid], known[nodeid].seconds))
        return chosen

    def _lines(self, mutant: Mutant) -> set[int]:
        """The lines that tests have to go through to see the mutant: its own, or those that use the constant."""
        tree = self.trees[mutant.module]
        for path, top in _owners(tree.body, ()):
            if path == mutant.owner and isinstance(top, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return {mutant.line} if mutant.line >= top.body[0].lineno else {top.body[0].lineno, top.body[-1].lineno}
        name = mutant.owner[-1]
        users = (node for node in ast.walk(tree) if name in (getattr(node, "id", ""), getattr(node, "attr", "")))
        return {getattr(node, "lineno", 0) for node in users}

    def _begin(self, mutant: Mutant, tests: list[Any]) -> Running:
        out, write = os.pipe()
        pid = os.fork()
        if not pid:
            self._quiet()
            os.setpgid(0, 0)
            killer = "it does not load"
            try:
                live(mutant, self.trees[mutant.module])
                killer = next((nodeid for nodeid, passed, _ in self._run(tests) if not passed), "")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                os.write(write, killer.encode() or b"-")
                os._exit(0)
        os.close(write)
        # Where a test hangs, its own alarm comes first, unless a child of it holds the pipe.
        return Running(mutant, pid, out, time.monotonic() + 6 * (HANGS + sum(seconds for _, seconds in tests)))

    def _kill(self, one: Running) -> None:
        os.close(one.out)
        try:
            os.killpg(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)

    def _end(self, one: Running, told: bool) -> None:
        said = (told and os.read(one.out, 65536).decode()) or "it hangs"
        self._kill(one)
        self.total += 1
        if said == "-":
            self.survivors.append(one.mutant)
            print(f"survives: {one.mutant}", flush=True)
        else:
            self.killed += 1
            killers = self.killers[one.mutant.owner]
            if said in killers:
                killers.remove(said)
            killers.append(said)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modules", nargs="+", metavar="MODULE")
    options.add_argument("--every", type=int, default=1, help="only every so-many-th mutant")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options.add_argument("--seconds", type=float, default=30, help="of tests that a mutant must live through")
    end = sys.argv.index("--")
    given = options.parse_args(sys.argv[1:end])
    bench = Bench(given.modules, given.every, given.jobs, given.seconds)
    arguments = ["-q", "-s", "-p", "no:cacheprovider", "-o", "timeout=0", "--hypothesis-profile=brief"]
    code = pytest.main([*arguments, *sys.argv[end + 1 :]], plugins=[bench])
    if code:
        return int(code)
    by_module: dict[str, int] = defaultdict(int)
    for mutant in bench.survivors:
        by_module[mutant.module] += 1
    print(f"{bench.killed} of {bench.total} mutants killed: {100 * bench.killed / bench.total:.1f} %", dict(by_module))
    return 0


if __name__ == "__main__":
    sys.exit(main())
