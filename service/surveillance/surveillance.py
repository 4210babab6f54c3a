"""The surveillance of one service: notes its readings, takes verdicts in, and stops it where a limit is crossed."""

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Engine

from schemas.errors import AuditUnavailableError, CxrError, SettingsError
from schemas.monitoring import MonitoredFigure, Monitoring, RegisteredLimits, VerdictReceipt
from service.dicomweb.analysis import AnalysedFilm
from service.dicomweb.instance import Instance
from service.dicomweb.spool import Stored
from service.services import Services
from service.settings import SurveillanceSettings
from service.surveillance.figures import crossed, figures, station_rates
from service.surveillance.gauges import show
from service.surveillance.ledger import Ledger
from service.surveillance.noting import reading_of
from service.surveillance.reports.assessment import SR_CLASSES, read_assessment
from service.surveillance.reports.rules import ReportRules, read_rules
from service.surveillance.statements import Statement
from service.surveillance.stops import Announce, Stops, read_limits

HOUSEKEEPING_S: Final = 5.0
"""How often the state of the database is looked at: another process on it may have stopped, or been resumed."""
RATES_S: Final = 90 * 86400
"""How far back the rates of stations go."""
NO_LIMITS: Final = "no limits are registered (CXR_STOP_LIMITS), so nothing stops the service"

log = structlog.get_logger("service.surveillance")


