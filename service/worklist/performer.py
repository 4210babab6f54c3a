"""The task performer: one step of every workitem that is due, then a search; each step may be repeated after a crash.

What decides is on disk before anybody hears of it: the Transaction UID before the claim, the verdict before the report.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from schemas.errors import CxrError, FilmError, SpoolUnavailableError, UnavailableError
from service.dicomweb.verdict import BACKOFF, Backoff
from service.settings import WorklistSettings
from service.worklist.counters import WorklistMetrics
from service.worklist.desk import Desk
from service.worklist.origin import Origin
from service.worklist.register import Claim, Register
from service.worklist.reports import Archive, final_report, progress
from service.worklist.source import Source
from service.worklist.work import BEGUN, Film, Work
from service.worklist.workitem import IN_PROGRESS, FilmReference, Workitem

LOOK_S: Final = 1.0
"""Between two looks at results that are awaited."""
MOST_FORGOTTEN: Final = 3
"""How often the films of one workitem are handed over again because the service no longer knows them."""

log = structlog.get_logger("service.worklist")


@dataclass(frozen=True, slots=True)
class Partners:
    """Whom the performer speaks to."""

    origin: Origin
    source: Source
    desk: Desk
    archive: Archive
    watch: Callable[[str], None] = lambda _: None
    """Hear of requests to cancel a workitem, where that is possible."""


@dataclass(slots=True)
class Performer:
    """Works on the claims of one register."""

    partners: Partners
    register: Register
    settings: WorklistSettings
    metrics: WorklistMetrics
    backoff: Backoff = BACKOFF
    clock: Callable[[], float] = time.time
    _next_search_at: float = field(default=0.0, init=False)
    _watched: set[str] = field(default_factory=set, init=False)
    """Workitems of which requests to cancel are heard; asked for again after each start."""

    def turn(self) -> None:
        """Try each step that is due once, and search if it is time to.

        Raises:
            SpoolUnavailableError: the register cannot be read or written.
        """
        self.register.renew()
        if taken_over := self.register.take_over():
            self.metrics.claims.labels("taken_over").inc(taken_over)
            log.warning("claims_taken_over", workitems=taken_over)
        for claim in self.register.due():
            self._attempt(claim)
        if self.clock() >= self._next_search_at:
            self._next_search_at = self.clock() + self.settings.poll_s
            self._search()
        self.metrics.in_progress.set(self.register.count())

    def _search(self) -> None:
        if self.register.count() >= self.settings.at_once or not self.partners.desk.takes_work():
            return
        try:
            found = self.partners.origin.search()
        except UnavailableError as error:
            self.metrics.searches.labels("failed").inc()
            log.warning("search_failed", code=error.code, reason=str(error))
            return
        self.metrics.searches.labels("answered").inc()
        for item in found:
            if self.register.count() >= self.settings.at_once:
                return
            if item.is_ready and item.is_meant_for(self.settings):
                claim = self.register.begin(item.uid)
                if claim is not None:
                    self._attempt(claim)

    def _attempt(self, claim: Claim) -> None:
        """One step; where it fails, it is due again later."""
        self.register.renew()
        try:
            self._step(claim)
        except SpoolUnavailableError:
            raise
        except CxrError as error:
            self.metrics.failures.labels(error.code).inc()
            delay_s = self.backoff.delay_s(claim.attempts + 1)
            log.warning("workitem_postponed", stage=claim.stage, code=error.code, reason=str(error))
            self.register.postpone(claim, delay_s, failed=True)

    def _step(self, claim: Claim) -> None:
        if claim.stage == "claiming":
            self._claim(claim)
            return
        work = Work.model_validate_json(claim.state or "")
        self._watch(claim)
        if claim.stage == "ending":
            self._report(claim, work)
        elif claim.cancel_asked:
            self._end(claim, work.ended("CANCELED", "canceled as it was asked for", self.clock(), "asked"))
        elif claim.stage == "claimed":
            self._hand_over(claim, work)
        else:
            self._wait(claim, work)

    def _claim(self, claim: Claim) -> None:
        if not self.partners.origin.claim(claim.workitem_uid, claim.transaction_uid):
            self.metrics.claims.labels("lost").inc()
            self.register.forget(claim)
            return
        self.metrics.claims.labels("won").inc()
        log.info("workitem_claimed")
        work = Work(began_at=self.clock())
        if self.register.move(claim, "claimed", work.model_dump_json()):
            self._hand_over(claim._replace(stage="claimed", attempts=0), work)

    def _hand_over(self, claim: Claim, work: Work) -> None:
        origin = self.partners.origin
        self._watch(claim)
        item = origin.retrieve(claim.workitem_uid)
        if item is None or item.state != IN_PROGRESS:
            self._lose(claim)
            return
        work = _described(work, item)
        if not item.films:
            text = f"names no CR or DX image among {item.others} inputs; those alone are analysed"
            self._end(claim, work.ended("CANCELED", text, self.clock(), "input_unsupported"))
            return
        if not origin.update(claim.workitem_uid, progress(claim.transaction_uid, BEGUN, "films are being retrieved")):
            self._lose(claim)
            return
        try:
            films = [self._store(film, work) for film in item.films]
        except UnavailableError as error:
            if claim.attempts + 1 < self.settings.max_attempts:
                raise
            text = f"its films could not be brought to the service ({error.code})"
            self._end(claim, work.ended("CANCELED", text, self.clock(), "input_missing"))
            return
        self.register.move(claim, "waiting", work.with_films(films).model_dump_json())

    def _store(self, reference: FilmReference, work: Work) -> Film:
        """The film, now on the service's disk, or refused."""
        film = Film(study=reference.study, series=reference.series, instance=reference.instance)
        self.register.renew()
        try:
            instance = self.partners.source.retrieve(reference)
            problem = self.partners.desk.store(instance.content, urgent=work.is_urgent)
        except FilmError as error:
            problem = error.code
        return film if problem is None else film.model_copy(update={"outcome": "refused", "problem": problem})

    def _watch(self, claim: Claim) -> None:
        if claim.workitem_uid not in self._watched:
            self._watched.add(claim.workitem_uid)
            self.partners.watch(claim.workitem_uid)

    def _wait(self, claim: Claim, work: Work) -> None:
        films = [film if film.is_done else self.partners.desk.look(film) for film in work.films]
        known = [film for film in films if film is not None]
        if len(known) < len(films):  # the service has forgotten a film: its spool was lost, or the wait was long
            again = work.model_copy(update={"forgotten": work.forgotten + 1})
            if again.forgotten > MOST_FORGOTTEN:
                text = "the service forgets its films before their results are seen; raise CXR_RESULTS_RETENTION_H"
                self._end(claim, again.ended("CANCELED", text, self.clock(), "not_delivered"))
            else:
                self.register.move(claim, "claimed", again.model_dump_json())
            return
        later = work.with_films(known)
        if all(film.is_done for film in known):
            self._end(claim, later.judged(self.clock()))
        elif later == work:
            self.register.postpone(claim, LOOK_S)
        elif self.register.move(claim, "waiting", later.model_dump_json()):
            text = f"results of {sum(film.is_done for film in known)} of {len(known)} films"
            self.partners.origin.update(claim.workitem_uid, progress(claim.transaction_uid, later.percent, text))

    def _end(self, claim: Claim, work: Work) -> None:
        if self.register.move(claim, "ending", work.model_dump_json()):
            self._report(claim._replace(stage="ending", attempts=0), work)

    def _report(self, claim: Claim, work: Work) -> None:
        verdict = work.verdict or "CANCELED"  # never without, at this stage
        now = datetime.fromtimestamp(self.clock(), UTC)
        station = self.settings.station
        report = final_report(claim.transaction_uid, work, station, self.partners.archive, now)
        self.partners.origin.update(claim.workitem_uid, report)  # refused where it has ended: `finish` finds out how
        if not self.partners.origin.finish(claim.workitem_uid, claim.transaction_uid, verdict):
            self._lose(claim)
            return
        self._forget(claim)
        self.metrics.ended.labels(verdict.lower()).inc()
        log.info("workitem_ended", verdict=verdict, reason=work.reason, films=len(work.films))

    def _forget(self, claim: Claim) -> None:
        self.register.forget(claim)
        self._watched.discard(claim.workitem_uid)

    def _lose(self, claim: Claim) -> None:
        self._forget(claim)
        self.metrics.ended.labels("lost").inc()
        log.warning("workitem_lost", reason="the origin server ended it, or gave it to another performer")


def _described(work: Work, item: Workitem) -> Work:
    code = next((code for code in item.codes if code.value and code.scheme), None)
    return work.model_copy(update={"code": None if code is None else tuple(code), "is_urgent": item.is_urgent})
