"""Memory for decoding, shared by all films that are decoded at the same time."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from imaging.memory.allocator import LARGE_BYTES, give_back_freed_memory
from imaging.memory.bands import WHOLE_PIXELS
from schemas.errors import ImageTooLargeError

Reserve = Callable[[int], None]
"""Called once for a film, with the bytes that it will need; returns when there is room for them."""

_FLOAT_BYTES = 4
_MEGABYTE = 1_000_000


def unlimited(_size_bytes: int) -> None:
    """A `Reserve` where nothing else is decoded, or nobody minds."""


def peak_bytes(pixels: int, *, decoding: int, gray: int) -> int:
    """The most that a film needs until it is prepared for the network.

    What the decoder frees stays on the heap while the film is resized, so it is counted in addition to that.

    Args:
        pixels: rows times columns, as decoded.
        decoding: bytes a pixel of what the decoder holds while gray pixels are made of it.
        gray: bytes a gray pixel.
    """
    return pixels * (decoding + gray) + min(pixels, WHOLE_PIXELS) * _FLOAT_BYTES


class DecodeBudget:
    """Bytes that films may take together.

    Invariant: what is lent never exceeds the capacity; urgent films go first, then those that asked first, so that a
    large film does not wait for ever behind small ones.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._free = capacity_bytes
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._waiting: set[tuple[bool, int]] = set()

    @property
    def waiting(self) -> int:
        """Films that wait for memory."""
        return len(self._waiting)

    @contextmanager
    def share(self, *, urgent: bool = False) -> Iterator[Reserve]:
        """What reserves memory for one film, which is given back at the end.

        Raises:
            ImageTooLargeError: on reserving more than there is at all.
        """
        taken = 0

        def reserve(size_bytes: int) -> None:
            nonlocal taken
            self._take(size_bytes, urgent=urgent)
            taken += size_bytes

        try:
            yield reserve
        finally:
            if taken > LARGE_BYTES:
                give_back_freed_memory()
            with self._changed:
                self._free += taken
                self._changed.notify_all()

    def _take(self, size_bytes: int, *, urgent: bool) -> None:
        if size_bytes > self._capacity:
            msg = (
                f"decoding the film would take {size_bytes / _MEGABYTE:.0f} MB and all films together may take "
                f"{self._capacity / _MEGABYTE:.0f} MB; send it smaller, in gray, or with fewer bits a pixel"
            )
            raise ImageTooLargeError(msg)
        with self._changed:
            place = (not urgent, next(self._numbers))
            self._waiting.add(place)
            self._changed.wait_for(lambda: min(self._waiting) == place and self._free >= size_bytes)
            self._waiting.remove(place)
            self._free -= size_bytes
            self._changed.notify_all()
