"""The ledger of the surveillance: readings, verdicts, and what the audit log is still to record of them.

A method returns after its transaction is on disk. What is to be audited is written in the same transaction, so that a
process that is killed in between owes the record and does not forget it.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from schemas.errors import NotFoundError
from schemas.monitoring import Presence, VerdictReceipt, VerdictWord
from service.dicomweb.tables import transaction
from service.surveillance.pseudonyms import Pseudonyms, key_of
from service.surveillance.statements import FilmName, Statement
from service.surveillance.tables import outbox, readings, verdicts
from service.surveillance.truth import truth_of, word_of

UNKNOWN_FILM: Final = (
    "no film of this name was read here; a verdict names the SOPInstanceUID, the StudyInstanceUID or the accession "
    "number of a film that came by DICOMweb"
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One reading of a film with a verdict, in the order of the first verdict about the film."""

    model_sha256: str
    bundle: str
    analysed_at: float
    verdict_at: float
    """Of the last verdict, whose truth counts."""
    decisions: Mapping[str, str]
    truth: Mapping[str, Presence]


class Ledger:
    """The readings and verdicts of one database."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since 1970."""
        self._engine = engine
        self._clock = clock
        with transaction(engine) as connection:
            self.names = Pseudonyms(key_of(connection))

    def keep(self, reading: Mapping[str, Any]) -> None:
        """Keep a reading, by the columns of the table; a film that one bundle read before is kept once."""
        one = (readings.c.film_key == reading["film_key"]) & (readings.c.model_sha256 == reading["model_sha256"])
        with transaction(self._engine) as connection:
            connection.execute(delete(readings).where(one))
            connection.execute(insert(readings).values(dict(reading)))

    def judge(self, statement: Statement, facts: Mapping[str, Any]) -> tuple[VerdictReceipt, ...]:
        """Store a verdict about each film that it names; the same one twice is stored once.

        Args:
            statement: the verdict.
            facts: of the request, for the audit log.

        Raises:
            NotFoundError: no such film was read.
            InvalidParameterError: the verdict does not fit the answer.
        """
        with transaction(self._engine) as connection:
            films = self._films(connection, statement.film)
            if not films:
                raise NotFoundError(UNKNOWN_FILM)
            return tuple(self._judge_one(connection, film, statement, facts) for film in films)

    def _films(self, connection: Connection, film: FilmName) -> list[Row[Any]]:
        """The last reading of each film."""
        if film.sop_instance_uid is not None:
            named = readings.c.film_key == self.names.film(film.sop_instance_uid)
        elif film.report_instance_uid is not None:
            named = readings.c.report_key == self.names.report(film.report_instance_uid)
        elif film.study_instance_uid is not None:
            named = readings.c.study_key == self.names.study(film.study_instance_uid)
        else:
            named = readings.c.accession_key == self.names.accession(film.accession_number or "")
        rows = connection.execute(select(readings).where(named).order_by(readings.c.analysed_at).with_for_update())
        return list({row.film_key: row for row in rows}.values())

    def _judge_one(
        self, connection: Connection, film: Row[Any], statement: Statement, facts: Mapping[str, Any]
    ) -> VerdictReceipt:
        decisions = {name: decision for name, (decision, _) in json.loads(film.findings).items()}
        word: VerdictWord
        if statement.request is not None:
            truth = truth_of(statement.request, decisions, suspended=bool(film.suspended))
            word = statement.request.verdict
        else:
            truth = {name: each for name, each in (statement.truth or {}).items() if name in decisions}
            word = word_of(truth, decisions)
        of_film = verdicts.c.film_key == film.film_key
        last = connection.execute(select(verdicts).where(of_film).order_by(verdicts.c.id.desc()).limit(1)).one_or_none()
        if last is not None and last.verdict == word and json.loads(last.truth) == truth:
            return VerdictReceipt(stored="known", truth=truth)
        row = {"film_key": film.film_key, "at": self._clock(), "source": statement.source, "verdict": word}
        connection.execute(insert(verdicts).values(row | {"truth": json.dumps(truth, sort_keys=True)}))
        about = {"film_sha256": film.film_sha256, "model_sha256": film.model_sha256}
        told = {"verdict": word, "source": statement.source, "truth": truth}
        owe(connection, "verdict", dict(facts) | about | told)
        return VerdictReceipt(stored="new" if last is None else "changed", truth=truth)

    def labelled(self, models: Iterable[str], since: float) -> list[Labelled]:
        """The readings by these bundles since a moment whose film has a verdict.

        Args:
            models: SHA-256 of each bundle.
            since: a reading at this moment or later counts; in seconds since 1970.
        """
        ends = select(
            verdicts.c.film_key, func.min(verdicts.c.id).label("first"), func.max(verdicts.c.id).label("last")
        ).group_by(verdicts.c.film_key)
        spans = ends.subquery()
        query = (
            select(readings, verdicts.c.truth, verdicts.c.at)
            .join(spans, spans.c.film_key == readings.c.film_key)
            .join(verdicts, verdicts.c.id == spans.c.last)
            .where(readings.c.model_sha256.in_(list(models)), readings.c.analysed_at >= since)
            .order_by(spans.c.first)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            Labelled(
                row.model_sha256,
                row.bundle,
                row.analysed_at,
                row.at,
                {name: decision for name, (decision, _) in json.loads(row.findings).items()},
                json.loads(row.truth),
            )
            for row in rows
        ]

    def rates(self, models: Iterable[str], since: float) -> list[tuple[str, str, str, str, int]]:
        """Counts of films by station, device, decision and reasons (JSON), of these bundles since a moment."""
        groups = (readings.c.station, readings.c.device, readings.c.decision, readings.c.reasons)
        query = (
            select(*groups, func.count())
            .where(readings.c.model_sha256.in_(list(models)), readings.c.analysed_at >= since)
            .group_by(*groups)
        )
        with transaction(self._engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def last_verdict(self) -> int:
        """The number of the last verdict; 0: there is none."""
        with transaction(self._engine) as connection:
            return connection.scalar(select(func.max(verdicts.c.id))) or 0

    def count(self, models: Iterable[str], since: float) -> int:
        """The readings by these bundles since a moment."""
        ours = readings.c.model_sha256.in_(list(models)) & (readings.c.analysed_at >= since)
        with transaction(self._engine) as connection:
            return connection.scalar(select(func.count()).select_from(readings).where(ours)) or 0

    def owed(self, at_most: int = 256) -> list[tuple[int, str, dict[str, Any]]]:
        """What the audit log is still to record, the oldest first: number, event, facts."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(outbox).order_by(outbox.c.id).limit(at_most)).all()
        return [(row.id, row.event, json.loads(row.facts)) for row in rows]

    def settled(self, number: int) -> None:
        """It is recorded."""
        with transaction(self._engine) as connection:
            connection.execute(delete(outbox).where(outbox.c.id == number))


def owe(connection: Connection, event: str, facts: Mapping[str, Any]) -> None:
    """Let the audit log record an event, once it can; in the transaction of what happened."""
    connection.execute(insert(outbox).values(event=event, facts=json.dumps(facts)))
