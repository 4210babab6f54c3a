"""The threads that compute: the operating system prefers those of urgent films, and to them the one that answers."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final, Self

from service.capacity.admission import Priority

STAT: Final = 0
"""Steps of niceness: a stat film takes the cores from routine films as fast as the event loop does."""
ROUTINE: Final = 10
"""A ninth of a core next to a thread that needs all of it; the whole core otherwise, so throughput loses nothing."""
SPARE: Final = 19
"""A seventieth of a core next to films: for the checks of bundles that do not serve yet, and for a challenger."""


class ThreadLanes:
    """Threads for routine films, and as many again for stat films, which the operating system prefers.

    A stat film neither waits until a routine film is done nor shares a core equally with one; and as routine films
    keep threads of their own, no number of stat films stops them.
    """

    def __init__(self, name: str, *, routine: int, stat: int, niceness: int = ROUTINE) -> None:
        """`routine` and `stat` are threads; `niceness` is of those for routine films, in steps."""
        self._stat = computing_threads(stat, f"{name}-stat", STAT)
        self._routine = computing_threads(routine, name, niceness)

    def of(self, priority: Priority) -> ThreadPoolExecutor:
        """The threads for films of this priority."""
        return self._stat if priority == "stat" else self._routine

    def shutdown(self) -> None:
        """Wait until everything is done, and end the threads."""
        self._stat.shutdown()
        self._routine.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()


def computing_threads(count: int, name: str, niceness: int) -> ThreadPoolExecutor:
    """A pool whose threads give way to the event loop.

    Args:
        count: threads.
        name: the beginning of their names.
        niceness: by how many steps.
    """
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=partial(_give_way, niceness))


def _give_way(niceness: int) -> None:
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":  # elsewhere it is of the whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)
