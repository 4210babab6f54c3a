"""Reading files that somebody else may have put there: regular ones alone, inside their folder, of a bounded size."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

LARGEST_FILE: Final = 2 * 1024**3
"""Of a bundle: an ONNX file is one protobuf message, which cannot be longer."""
LARGEST_MANIFEST: Final = 4 * 1024**2
"""The shipped one has 66 kB; it is read before its signature can be checked."""
LARGEST_LINE: Final = 4096
"""Of a file that holds one name or one signature."""


@contextmanager
def regular_file(path: Path, largest_bytes: int, folder: Path | None = None) -> Iterator[BufferedReader]:
    """A stream of a file; a pipe, a device or a link is never opened for reading, so that none can hold its reader up.

    Args:
        path: the file; links that stay inside the folder are followed, as Kubernetes mounts files by such.
        largest_bytes: that it may have, by its size and not by what is in it: a sparse file costs nothing to make.
        folder: that it must lie in; None: its own.

    Raises:
        OSError: it is not such a file, or cannot be opened; `strerror` says why.
    """
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(folder or path.parent))
    if home not in real.parents:
        raise OSError(errno.EXDEV, f"it is a link that leads out of {home.name}")
    # O_NONBLOCK: a pipe would be waited for; it changes nothing for a regular file.
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if status.st_size > largest_bytes:
            raise OSError(errno.EFBIG, f"it has {status.st_size} bytes, at most {largest_bytes} are read")
        yield stream


def read_regular(path: Path, largest_bytes: int, folder: Path | None = None) -> bytes:
    """The bytes of a file; see `regular_file`.

    Raises:
        OSError: see `regular_file`; or it grew beyond its bound while it was read.
    """
    with regular_file(path, largest_bytes, folder) as stream:
        content = stream.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise OSError(errno.EFBIG, f"it has over {largest_bytes} bytes")
    return content
