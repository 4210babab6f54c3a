"""The challenger at work: films wait for it in memory, and it reads them when nothing else needs the cores."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import Engine

from schemas.errors import NotReadyError
from schemas.evidence.challenger import ChallengerAnswer, ChallengerReport, PromotionRule
from service.challenger.answers import Answers, Trial
from service.challenger.report import report_of
from service.dicomweb.analysis import FilmAlong
from service.models.live import LiveBundle
from service.models.swap import Deployment
from service.reading.predict import answered
from service.services import Services
from service.settings import TrialSettings

STOP_S: Final = 3.0
"""Time at the end for what it is loading or reading; what is cut off is not read."""

REST_S: Final = 0.05
"""How long it waits before it looks again whether the service is idle."""

log = structlog.get_logger("service.challenger")


class Challenger:
    """Reads the films that it is offered, one after another.

    Invariant: nothing that happens in here reaches an answer: `offer` never waits and never fails, the network runs on
    a thread that gives way to all others, and whatever ends the loop is logged.
    """

    def __init__(self, deployment: Deployment, services: Services, settings: TrialSettings) -> None:
        """Nothing is loaded yet."""
        self._deployment = deployment
        self._services = services
        self._capacity = settings.challenger_queue
        self._rule = PromotionRule(films=settings.promotion_films, margin=settings.promotion_margin)
        self._waiting: deque[FilmAlong] = deque()
        self._arrival = asyncio.Event()
        self._answers: Answers | None = None
        metrics = services.metrics.challenger
        metrics.reads.set_function(lambda: float(self.live is not None))
        metrics.queue.set_function(lambda: len(self._waiting))

    @property
    def deployment(self) -> Deployment:
        """Which bundle it is."""
        return self._deployment

    @property
    def live(self) -> LiveBundle | None:
        """The bundle that reads along; None where none could be loaded, or it serves by now."""
        live = self._deployment.live
        return None if live is None or live.loaded.reference.sha256 in self._serving else live

    @property
    def fault(self) -> str | None:
        """Why it reads no film now; None: it does."""
        try:
            live = self._deployment.ready()
            self._deployment.check_network()
        except NotReadyError as error:
            return str(error)
        return f"{live.address} serves itself by now" if self.live is None else None

    @property
    def _serving(self) -> tuple[str, ...]:
        return tuple(each.loaded.reference.sha256 for each in self._services.deployments.live)

    def offer(self, film: FilmAlong) -> None:
        """Let a film wait that was answered; where too many do, it is not read."""
        if len(self._waiting) >= self._capacity:
            self._count("skipped")
            return
        self._waiting.append(film)
        self._arrival.set()

    def find(self, sop_instance_uid: str) -> ChallengerAnswer | None:
        """What the latest challenger says of a film; None: nothing."""
        return None if self._answers is None else self._answers.find(sop_instance_uid)

    def report(self) -> ChallengerReport:
        """The comparison with the bundles that serve.

        Raises:
            NotReadyError: no challenger is loaded, or no bundle serves.
            SpoolUnavailableError: the database cannot be read.
        """
        live = self._deployment.ready()
        self._services.deployments.check()
        if self._answers is None:
            msg = "the database of the spool is not open yet; ask again"
            raise NotReadyError(msg)
        sha256 = live.loaded.reference.sha256
        others = [each for each in self._services.deployments.live if each.loaded.reference.sha256 != sha256]
        trial = Trial(sha256, tuple(each.loaded.reference.sha256 for each in others))
        if not others and (latest := self._answers.latest()) is not None and latest.challenger_sha256 == sha256:
            trial = latest  # it serves by now: the films by which it came to do so
        report = report_of(self._answers, trial, self._rule)
        active = tuple(str(each.address) for each in others) or report.active
        return report.model_copy(update={"challenger": str(live.address), "active": active, "fault": self.fault})

    @asynccontextmanager
    async def reading(self, engine: Engine) -> AsyncIterator[None]:
        """Load the bundle in the background, and read what is offered until the end."""
        self._answers = await asyncio.to_thread(Answers, engine)
        ending = asyncio.Event()
        tasks = [
            asyncio.create_task(_supervised(self._load, ending)),
            asyncio.create_task(_supervised(self._read_all, ending)),
        ]
        try:
            yield
        finally:
            ending.set()
            self._arrival.set()
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self, ending: asyncio.Event) -> None:
        async with self._deployment.running():
            await ending.wait()

    async def _read_all(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            self._arrival.clear()  # before the look, so that a film which comes after it is not overlooked
            if not self._waiting:
                await self._arrival.wait()
                continue
            if not self._may_read:
                await asyncio.sleep(REST_S)
                continue
            film = self._waiting.popleft()
            try:
                outcome = "answered" if await self._read(film) else "skipped"
            except Exception as error:  # noqa: BLE001 supervisor of one film: the next may do
                outcome = "failed"
                log.error("challenger_film_failed", error=type(error).__name__)  # noqa: TRY400 it may quote the film
            self._count(outcome)

    @property
    def _may_read(self) -> bool:
        """Whether no film waits for an answer: a thread that gives way may hold the interpreter while it does."""
        is_free = all(each.idle for each in self._services.deployments.live)
        return is_free and self._services.admission.idle

    async def _read(self, film: FilmAlong) -> bool:
        """Whether it read the film: not where another challenger was loaded since, which sees films in another way."""
        live = self.live
        if live is None or self._answers is None or live.loaded.manifest.preprocess != film.prepared_for:
            return False
        with live.held():
            result = await live.batcher.submit(film.film.image, target=None, priority="routine")
            reading = answered(live, film.film, result)
        answer = ChallengerAnswer(model=reading.model, read_at=datetime.now(UTC), prediction=reading.prediction)
        await asyncio.to_thread(self._answers.keep, film.sop_instance_uid, answer, film.active_sha256, film.sex)
        return True

    def _count(self, outcome: str) -> None:
        self._services.metrics.challenger.films.labels(outcome).inc()


def challenger_of(services: Services, settings: TrialSettings) -> Challenger | None:
    """The challenger of the settings; None where they name none."""
    return None if services.challenger is None else Challenger(services.challenger, services, settings)


async def _supervised(work: Callable[[asyncio.Event], Awaitable[None]], ending: asyncio.Event) -> None:
    try:
        await work(ending)
    except Exception as error:  # noqa: BLE001 supervisor: the challenger must not take the service with it
        log.error("challenger_ended", error=type(error).__name__, reason=str(error))  # noqa: TRY400 it is enough
