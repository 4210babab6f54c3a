"""Rules of the two tiers of tests."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.uid import JPEGLossless

from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film
from tests.tiers import LONG_FILES, SLOW_MARKERS, ProcessGuard, is_fast, long_files_first

ROOT = Path(__file__).parent.parent


@pytest.mark.process
def test_the_guard_names_a_program_that_a_test_starts_and_not_git() -> None:
    guard = ProcessGuard()
    subprocess.run(["git", "--version"], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", ""], check=True)

    assert guard.started == [sys.executable]


@pytest.mark.process
def test_the_guard_sees_a_child_that_decodes_a_film() -> None:
    film = compressed_film(phantom(64, 48, seed=4), JPEGLossless)
    guard = ProcessGuard()
    with ChildDecoder(workers=1) as decoder:
        decode(film, frame_decoder=decoder)

    assert guard.started[-1] == "a child of multiprocessing's fork server"


@pytest.mark.parametrize("marker", SLOW_MARKERS)
def test_a_test_with_a_slow_marker_is_not_of_the_fast_tier(request, marker) -> None:
    assert is_fast(request.node)
    request.node.add_marker(marker)
    assert not is_fast(request.node)


def test_long_files_begin_in_the_order_of_the_table_and_the_others_keep_theirs() -> None:
    names = ["tests/b.py::one", f"{LONG_FILES[1]}::one", "tests/a.py::one", f"{LONG_FILES[0]}::one"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    long_files_first(items)

    assert [item.nodeid for item in items] == [names[3], names[1], names[0], names[2]]


def test_every_long_file_exists() -> None:
    assert [file for file in LONG_FILES if not (ROOT / file).is_file()] == []
