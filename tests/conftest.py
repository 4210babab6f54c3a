"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

from tests.films import write_kermany


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
def kermany_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 + 48 synthetic films in Kermany's layout: 12 patients a class and split, 2 films each."""
    return write_kermany(tmp_path_factory.mktemp("kermany"))