class Surveillance:
    """The answers of one service against the truth; it works while it is `running`.

    Invariant: `services.stop` is what the database says, as of the last look; it is looked at before the first film.
    """

    def __init__(
        self,
        services: Services,
        settings: SurveillanceSettings,
        clock: Callable[[], float] = time.time,
        announce: Announce = lambda *_: None,
    ) -> None:
        """`clock` is in seconds since 1970; `announce` writes what others are to learn of a suspension."""
        self._announce = announce
        self._services = services
        self._settings = settings
        self._clock = clock
        self._limits: RegisteredLimits | None = None
        self._rules: ReportRules | None = None
        self._weight: tuple[object, tuple[tuple[MonitoredFigure, ...], int, float | None]] | None = None
        self._looking = asyncio.Lock()
        self._settling = asyncio.Lock()

    @asynccontextmanager
    async def running(self, engine: Engine) -> AsyncIterator[None]:
        """Open the tables, register the limits, and look at the database until the end.

        Raises:
            SettingsError: a file of the settings cannot be read, or is not what it has to be.
        """
        self._ledger = Ledger(engine, self._clock)
        self._stops = Stops(engine, self._clock)
        if (content := _content(self._settings.stop_limits, "CXR_STOP_LIMITS")) is not None:
            self._limits = self._stops.register(read_limits(content), sha256(content).hexdigest())
        if (content := _content(self._settings.report_rules, "CXR_REPORT_RULES")) is not None:
            self._rules = read_rules(content)
        self._services.stop.suspension = self._stops.in_force()
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(CxrError):  # owed to the next start
                await self.settle()

    @property
    def rules(self) -> ReportRules | None:
        """By which final reports are understood; None: they are not."""
        return self._rules

    def note(self, film: AnalysedFilm) -> None:
        """Remember a film that was read; see `service.dicomweb.analysis.Watch`."""
        self._ledger.keep(reading_of(film, self._ledger.names))

    def assess(self, instance: Instance, facts: Mapping[str, Any]) -> Stored | None:
        """Take in a reader's assessment of our results that came by STOW-RS; None: the instance is not one.

        Raises:
            CxrError: it is one, and cannot be used.
        """
        if instance.sop_class_uid not in SR_CLASSES:
            return None
        live = self._services.deployments.live
        findings = tuple(dict.fromkeys(name for each in live for name in each.loaded.manifest.findings))
        statement = read_assessment(instance.content, findings)
        if statement is None:
            return None
        receipts = self._judge(statement, facts)
        return "known" if all(receipt.stored == "known" for receipt in receipts) else "new"

    async def judge(self, statements: Sequence[Statement], facts: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Store verdicts; each film's is on disk, audited and weighed before this returns.

        Args:
            statements: each is stored by itself.
            facts: of the request, for the audit log.

        Returns:
            For each statement the receipts of its films, or (the error,) where it was refused.

        Raises:
            AuditUnavailableError: a verdict is stored and cannot be recorded now; sent again it is `known`.
        """

        def work() -> list[tuple[Any, ...]]:
            results: list[tuple[Any, ...]] = []
            for statement in statements:
                try:
                    results.append(self._judge(statement, facts))
                except CxrError as error:
                    results.append((error,))
            return results

        results = await asyncio.to_thread(work)
        await self.settle()
        return results

    def _judge(self, statement: Statement, facts: Mapping[str, Any]) -> tuple[VerdictReceipt, ...]:
        receipts = self._ledger.judge(statement, facts)
        word = statement.request.verdict if statement.request is not None else "truth"
        for receipt in receipts:
            self._services.metrics.truth.verdicts.labels(statement.source, word, receipt.stored).inc()
        return receipts

    async def resume(self, reason: str, facts: Mapping[str, Any]) -> Monitoring:
        """Lift the stop.

        Raises:
            NotFoundError: the service is not suspended.
        """
        await asyncio.to_thread(self._stops.lift, reason, facts)
        await self.settle()
        return await self.report()

    async def settle(self) -> None:
        """Look at the figures, and have recorded what happened.

        Raises:
            AuditUnavailableError: it cannot be recorded now; it is tried again.
        """
        await self.report()
        async with self._settling:
            while owed := await asyncio.to_thread(self._ledger.owed):
                for number, event, facts in owed:
                    await self._services.audit.record(event, **facts)  # type: ignore[arg-type] # it was written as one
                    await asyncio.to_thread(self._ledger.settled, number)

    async def report(self) -> Monitoring:
        """The figures of now; where one has crossed its limit, the service is suspended by this."""
        models = [live.loaded.reference.sha256 for live in self._services.deployments.live]
        async with self._looking:
            monitoring = await asyncio.to_thread(self._look, models)
            self._services.stop.suspension = monitoring.suspension
        show(monitoring, self._services.metrics.truth)
        return monitoring

    def _look(self, models: Sequence[str]) -> Monitoring:
        suspension = self._stops.in_force()
        since = self._stops.last_lifted_at()
        now, verdicts, last = self._weighed(models, since)
        if suspension is None and self._limits is not None and (crossing := crossed(now)) is not None:
            suspension = self._stops.suspend(crossing.suspension(self._limits, self._clock()), self._announce)
            log.critical("service_suspended", reason=suspension.reason)
        rates = station_rates(self._ledger.rates(models, max(since, self._clock() - RATES_S)))
        return Monitoring(
            enabled=True,
            note=None if self._limits is not None else NO_LIMITS,
            suspended=suspension is not None,
            suspension=suspension,
            limits=self._limits,
            readings=self._ledger.count(models, since),
            verdicts=verdicts,
            last_verdict_at=None if last is None else datetime.fromtimestamp(last, UTC),
            figures=now,
            rates=rates,
        )

    def _weighed(self, models: Sequence[str], since: float) -> tuple[tuple[MonitoredFigure, ...], int, float | None]:
        """The figures, the films with a verdict, and the time of the last verdict; computed anew after each verdict."""
        key = (self._ledger.last_verdict(), tuple(models), since)
        if self._weight is None or self._weight[0] != key:
            films = self._ledger.labelled(models, since)
            last = max((film.verdict_at for film in films), default=None)
            self._weight = (key, (figures(films, self._limits), len(films), last))
        return self._weight[1]

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.settle()
            except AuditUnavailableError:
                log.warning("surveillance_not_recorded", reason="the audit log cannot be written; it is tried again")
            except Exception as error:  # noqa: BLE001 supervisor: the database may be away for a while
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("surveillance_failed", error=type(error).__name__, where=where)  # noqa: TRY400 may quote a film
            await asyncio.sleep(HOUSEKEEPING_S)


def _content(path: Path | None, setting: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{setting} cannot be read ({error.strerror}); give a file that the service may read"
        raise SettingsError(msg) from error
