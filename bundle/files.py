"""Writing files that are whole or absent, whatever happens to the process or the power.

Every file of this project that must survive a killed process or a power cut is written here.
"""

import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file when the block ends without an exception.

    No reader ever sees a part of it, and a killed process or a power cut leaves the old file or the new one. A file
    that is replaced keeps its owner and its mode, so that the same users can read it again: the service reads keys
    that root edits.

    Args:
        path: The file; its folder exists.
        private: A new file is readable by its owner alone; otherwise the umask decides.

    Raises:
        OSError: It cannot be written, or its owner cannot be kept; the old content is unchanged.
    """
    temporary = path.with_name(f".unfinished-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            if path.exists():
                _keep_owner_and_mode(stream.fileno(), path)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # after a failure, such as a full disk
    sync_directory(path.parent)


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file at once; see `whole_file`.

    Raises:
        OSError: see `whole_file`.
    """
    with whole_file(path, private=private) as stream:
        stream.write(content)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as .npz; see `whole_file`.

    Raises:
        OSError: see `whole_file`.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    write_whole(path, buffer.getvalue())


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_directory(directory: Path) -> None:
    """Make the names in a directory survive a power cut.

    Raises:
        OSError: it cannot be opened or synchronised.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner_and_mode(descriptor: int, path: Path) -> None:
    old = path.stat()
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            reason = (
                f"it belongs to user {old.st_uid} and group {old.st_gid}, and user {new.st_uid} cannot leave it to "
                "them: write it as its owner or as root"
            )
            raise PermissionError(error.errno, reason, str(path)) from error
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
