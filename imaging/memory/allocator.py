"""Memory that was freed, back to the operating system."""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Final

LARGE_BYTES: Final = 32 * 1024 * 1024
"""What is worth a search through the heap, which takes 1 to 50 ms.

glibc maps larger blocks one by one, so that they are gone when they are freed. Smaller ones, Pillow's pictures among
them, it puts on a heap, where they stay: after one film of 40 megapixels with an alpha channel 176 MB did. To map every
block of 2 MB by itself instead makes the decoding of films of 4 megapixels a third slower.
"""

_M_ARENA_MAX = -8  # malloc.h of glibc


_TUNABLES: Final = "GLIBC_TUNABLES"
_LARGE_PAGES: Final = "glibc.malloc.hugetlb"


def ask_for_large_pages() -> bool:
    """Let programs that are started from now on take memory in pages of 2 MB, where kernel and C library have them.

    To get the pages of 4 kB that 10 MB of pixels need takes 4 ms, and so for each copy; to use them takes longer, too.

    Returns:
        Whether this is new: False where whoever started this one has asked for them, or against them.
    """
    others = os.environ.get(_TUNABLES, "")
    if not sys.platform.startswith("linux") or _LARGE_PAGES in others:
        return False
    os.environ[_TUNABLES] = ":".join(filter(None, (others, f"{_LARGE_PAGES}=1")))
    return True


def keep_one_heap() -> bool:
    """Let all threads share the main heap; called before there are threads.

    The heaps that glibc makes for threads keep up to 64 MB at their end, which no call gives back. Threads that decode
    ask for few and large blocks, so they seldom wait for each other.

    Returns:
        Whether it was set; False where the C library is not glibc.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, 1))


def give_back_freed_memory() -> None:
    """Return the free pages of the heaps; does nothing where the C library is not glibc."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
