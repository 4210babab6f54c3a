"""The tiers: which tests `--fast` leaves out, a guard that fails a test which should have been left out, and which
tests only the full form runs.

A test names what it costs by a marker of `SLOW_MARKERS`. What a fixture costs, every test that asks for it costs too.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

SLOW_MARKERS = ("slow", "process", "browser", "table", "simulation", "pacs", "long", "scale")
"""What the fast tier leaves out; described in pyproject.toml."""

LONG_TESTS = "CXR_LONG_TESTS"
"""Where it is set, the tests that are marked `long` run."""

MARKERS_OF_FIXTURES = {
    "browser": "browser",
    "decoder": "process",
    "hospital": "process",
    "machine": "long",
    "postgresql": "process",
    "reader": "process",
    "server": "process",
    "site": "process",
    "stack": "process",
    "start": "process",
}
"""By the name of a fixture, whichever folder defines it."""

LONG_FILES = (
    "tests/export/test_architectures.py",
    "tests/service/test_corpora.py",
    "tests/test_unfamiliar.py",
    "tests/service/test_contract.py",
    "tests/docs/test_commands.py",
    "tests/trainer/learning/test_loop.py",
    "tests/service/test_process.py",
)
"""Where the whole tier begins, longest first: a worker that meets one of these last makes the others wait."""

ALLOWED_PROGRAMS = {"git"}
"""A run asks it for its commit, in 5 ms."""

_STARTS = {"subprocess.Popen", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.exec", "os.system"}


class ProcessGuard:
    """Fails a test during which this process started another one."""

    def __init__(self) -> None:
        self.started: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            program = os.fsdecode(arguments[0]) if arguments and isinstance(arguments[0], str | bytes) else event
            if os.path.basename(program) not in ALLOWED_PROGRAMS:  # noqa: PTH119 a name is all there may be
                self.started.append(program)
        elif event == "socket.connect" and _is_fork_server(arguments[1]):
            self.started.append("a child of multiprocessing's fork server")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        """Forget what was started between tests."""
        self.started.clear()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """Fail the test by what it, its fixtures or their ends started."""
        result = yield
        if self.started:
            pytest.fail(f"a test of the fast tier started {', '.join(self.started)}: mark it `process`", pytrace=False)
        return result


def mark_by_fixtures(items: Iterable[pytest.Item]) -> None:
    """Give each test the markers of its fixtures."""
    for item in items:
        for fixture in MARKERS_OF_FIXTURES.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS_OF_FIXTURES[fixture])


def skip_long_tests(items: Iterable[pytest.Item]) -> None:
    """Skip the tests that only `make test FULL=1` runs, visibly and before their fixtures start anything."""
    if os.environ.get(LONG_TESTS):
        return
    for item in items:
        if item.get_closest_marker("long") is not None:
            item.add_marker(pytest.mark.skip(reason="make test FULL=1 runs this"))


def is_fast(item: pytest.Item) -> bool:
    """Whether the test has none of the markers that the fast tier leaves out."""
    return not any(item.get_closest_marker(name) for name in SLOW_MARKERS)


def long_files_first(items: list[pytest.Item]) -> None:
    """Order by the table, and leave the order of all else as it was."""
    places = {file: place for place, file in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def _is_fork_server(address: object) -> bool:
    """Whether a socket's address is one on which `multiprocessing` asks its fork server for a child."""
    if not isinstance(address, str | bytes):
        return False
    return os.path.basename(os.fsdecode(address)).startswith("listener-")  # noqa: PTH119 a name is all there may be
