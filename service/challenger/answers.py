"""What challengers answered: kept beside the readings of the bundle that serves, and brought together with them.

A method returns after its transaction is on disk.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, and_, delete, exists, func, insert, select

from schemas.api import Prediction
from schemas.evidence.challenger import ChallengerAnswer
from service.challenger.pairs import Answer, Pair, Said
from service.challenger.tables import answers
from service.dicomweb.tables import transaction
from service.surveillance.pseudonyms import Pseudonyms, key_of
from service.surveillance.tables import readings, verdicts


@dataclass(frozen=True, slots=True)
class Trial:
    """Which bundles are compared."""

    challenger_sha256: str
    active_sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """What is known of a trial beyond its pairs."""

    challenger: str | None
    """NAME/VERSION; None: it has read no film."""
    active: tuple[str, ...]
    not_read: int
    first_at: datetime | None
    last_at: datetime | None


class Answers:
    """The answers of challengers in one database."""

    def __init__(self, engine: Engine, key: bytes | None = None) -> None:
        """`key` is of the pseudonyms; None: that of the database, which is made where it has none."""
        self._engine = engine
        if key is None:
            with transaction(engine) as connection:
                key = key_of(connection)
        self.names = Pseudonyms(key)

    def keep(self, sop_instance_uid: str, answer: ChallengerAnswer, active_sha256: str, sex: str) -> None:
        """Keep an answer; a film that the same challenger read before is kept once.

        Args:
            sop_instance_uid: of the film; a keyed digest is stored.
            answer: of the challenger.
            active_sha256: of the bundle that answered the film.
            sex: M, F or O; empty: not stated.
        """
        row = {
            "film_key": self.names.film(sop_instance_uid),
            "challenger_sha256": answer.model.sha256,
            "active_sha256": active_sha256,
            "challenger": f"{answer.model.name}/{answer.model.version}",
            "read_at": answer.read_at.timestamp(),
            "sex": sex,
            "answer": answer.model_dump_json(),
        }
        one = and_(answers.c.film_key == row["film_key"], answers.c.challenger_sha256 == row["challenger_sha256"])
        with transaction(self._engine) as connection:
            connection.execute(delete(answers).where(one))
            connection.execute(insert(answers).values(row))

    def find(self, sop_instance_uid: str) -> ChallengerAnswer | None:
        """The latest answer of a challenger about a film; None: none has read it."""
        query = (
            select(answers.c.answer)
            .where(answers.c.film_key == self.names.film(sop_instance_uid))
            .order_by(answers.c.read_at.desc())
            .limit(1)
        )
        with transaction(self._engine) as connection:
            found = connection.scalar(query)
        return None if found is None else ChallengerAnswer.model_validate_json(found)

    def latest(self) -> Trial | None:
        """The trial of the film that a challenger read last; None: there was none."""
        query = select(answers).order_by(answers.c.read_at.desc()).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Trial(row.challenger_sha256, (row.active_sha256,))

    def pairs(self, trial: Trial) -> list[Pair]:
        """The films of a trial that both bundles read, with the last verdict about each."""
        spans = (
            select(verdicts.c.film_key, func.min(verdicts.c.id).label("first"), func.max(verdicts.c.id).label("last"))
            .group_by(verdicts.c.film_key)
            .subquery()
        )
        query = (
            select(readings, answers.c.answer, answers.c.sex, spans.c.first, verdicts.c.truth)
            .join(
                answers,
                and_(answers.c.film_key == readings.c.film_key, answers.c.active_sha256 == readings.c.model_sha256),
            )
            .outerjoin(spans, spans.c.film_key == readings.c.film_key)
            .outerjoin(verdicts, verdicts.c.id == spans.c.last)
            .where(answers.c.challenger_sha256 == trial.challenger_sha256)
            .where(answers.c.active_sha256.in_(trial.active_sha256))
            .order_by(readings.c.analysed_at)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [_pair(row) for row in rows]

    def counts(self, trial: Trial) -> TrialCounts:
        """See `TrialCounts`."""
        is_challenger = answers.c.challenger_sha256 == trial.challenger_sha256
        is_active = readings.c.model_sha256.in_(trial.active_sha256)
        is_read = exists().where(and_(answers.c.film_key == readings.c.film_key, is_challenger))
        ends = select(func.min(answers.c.read_at), func.max(answers.c.read_at), func.max(answers.c.challenger))
        began = (
            select(func.min(readings.c.analysed_at))
            .join(answers, answers.c.film_key == readings.c.film_key)
            .where(is_challenger)
        )
        with transaction(self._engine) as connection:
            first, last, challenger = connection.execute(ends.where(is_challenger)).one()
            since = connection.scalar(began)
            missing = select(func.count()).select_from(readings).where(is_active, ~is_read)
            not_read = 0 if since is None else connection.scalar(missing.where(readings.c.analysed_at >= since)) or 0
            names = connection.scalars(select(readings.c.bundle).where(is_active).distinct()).all()
        return TrialCounts(challenger, tuple(sorted(names)), not_read, _moment(first), _moment(last))


def _pair(row: Row[Any]) -> Pair:
    said = {name: Said(decision, probability) for name, (decision, probability) in json.loads(row.findings).items()}
    return Pair(
        active=Answer(row.decision, said),
        challenger=_answer(ChallengerAnswer.model_validate_json(row.answer).prediction),
        study=row.study_key,
        groups={
            "view": row.view,
            "age": row.age_group,
            "sex": row.sex,
            "station": row.station,
            "device": row.device,
        },
        truth={} if row.truth is None else json.loads(row.truth),
        judged=row.first or 0,
    )


def _answer(prediction: Prediction) -> Answer:
    return Answer(
        prediction.decision, {each.name: Said(each.decision, each.probability) for each in prediction.findings}
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
