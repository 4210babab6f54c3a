"""The service's end of the process that holds the network of a bundle, and forks those that read."""

import os
import socket
import threading
from multiprocessing.connection import Connection

from bundle.opening import Bundle
from schemas.errors import BundleError
from service.capacity.threads import ROUTINE, STAT
from service.films.messages import Board
from service.films.nursery import Nursery
from service.films.process import START_S, DiedError, ReaderProcess
from service.films.reader import ReaderOptions, load_and_fork


class LoadedNetwork:
    """Loaded when a process is first forked, and again where its process was lost."""

    def __init__(self, nursery: Nursery, bundle: Bundle, options: ReaderOptions) -> None:
        """Nothing is loaded yet."""
        self._nursery = nursery
        self._bundle = bundle
        self._options = options
        self._turn = threading.Lock()
        self._orders: socket.socket | None = None

    def forked(self, *, urgent: bool) -> ReaderProcess:
        """A new process that reads.

        Args:
            urgent: whether it is kept for stat films; another gives way to it.

        Raises:
            BundleError: the network cannot be loaded, or the process that loads it ends.
            InferenceError: no process can be started any more.
            OSError, DiedError: the process that holds the network is gone, or cannot fork.
        """
        niceness = str(STAT if urgent else ROUTINE).encode()
        ours, theirs = socket.socketpair()
        board, memory = Board.new()
        reader = ReaderProcess(Connection(ours.detach()), board, urgent=urgent)
        try:
            with theirs:
                socket.send_fds(self._loaded(), [niceness], [theirs.fileno(), memory])
            reader.greet()
        except (OSError, DiedError):
            reader.close()
            raise
        finally:
            os.close(memory)
        return reader

    def forget(self) -> None:
        """Let its process end, and those that it forked."""
        with self._turn:
            if self._orders is not None:
                self._orders.close()
            self._orders = None

    def _loaded(self) -> socket.socket:
        with self._turn:
            if self._orders is not None:
                return self._orders
            orders = self._nursery.start(load_and_fork)
            try:
                self._load(orders)
            except BaseException:
                orders.close()
                raise
            self._orders = orders
            return orders

    def _load(self, orders: socket.socket) -> None:
        name = self._bundle.directory.name
        with Connection(os.dup(orders.fileno())) as told:
            try:
                told.send((self._bundle, self._options))
                if not told.poll(START_S):
                    msg = f"{name}: it was not loaded within {START_S:.0f} s"
                    raise BundleError(msg)
                refusal = told.recv()
            except (EOFError, OSError) as error:  # killed, or never forked
                msg = f"{name}: the process that loads its network ended; see memory and process limits of this machine"
                raise BundleError(msg) from error
        if refusal is not None:
            raise refusal
