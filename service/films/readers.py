"""The processes that read films for one bundle: started, lent to one film at a time, and replaced where one died."""

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from bundle.opening import Bundle
from imaging.memory.budget import Reserve, unlimited
from schemas.errors import BundleError, CxrError, InferenceError
from service.capacity.admission import Priority
from service.engine.engine import Outputs
from service.films.deaths import refusal_of
from service.films.messages import Answer, Failure, LookOrder, RunOrder, Stage
from service.films.network import LoadedNetwork
from service.films.nursery import Nursery
from service.films.plan import ReaderPlan
from service.films.process import DiedError, Order, ReaderProcess

log = structlog.get_logger("service.films")

RECOVERY_S: Final = 10.0
"""A network whose run had to be ended is not trusted for this time; see `BatchLimits.recovery_s`."""


class FilmReaders:
    """An `Engine` in processes that can read whole films, too; safe to call from several threads at once.

    A stat film takes the process that is kept for stat films, or any other that is idle; a routine film takes one of
    the others. Invariant: each process is idle, or lent to one thread, or was replaced.
    """

    def __init__(self, nursery: Nursery, bundle: Bundle, plan: ReaderPlan) -> None:
        """Load the network in a process, and fork those that read.

        Raises:
            BundleError: it cannot be loaded.
        """
        self._plan = plan
        self._network = LoadedNetwork(nursery, bundle, plan.options)
        self._changed = threading.Condition()
        self._idle: list[ReaderProcess] = []
        self._busy: dict[ReaderProcess, float] = {}
        self._waiting: list[Priority] = []
        self._readers: set[ReaderProcess] = set()
        self._is_dead = False
        self._holders = 0
        self._overdue_at: float | None = None
        weakref.finalize(self, _close, self._readers, self._network)
        self._idle = [self._new(urgent=urgent) for urgent in (True, *[False] * plan.routine)]

    def hold(self) -> None:
        """Keep the processes for one more bundle in use."""
        with self._changed:
            self._holders += 1

    def release(self) -> None:
        """Let the processes end with the last bundle in use; whoever asks again all the same gets new ones."""
        with self._changed:
            self._holders -= 1
            if not self._holders:
                _close(self._readers, self._network)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the processes meanwhile."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def renew(self) -> None:
        """Start those anew that `release` let end, so that no film waits for the network; hold them before.

        Raises:
            BundleError: it cannot be loaded, or no process can be started.
        """
        with self.held():  # who waits for this may have gone
            with self._changed:
                ended = [reader for reader in self._idle if reader.closed]
                self._idle = [reader for reader in self._idle if not reader.closed]
                self._readers.difference_update(ended)
            started: list[ReaderProcess] = []
            try:
                while len(started) < len(ended):
                    started.append(self._new(urgent=ended[len(started)].urgent))
            finally:
                with self._changed:  # a closed one is replaced where it is asked
                    self._idle += started + ended[len(started) :]
                    self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether no film is read, and none waits."""
        return not self._busy and not self._waiting

    @property
    def overdue(self) -> bool:
        """Whether a run of the network had to be ended a short while ago."""
        return self._overdue_at is not None and time.monotonic() - self._overdue_at < RECOVERY_S

    @property
    def alive(self) -> bool:
        """Whether there are processes that read."""
        return not self._is_dead

    def look(self, order: LookOrder, *, priority: Priority, reserve: Reserve) -> Answer:
        """Read a film in one of the processes.

        Args:
            order: what to look at.
            priority: of the film.
            reserve: called with the bytes that a large film will take.

        Raises:
            FilmError: the film is refused, or made the process fail.
            InferenceError: the network failed on it.
        """
        return self._answer(order, priority, reserve)

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network on a batch; see `Engine`."""
        answer = self._answer(RunOrder(images, targets), "stat", unlimited)
        assert answer.outputs is not None  # noqa: S101 it was asked to run
        return answer.outputs

    def interrupt(self, longest_s: float) -> None:
        """See `Engine`."""
        latest = time.monotonic() - longest_s
        with self._changed:
            overdue = [reader for reader, since in self._busy.items() if since <= latest]
        for reader in overdue:
            if reader.position.stage == Stage.NETWORK:
                reader.kill()

    def _answer(self, order: Order, priority: Priority, reserve: Reserve) -> Answer:
        start = time.perf_counter()
        with self._lent(priority) as lent:
            waited_s = time.perf_counter() - start
            try:
                reply = lent.reader.ask(order, reserve, self._plan.run_timeout_s)
            except DiedError as death:
                if death.overdue or lent.reader.position.stage != Stage.IDLE:
                    raise self._failure(lent, death) from death
                self._replace(lent, None if lent.reader.closed else "lost")  # it had died while it was idle
                try:
                    reply = lent.reader.ask(order, reserve, self._plan.run_timeout_s)
                except DiedError as again:
                    raise self._failure(lent, again) from again
            if isinstance(reply, Failure):
                if reply.trace is not None:
                    log.error("film_failed", trace=reply.trace)
                raise reply.error
            if reply.is_last:
                self._replace(lent, None)
            return replace(reply, waited_s=waited_s)

    def _failure(self, lent: "_Lent", death: DiedError) -> CxrError:
        """Why a film has no answer whose process died; there is another process afterwards."""
        position = lent.reader.position
        self._replace(lent, "timed_out" if death.overdue else "crashed")
        if death.overdue and position.stage == Stage.NETWORK:
            self._overdue_at = time.monotonic()
        return refusal_of(position, overdue=death.overdue)

    @contextmanager
    def _lent(self, priority: Priority) -> Iterator["_Lent"]:
        lent = _Lent(self._taken(priority))
        try:
            yield lent
        finally:
            with self._changed:
                self._busy.pop(lent.reader, None)
                self._idle.append(lent.reader)
                self._changed.notify_all()

    def _taken(self, priority: Priority) -> ReaderProcess:
        with self._changed:
            self._waiting.append(priority)
            self._changed.wait_for(lambda: self._suitable(priority) is not None)
            self._waiting.remove(priority)
            reader = self._suitable(priority)
            assert reader is not None  # noqa: S101 it was waited for
            self._idle.remove(reader)
            self._busy[reader] = time.monotonic()
            return reader

    def _suitable(self, priority: Priority) -> ReaderProcess | None:
        """An idle process for a film of this priority, that which worked last: its memory is warm."""
        if priority == "stat":
            return next((each for each in reversed(self._idle) if each.urgent), self._idle[-1] if self._idle else None)
        urgent_waits = "stat" in self._waiting and not any(each.urgent for each in self._idle)
        if urgent_waits:
            return None
        return next((each for each in reversed(self._idle) if not each.urgent), None)

    def _replace(self, lent: "_Lent", reason: str | None) -> None:
        """Put another process in the place of one that is no more; raises InferenceError where that cannot be done."""
        if reason is not None:
            log.error("film_process_died", reason=reason, stage=lent.reader.position.stage.name.lower())
            self._plan.on_death(reason)
        gone = lent.reader
        self._readers.discard(gone)
        gone.close()
        try:
            lent.reader = self._new(urgent=gone.urgent)
        except BundleError as error:  # 409 would blame the request
            raise InferenceError(str(error)) from error
        with self._changed:
            self._busy[lent.reader] = self._busy.pop(gone, time.monotonic())

    def _new(self, *, urgent: bool) -> ReaderProcess:
        """A new process; raises BundleError where none can be started."""
        for is_last in (False, True):
            try:
                reader = self._network.forked(urgent=urgent)
            except (OSError, DiedError, CxrError) as error:  # the process that holds the network is gone: load it again
                self._network.forget()
                if is_last:
                    self._is_dead = True
                    if isinstance(error, CxrError) and not isinstance(error, InferenceError):
                        raise
                    none = "no process that reads films can be started; see memory and process limits of this machine"
                    raise BundleError(str(error) if isinstance(error, CxrError) else none) from error
            else:
                self._is_dead = False
                self._readers.add(reader)
                return reader
        raise AssertionError


@dataclass(slots=True)
class _Lent:
    reader: ReaderProcess


def _close(readers: set[ReaderProcess], network: LoadedNetwork) -> None:
    for reader in readers:
        reader.close()
    network.forget()
