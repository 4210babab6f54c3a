"""Fixtures that every test may use, and the tiers of tests."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Every core has a worker already: more threads in each would only wait for one another. Read once, by numpy and
    # torch.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from tests.clauses import Verdicts
from tests.films import write_kermany
from tests.once import BuiltOnce
from tests.scale import ScaleVerdicts, skip_scale_tests
from tests.tiers import ProcessGuard, is_fast, long_files_first, mark_by_fixtures, skip_long_tests

hypothesis.settings.load_profile("ci")  # no deadline for an example, and the same examples every time


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the tiers."""
    parser.addoption(
        "--fast", action="store_true", help="leave out what takes long, and fail tests that start processes"
    )
    parser.addoption("--clauses", action="store_true", help="run the tests of clauses alone, and print their table")
    parser.addoption("--scale", action="store_true", help="run the tests past one machine alone, and print their table")
    parser.addoption("--clauses-page", type=Path, help="write the table of --clauses to this page too")


def pytest_configure(config: pytest.Config) -> None:
    """Set the guard of the fast tier, or the table of clauses or of the promise of scale."""
    if config.getoption("--fast"):
        config.pluginmanager.register(ProcessGuard(), "process guard")
    if config.getoption("--clauses"):
        config.pluginmanager.register(Verdicts(page=config.getoption("--clauses-page")), "clauses")
    if config.getoption("--scale"):
        config.pluginmanager.register(ScaleVerdicts(), "scale")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests and, for `--fast`, choose among them."""
    mark_by_fixtures(items)
    skip_long_tests(items)
    skip_scale_tests(items)
    long_files_first(items)
    if config.getoption("--fast"):
        left_out = [item for item in items if not is_fast(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_fast(item)]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import without looking for garbage: there is next to none, and each look goes through all that was imported."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: a service that ends collects, which would take 0.4 s each time."""
    spare_what_stays()


@pytest.hookimpl(trylast=True)  # after the fixtures have ended
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Spare it what the tests of a file imported, too: torch and the exporter alone are 500,000 objects more."""
    if nextitem is not None and nextitem.path != item.path:
        spare_what_stays()


def spare_what_stays() -> None:
    """What is left once the garbage is gone stays until the end, as modules do; nobody looks through it again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the interpreter free, as it ends, what was spared."""
    gc.unfreeze()


@pytest.fixture(scope="module")  # while it lives, its event loop runs in this thread, where other modules want theirs
def browser():
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium)
        yield started
        started.close()


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films; tests that ask for it carry `pytest.mark.real_data`."""
    folder = os.environ.get("CXR_DATA_DIR")
    if not folder:
        pytest.skip("CXR_DATA_DIR is not set: no real films")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"CXR_DATA_DIR={folder} is not a folder: no real films")
    return path


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """Folders that the workers share."""
    own = tmp_path_factory.getbasetemp()  # of a worker: a folder in that of the session
    return BuiltOnce((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "built-once")


@pytest.fixture(scope="session")
def kermany_like(built_once: BuiltOnce) -> Path:
    """48 + 48 synthetic films in Kermany's layout: 12 patients a class and split, 2 films each. Read only."""
    return built_once("kermany", write_kermany)
