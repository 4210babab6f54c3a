"""Films that two bundles read, as a test wants them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import Engine, String, Text, insert

from schemas.api import FindingAnswer, ModelReference, Prediction
from schemas.estimate import Estimate
from schemas.evidence.challenger import ChallengerAnswer
from schemas.model.calibration import Decision, OperatingPoint
from service.challenger.answers import Answers
from service.challenger.pairs import Answer, Pair, Said
from service.surveillance.tables import readings, verdicts

FINDING = "PNEUMONIA"
WHOLE = Estimate(value=0.9, low=0.8, high=1.0)


def answer(word: str, probability: float | None = None, finding: str = FINDING) -> Answer:
    """`answer("+")`: positive; `-`: negative; `?`: abstain."""
    decisions: Mapping[str, Decision] = {"+": "positive", "-": "negative", "?": "abstain"}
    decision = decisions[word]
    default = {"+": 0.9, "-": 0.1, "?": 0.5}[word]
    return Answer(decision, {finding: Said(decision, default if probability is None else probability)})


def pair(words: str, truth: str | None = None, judged: int = 0, study: str = "", **groups: str) -> Pair:
    """`pair("+-", "present")`: who serves says positive, the challenger negative; the first is right."""
    return Pair(
        active=answer(words[0]),
        challenger=answer(words[1]),
        study=study or f"study {judged}",
        groups=groups,  # type: ignore[arg-type] # names of attributes
        truth={} if truth is None else {FINDING: truth},  # type: ignore[dict-item] # present or absent
        judged=judged,
    )


def pairs(films: Mapping[tuple[str, str], int]) -> Iterator[Pair]:
    """So many films of each pair of words and truth, with verdicts in their order."""
    judged = 0
    for (words, truth), count in films.items():
        for _ in range(count):
            judged += 1
            yield pair(words, truth, judged)


SERVES = "a" * 64
READS = "b" * 64
REFERENCE = ModelReference(name="tiny", version="2.0.0", architecture="tiny", sha256=READS)


def keep(engine: Engine, films: Iterable[Pair], *, read: bool = True) -> None:
    """Put films into a database, as the service would have.

    Args:
        engine: of the database.
        films: each with its answers and its truth; the order is that of their arrival.
        read: whether the challenger has read them.
    """
    kept = Answers(engine)
    for number, film in enumerate(films):
        name = f"{film.judged}.{number}"
        at = 1_000_000.0 + number
        findings = {finding: [said.decision, said.probability] for finding, said in film.active.findings.items()}
        row = {
            "film_key": kept.names.film(name),
            "model_sha256": SERVES,
            "study_key": film.study,
            "analysed_at": at,
            "bundle": "tiny/1.0.0",
            "decision": film.active.decision,
            "findings": json.dumps(findings),
            "station": film.groups.get("station", ""),
            "view": film.groups.get("view", ""),
        }
        row = {column.name: "" if isinstance(column.type, String | Text) else 0 for column in readings.columns} | row
        with engine.begin() as connection:
            connection.execute(insert(readings).values(row))
            if film.truth:
                stated = {"film_key": row["film_key"], "at": at, "source": "api", "verdict": "accept"}
                connection.execute(insert(verdicts).values(stated | {"truth": json.dumps(dict(film.truth))}))
        if read:
            moment = datetime.fromtimestamp(at + 1, UTC)
            said = ChallengerAnswer(model=REFERENCE, read_at=moment, prediction=_prediction(film.challenger))
            kept.keep(name, said, SERVES, film.groups.get("sex", ""))


def _prediction(answer: Answer) -> Prediction:
    said = answer.findings[FINDING]
    point = OperatingPoint(
        finding=FINDING, threshold=0.3, target_sensitivity=0.9, sensitivity=WHOLE, specificity=WHOLE, data="made up"
    )
    finding = FindingAnswer(
        name=FINDING,
        probability=said.probability,
        decision=said.decision,
        confidence_band="low",
        operating_point=point,
    )
    return Prediction(
        label=FINDING,
        probabilities={FINDING: said.probability},
        decision=answer.decision,
        prediction_set=(),
        operating_point=point,
        calibrated=True,
        confidence_band="low",
        in_distribution=None,
        out_of_distribution_score=None,
        recommendation="",
        findings=(finding,),
    )
