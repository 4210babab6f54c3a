"""The service's end of one process that reads films: it is asked, waited for within limits, and ended."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from imaging.memory.budget import Reserve
from schemas.errors import CxrError
from service.films.messages import Answer, Board, Failure, LookOrder, Need, Position, RunOrder, Stage

START_S: Final = 60.0
"""For a process to be started, or a network to be loaded that was loaded in another process before."""
FILM_S: Final = 120.0
"""To decode and prepare the largest film beside its compressed frame, on a machine whose cores are all busy."""
_AROUND_S: Final = 10.0
"""In addition to the time of a codec, where all cores are busy."""
_LOOK_S: Final = 0.5

Order = LookOrder | RunOrder


class DiedError(Exception):
    """A process ended, or was ended, before it replied."""

    def __init__(self, *, overdue: bool) -> None:
        self.overdue = overdue


class ReaderProcess:
    """The service's end of one process."""

    def __init__(self, connection: "Connection[Order | CxrError | None, Any]", board: Board, *, urgent: bool) -> None:
        self._connection = connection
        self._board = board
        self._process: int | None = None
        self.urgent = urgent

    @property
    def position(self) -> Position:
        """Where it is; see `Board`."""
        return self._board.read()

    @property
    def closed(self) -> bool:
        """Whether it was let go."""
        return self._connection.closed

    def greet(self) -> None:
        """Wait until it is there; raises DiedError."""
        self._process = os.pidfd_open(self._received(lambda: START_S))

    def ask(self, order: Order, reserve: Reserve, run_timeout_s: float) -> Answer | Failure:
        """Let it work off an order; raises DiedError."""
        self._send(order)
        while isinstance(reply := self._received(lambda: self._limit_s(run_timeout_s)), Need):
            try:
                reserve(reply.size_bytes)
            except CxrError as refusal:
                self._send(refusal)
            else:
                self._send(None)
        answered: Answer | Failure = reply
        return answered

    def kill(self) -> None:
        """End it, whatever it does; who waits for its reply gets a `DiedError`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """Let it end; what is left of it is idle."""
        self._connection.close()
        self._board.write(Stage.IDLE)
        if self._process is not None:
            os.close(self._process)
            self._process = None

    def _send(self, message: Order | CxrError | None) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise DiedError(overdue=False) from error

    def _received(self, limit_s: Callable[[], float]) -> Any:
        """What it says next; the time begins anew with each stage."""
        since, stage = time.monotonic(), self.position.stage
        try:
            while not self._connection.poll(_LOOK_S):
                if self.position.stage != stage:
                    since, stage = time.monotonic(), self.position.stage
                if time.monotonic() - since > limit_s():
                    self.kill()
                    raise DiedError(overdue=True)
            return self._connection.recv()
        except (OSError, EOFError) as error:
            position = self.position
            late = position.stage == Stage.FRAME and time.monotonic() - since >= position.limit_s
            raise DiedError(overdue=late) from error

    def _limit_s(self, run_timeout_s: float) -> float:
        position = self.position
        if position.stage == Stage.NETWORK:
            return run_timeout_s
        return position.limit_s + _AROUND_S if position.stage == Stage.FRAME else FILM_S
