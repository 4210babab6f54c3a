"""Files that are whole or absent."""

import os
import stat
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it, and a power cut leaves the old one or the new one.

    A new file is readable by its owner alone. One that is replaced keeps its owner and its mode: whoever read it, as
    the service its keys where root edits them, must be able to read it again.

    Raises:
        OSError: it cannot be written, or its owner cannot be kept; what was there before is unchanged.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
    try:
        with os.fdopen(handle, "wb") as stream:
            if path.exists():
                _keep_owner_and_mode(stream.fileno(), path)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    _sync_directory(path.parent)


def _keep_owner_and_mode(descriptor: int, path: Path) -> None:
    old, new = path.stat(), os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            reason = (
                f"it belongs to user {old.st_uid} and group {old.st_gid}, and user {new.st_uid} cannot leave it to them; "
                "write it as its owner or as root"
            )
            raise PermissionError(error.errno, reason, str(path)) from error
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync_directory(directory: Path) -> None:
    """Make the name survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
