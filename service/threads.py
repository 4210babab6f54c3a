"""The threads that compute, which yield the cores to the one that answers."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_NICER: Final = 5
"""Steps of niceness: under overload the event loop then refuses within milliseconds, and the films lose next to nothing."""


def computing_threads(count: int, name: str) -> ThreadPoolExecutor:
    """A pool whose threads give way to the event loop.

    Args:
        count: threads.
        name: the beginning of their names.
    """
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=_give_way)


def _give_way() -> None:
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":  # elsewhere it is of the whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICER)
