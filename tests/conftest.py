"""Fixtures of all tests: the kernels, and the check that a test leaves nothing open."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from types import ModuleType

import hypothesis
import pytest

from dockerwire import kernel as kernels

REQUIRED = frozenset(filter(None, os.environ.get("DOCKERWIRE_REQUIRE_KERNELS", "").split(",")))
"""Kernels that must be there: without one of them the tests fail where they would skip."""

hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=300, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("brief", deadline=None, max_examples=50, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


# What runs in the background of a shell ignores Ctrl-C and Ctrl-\\, and by nohup the end of its terminal: and so would
# every command that a test starts and sends these signals.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that goes through the kernels by itself is marked: it need not be run once for each of them."""
    for item in items:
        if "kernel" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.every_kernel)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Coverage looks away from tests marked `untraced`: with it they take four times as long, and show nothing new."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(trace)


def load_kernel(name: str) -> ModuleType:
    """The kernel backend `name`. Where it was not built, skips the test, or fails it if the kernel is required."""
    try:
        return kernels.load(name)
    except ImportError as error:
        reason = f"the {name} kernel does not load: {error}"
        if name in REQUIRED:
            pytest.fail(f"{reason} (and DOCKERWIRE_REQUIRE_KERNELS names it)")
        pytest.skip(reason)


@pytest.fixture(scope="session", params=kernels.NAMES)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Every kernel backend in turn."""
    return load_kernel(request.param)


@hypothesis.settings(max_examples=1, database=None)
@hypothesis.given(hypothesis.strategies.none())
def _example(_: None) -> None:
    """Nothing, by Hypothesis."""


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> None:
    """Leave what there is by now out of all collections: thousands of tests, and the reports of those that were run.

    Every scenario ends with a collection, which took most of its time.
    """
    _example()  # at its first, Hypothesis looks who refers to its random numbers: it would not find what is frozen
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()


def open_descriptors() -> dict[int, str]:
    """The open file descriptors of this process and what they are; empty where the system does not tell."""
    found = {}
    try:
        names = os.listdir("/proc/self/fd")
    except FileNotFoundError:
        return found
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the one listdir itself had open
            continue
    return found


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Fail a test that leaves a file descriptor or a thread behind."""
    descriptors = open_descriptors()
    threads = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(timeout=5)  # one that is on its way out is no leak
    left_threads = {thread for thread in threading.enumerate() if thread not in threads}
    left = open_descriptors()
    if left != descriptors:
        gc.collect()  # cycles, and all of PyPy: what is unreachable is closed, with a ResourceWarning of its own
        left = open_descriptors()
    opened = {number: what for number, what in left.items() if descriptors.get(number) != what}
    assert not opened, f"file descriptors left open: {opened}"
    assert not left_threads, f"threads left running: {left_threads}"
