"""Bytes between a process and its child through a file in memory: one copy in and one out, and no pipe between them."""

import os
import tempfile
from multiprocessing import reduction
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Exchange:
    """A file in memory that a process shares with the child that it is handed to when that one starts.

    It is read and written, never mapped: where a child that a film has taken over cuts it short, reading fails,
    while a process that had it mapped would be killed. Its pages go back at `take` and `clear`.

    Invariant: one of the two uses it at a time; which one, their messages say.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        """`descriptor` is that of an open file; None makes a new one, of no size and without a name."""
        self._descriptor = _new_file() if descriptor is None else descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        """On its way to a child that is being started, as multiprocessing hands over its own pipes."""
        return _received, (reduction.DupFd(self._descriptor),)

    def put(self, content: bytes | memoryview | NDArray[Any]) -> None:
        """Replace what it holds; pages that it has already are used again, for a new one costs as much as its copy."""
        data = np.ascontiguousarray(content).data if isinstance(content, np.ndarray) else memoryview(content)
        view = data.cast("B")
        written = 0
        while written < len(view):
            written += os.pwrite(self._descriptor, view[written:], written)
        os.ftruncate(self._descriptor, written)

    def read(self, size_bytes: int) -> bytes:
        """The first bytes that it holds.

        Raises:
            EOFError: it holds fewer.
        """
        content = os.pread(self._descriptor, size_bytes, 0)
        if len(content) < size_bytes:
            raise _too_short(len(content), size_bytes)
        return content

    def take(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """The array that it holds, whose pages are given back.

        Raises:
            EOFError: it holds less.
        """
        array = self._read(np.empty(shape, dtype))
        self.clear()
        return array

    def clear(self) -> None:
        """Give its pages back."""
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """End it at this end."""
        os.close(self._descriptor)

    def _read(self, array: NDArray[Any]) -> NDArray[Any]:
        view = array.data.cast("B")
        position = 0
        while position < len(view):
            read = os.preadv(self._descriptor, [view[position:]], position)
            if read == 0:
                raise _too_short(position, len(view))
            position += read
        return array


def _too_short(held: int, size_bytes: int) -> EOFError:
    return EOFError(f"the exchange holds {held} bytes instead of {size_bytes}")


def _received(handed: Any) -> Exchange:
    return Exchange(handed.detach())


def _new_file() -> int:
    if hasattr(os, "memfd_create"):  # Linux, where no limit of /dev/shm concerns it
        return os.memfd_create("exchange", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
