"""Rules of replacing a file."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bundle.files import whole_file, write_whole
from tests.service.server import ROOT

SOMEBODY, OTHER = 12345, 12346
by_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def open_to_all():
    """A folder that other users may write in; those of pytest are their maker's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_new_file_is_its_makers_alone(path) -> None:
    write_whole(path, b"new", private=True)

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (b"new", 0o600, os.geteuid())
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_file_that_is_replaced_keeps_its_mode(path, mode) -> None:
    path.write_bytes(b"old")
    path.chmod(mode)
    write_whole(path, b"new")

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@by_root
def test_a_file_that_root_replaces_still_belongs_to_the_service(path) -> None:
    path.write_bytes(b"old")
    os.chown(path, SOMEBODY, OTHER)
    path.chmod(0o640)
    write_whole(path, b"new")
    kept = path.stat()

    assert (kept.st_uid, kept.st_gid, stat.S_IMODE(kept.st_mode)) == (SOMEBODY, OTHER, 0o640)


@pytest.mark.process
@by_root
def test_a_file_whose_owner_cannot_be_kept_is_not_replaced(open_to_all) -> None:
    """As another user, who may write in the folder: the new file would be theirs."""
    path = open_to_all / "keys.json"
    path.write_bytes(b"old")
    os.chown(path, SOMEBODY, SOMEBODY)
    script = (
        "import os, sys; from pathlib import Path; from bundle.files import write_whole\n"
        "os.chdir(sys.argv[1]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        "try: write_whole(Path('keys.json'), b'new')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    line = [sys.executable, "-c", script, str(path.parent), str(OTHER)]
    told = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert told.startswith(f"it belongs to user {SOMEBODY}")
    assert "root" in told
    assert (path.read_bytes(), path.stat().st_uid) == (b"old", SOMEBODY)
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_call_returns(path, monkeypatch) -> None:
    """A power cut cannot be made here; the order of the calls that survive one can be seen."""
    path.write_bytes(b"old")
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append(("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file", path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"new")

    assert synced == [("file", b"old"), ("folder", b"new")]


def test_a_new_file_is_readable_by_whom_the_umask_allows(path) -> None:
    umask = os.umask(0o022)
    write_whole(path, b"new")
    os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_block_that_fails_leaves_the_old_content_and_nothing_else(path) -> None:
    path.write_bytes(b"old")

    def fail_halfway() -> None:
        with whole_file(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()

    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]
