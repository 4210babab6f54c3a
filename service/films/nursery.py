"""A process that was forked from the service before it had a thread, and from which others are forked.

They have every library already and start in milliseconds, and no lock of the service is held in them. Linux alone:
elsewhere a forked process must not compute.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Final

from schemas.errors import InferenceError

FORKS: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1
_LARGEST: Final = 4096
"""Of an order, in bytes: it names a function."""

Work = Callable[[socket.socket], None]
"""What a process does, until the other end of the socket is closed; a function of a module."""


class Nursery:
    """Starts processes that live no longer than the service."""

    def __init__(self) -> None:
        self._orders, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Fork the process from which others are forked; nothing but the main thread may run yet."""
        with warnings.catch_warnings():  # Python 3.12 counts the threads of OpenBLAS, which forks well
            warnings.simplefilter("ignore", DeprecationWarning)
            parent = os.getpid()
            process = os.fork()
        if process == 0:
            self._orders.close()
            with contextlib.suppress(BaseException):
                end_with(parent)
                forget_signals()
                _serve(self._theirs)
            os._exit(0)
        self._theirs.close()
        try:
            yield
        finally:
            self._orders.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    def start(self, work: Work) -> socket.socket:
        """Let a new process do this; returns its socket.

        Raises:
            InferenceError: no process can be started any more.
        """
        ours, theirs = socket.socketpair()
        try:
            with self._turn, theirs:
                socket.send_fds(self._orders, [pickle.dumps(work)], [theirs.fileno()])
        except OSError as error:
            ours.close()
            msg = "no process for films can be started; restart the service"
            raise InferenceError(msg) from error
        return ours


def end_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, however that is."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def forget_signals() -> None:
    """Terminals and systemd send signals to all processes; the service alone decides when these end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for children, and none stays behind


def fork(work: Callable[[], None]) -> None:
    """Do this in a child that ends with this process.

    Raises:
        OSError: no process can be started.
    """
    parent = os.getpid()
    if os.fork() == 0:
        with contextlib.suppress(BaseException):
            end_with(parent)
            work()
        os._exit(0)


def _serve(orders: socket.socket) -> None:
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, _LARGEST, 1)
        if not order:
            return
        with socket.socket(fileno=descriptors[0]) as theirs, contextlib.suppress(OSError):
            work: Work = pickle.loads(order)  # noqa: S301 the service alone writes here
            fork(lambda work=work, theirs=theirs: work(theirs))  # type: ignore[misc]
