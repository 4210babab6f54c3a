"""Rules of the notebooks: they run from the first cell to the last on what they make themselves, and stay small."""

import json

import pytest

from docs.run_notebooks import PATHS, executed
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder that the notebooks share: each reads the run that the first has trained, as after a session of that."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.process
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_films_that_it_draws(path, work) -> None:
    notebook = executed(path, work)

    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_small_with_its_pictures_and_names_no_folder_of_anybody(path) -> None:
    text = path.read_text()
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]

    assert path.stat().st_size < 300_000
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(word in text for word in ("/tmp/", "/home/", "/root/", str(ROOT)))


def test_there_is_a_notebook_for_each_step_from_films_to_a_service() -> None:
    assert [path.stem for path in PATHS] == ["train", "explain", "explore", "export-and-serve", "judge"]
