"""Rules of the folder of the fork server's socket, each in a process of its own: multiprocessing chooses it once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imaging.dicom.socket_folder import LONGEST_FOLDER

ROOT = Path(__file__).parent.parent.parent.parent
DECODING = """
import resource, sys
from pydicom import uid
from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film

if sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
with ChildDecoder(workers=1) as decoder:
    film = compressed_film(phantom(64, 48, seed=4), uid.JPEGLossless)
    print(decode(film, frame_decoder=decoder).pixels.shape)
"""
UNREACHABLE = """
import os, tempfile
from imaging.dicom import socket_folder
from schemas.errors import SettingsError

os.access = lambda *_: False  # of this process alone: nothing short can be written
try:
    socket_folder.make_room_for_socket()
except SettingsError as error:
    print(error)
"""


def run(program, *arguments, **environment):
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.stdout.strip() or ended.stderr


@pytest.fixture
def long_folder(tmp_path):
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    folder.mkdir(parents=True)
    return str(folder)


@pytest.mark.process
def test_compressed_films_are_decoded_where_the_folder_for_temporary_files_has_a_long_path(long_folder) -> None:
    assert run(DECODING, TMPDIR=long_folder) == "(64, 48)"
    assert not any(Path(long_folder).iterdir())


@pytest.mark.process
def test_compressed_films_are_decoded_under_a_limit_of_memory_below_the_decoders_own() -> None:
    assert run(DECODING, 1200 * 1024 * 1024) == "(64, 48)"


@pytest.mark.process
def test_where_no_short_folder_can_be_written_the_start_is_refused_with_the_remedy(long_folder) -> None:
    told = run(UNREACHABLE, TMPDIR=long_folder)

    assert told.startswith(f"TMPDIR has over {LONGEST_FOLDER} bytes, and neither can /tmp")
    assert told.endswith("set TMPDIR=/tmp")
