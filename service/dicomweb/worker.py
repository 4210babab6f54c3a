"""The loops that empty the spool: claim a film, work on it, report the result; supervised, and ended in order."""

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, get_args

import structlog

from schemas.errors import CxrError, DeadlineError, InternalError, SpoolUnavailableError
from schemas.results import ResultState
from service.dicomweb.ledger import Depth, Ledger
from service.dicomweb.spool import Spool
from service.dicomweb.verdict import BACKOFF, Backoff, verdict
from service.leases import LEASE_S, Leased, Queue
from service.metrics import Metrics
from service.tracing.span import note_failure

WORK_S: Final = LEASE_S - 20
"""Time for one film; it ends well before another worker may claim the film."""
REST_S: Final = 1.0
"""How long a loop without work waits before it looks again: films arrive through other processes too."""
HOUSEKEEPING_S: Final = 5.0
STOP_S: Final = 10.0
"""Time for what is being worked on at the end; what is cut off is done again after the next start."""

log = structlog.get_logger("service.dicomweb.worker")


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of work."""

    state: str
    """Of what waits for it in its queue."""
    work: Callable[[Any], Awaitable[None]]
    """Does it, and reports its success to the queue; raises CxrError where it fails."""
    at_once: int
    max_attempts: int
    may_start: Callable[[], bool] = lambda: True
    count_failure: Callable[[str], None] = lambda _: None
    """Counts a failed attempt: postponed, or failed for good."""
    queue: Queue | None = None
    """None: the spool."""
    hand: str | None = None
    """Steps that name the same work on the rows of one queue: a suspect is alone among all of them. None: its own."""
    span: Callable[[Any], AbstractContextManager[object]] = lambda _: nullcontext()
    """Around the work on a claim: the part of its trace."""


@dataclass(slots=True)
class _Hand:
    """What the loops of one step work on.

    Invariant: a suspect, with which in hand a process ended before, is alone in it: if the process ends again, it is
    to blame, and what was in hand by chance the first time is not.
    """

    claims: dict[str, Leased] = field(default_factory=dict)
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_suspect(self) -> bool:
        return any(claim.crashes for claim in self.claims.values())


class Worker:
    """Runs the steps until it is stopped.

    Invariant: while it runs, each loop lives; one that ends is a defect, and `alive` is false.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        steps: Sequence[Step],
        metrics: Metrics,
        backoff: Backoff = BACKOFF,
    ) -> None:
        self._spool = spool
        self._ledger = ledger
        self._steps = steps
        self._metrics = metrics
        self._backoff = backoff
        self._chores: Sequence[Callable[[], int]] = ()
        self._stopping = asyncio.Event()
        self._arrival = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        hands = {step.hand or step.state: _Hand() for step in steps}
        self._hands = [hands[step.hand or step.state] for step in steps]

    def start(self, chores: Sequence[Callable[[], int]] = ()) -> None:
        """Begin; `chores` are done with the housekeeping, and return how much work they have made for the steps."""
        self._chores = chores
        self._tasks = [
            asyncio.create_task(self._loop(step, hand))
            for step, hand in zip(self._steps, self._hands, strict=True)
            for _ in range(step.at_once)
        ]
        self._tasks.append(asyncio.create_task(self._keep_house()))

    def wake(self) -> None:
        """A film has been stored."""
        self._arrival.set()

    async def stop(self) -> None:
        """Finish what is being worked on, for a while, and end."""
        self._stopping.set()
        self._arrival.set()
        _, late = await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for step, hand in zip(self._steps, self._hands, strict=True):
            claims, hand.claims = hand.claims, {}
            for claim in claims.values():  # cut off, and not to blame
                with contextlib.suppress(SpoolUnavailableError):
                    await asyncio.to_thread(self._queue(step).release, claim)

    @property
    def alive(self) -> bool:
        """Whether every loop still runs."""
        return not any(task.done() for task in self._tasks)

    def _queue(self, step: Step) -> Queue:
        return step.queue or self._spool

    async def _loop(self, step: Step, hand: _Hand) -> None:
        while not self._stopping.is_set():
            self._arrival.clear()  # before the look, so that a film which comes after it is not overlooked
            claim = None
            try:
                claim = await self._take(step, hand)
                if claim is None:
                    await _pause(self._arrival, REST_S)
                else:
                    await self._work(step, claim)
            except Exception as error:  # noqa: BLE001 supervisor: the database may be away for a while
                _log_failure("spool_loop_failed", error, state=step.state)
                await _pause(self._stopping, REST_S)
            if claim is not None:  # not where this loop is cut off: `stop` gives the film back
                hand.claims.pop(claim.token, None)
                self.wake()  # what waits next is in another step, or waited to be alone

    async def _take(self, step: Step, hand: _Hand) -> Leased | None:
        async with hand.taking:
            # Here, not before: whoever had the lock may have begun what keeps this step from its start.
            if hand.has_suspect or not step.may_start():
                return None
            queue = self._queue(step)
            claim: Leased | None = await asyncio.to_thread(queue.claim, step.state, suspects=not hand.claims)
            if claim is not None:
                hand.claims[claim.token] = claim
            return claim

    async def _work(self, step: Step, claim: Leased) -> None:
        with step.span(claim):
            await self._attempt(step, claim)

    async def _attempt(self, step: Step, claim: Leased) -> None:
        if claim.crashes >= step.max_attempts:  # it was alone in all but the first of them
            msg = f"the film ended the service {claim.crashes} times; see the logs of the starts"
            await self._failed(step, claim, InternalError(msg), attempt=step.max_attempts)
            return
        try:
            async with asyncio.timeout(WORK_S):
                await step.work(claim)
        except CxrError as error:
            await self._failed(step, claim, error)
        except TimeoutError:
            msg = f"a film of the spool was not worked on within {WORK_S:.0f} s; it is tried again"
            await self._failed(step, claim, DeadlineError(msg))
        except Exception as error:  # noqa: BLE001 supervisor of one film: it must not stop the others
            _log_failure("spool_film_failed", error, state=step.state)
            await self._failed(step, claim, InternalError("an unforeseen failure; its reason is in the service's log"))

    async def _failed(self, step: Step, claim: Leased, error: CxrError, attempt: int | None = None) -> None:
        """`attempt`: its number, from 1; None: those that ended with a process count as none."""
        note_failure(error)
        if attempt is None:
            attempt = max(1, claim.attempts - claim.crashes)
        judgement = verdict(error, attempt=attempt, max_attempts=step.max_attempts, backoff=self._backoff)
        if judgement.refused:
            await asyncio.to_thread(self._queue(step).refused, claim, error.code, str(error))
            log.info("film_refused", code=error.code)
            return
        delay_s = judgement.delay_s
        step.count_failure("failed" if delay_s is None else "postponed")
        log.warning("spool_work_failed", state=step.state, code=error.code, attempt=claim.attempts, delay_s=delay_s)
        postpone = self._queue(step).postpone
        await asyncio.to_thread(postpone, claim, error.code, str(error), delay_s=delay_s, counts=judgement.counts)

    async def _keep_house(self) -> None:
        while not self._stopping.is_set():
            try:
                if mended := await asyncio.to_thread(self._ledger.mend_times):
                    log.warning("spool_times_mended", films=mended, reason="the clock was set back")
                for state, films in (await asyncio.to_thread(self._ledger.prune)).items():
                    self._forgotten(state, films)
                for chore in self._chores:
                    if await asyncio.to_thread(chore):
                        self.wake()
                self._set_gauges(await asyncio.to_thread(self._ledger.depth))
            except Exception as error:  # noqa: BLE001 supervisor: the database may be away for a while
                _log_failure("spool_housekeeping_failed", error)
            await _pause(self._stopping, HOUSEKEEPING_S)

    def _forgotten(self, state: str, films: int) -> None:
        self._metrics.spool_forgotten.labels(state).inc(films)
        if state == "failed":
            log.error(
                "dead_letters_forgotten", films=films, reason="their retention is over, and the PACS has no results"
            )

    def _set_gauges(self, depth: Depth) -> None:
        for state in get_args(ResultState):
            self._metrics.spool_depth.labels(state).set(depth.states.get(state, 0))
        self._metrics.spool_oldest.set(depth.oldest_s)


def _log_failure(event: str, error: Exception, **fields: str) -> None:
    """Log our own message, and of other errors where: a library may quote a patient's name or a password."""
    if isinstance(error, CxrError):
        log.error(event, code=error.code, reason=str(error), **fields)
        return
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error(event, error=type(error).__name__, where=where, **fields)


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
