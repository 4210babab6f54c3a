"""What a network answers for each film of a set, as a table for spreadsheets, by the rules of the service.

It names a film by its hash, never by its path or patient, so that the table may leave the place where the films are.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import TrainingDataError
from schemas.model.decision import answer, calibrated, conformal_set, film_decision, finding_label
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.folder import Part
from trainer.judging.findings.answers import finding_decisions, findings_in_words
from trainer.judging.outputs import SavedOutputs

HASH_DIGITS = 12
"""Of the SHA-256 of a film's file: as many as name a film in the card of a bundle."""
_PROBABILITY = "probability "
_DECISION = "decision "
_COLUMNS = ("film", "split", "truth", "label", "decision", "set", "familiar", "spread")


@dataclass(frozen=True, slots=True)
class FilmAnswer:
    """One row of the table: a film, its truth, and what the network answers."""

    film: str
    """The first digits of the SHA-256 of its file, which `split.csv` holds whole."""
    truth: str
    label: str
    """At the operating points."""
    decision: str
    """positive, negative or abstain."""
    candidates: tuple[str, ...]
    """The conformal set."""
    familiar: bool | None
    """False: unlike the training films; None: not checked."""
    spread: float | None
    """Of the answers about the film, see `trainer.judging.uncertainty`; None: not measured."""
    probabilities: Mapping[str, float]
    """Calibrated, by class."""


def read_predictions(path: Path) -> tuple[FilmAnswer, ...]:
    """The rows of a table.

    Raises:
        TrainingDataError: there is no such table, or one of another form.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return tuple(_answer(row) for row in csv.DictReader(stream))
    except (OSError, KeyError, ValueError) as error:
        msg = (
            f"{path} is missing or of another version; the test set has one once the run has opened it, else run the "
            "training again with the same --out"
        )
        raise TrainingDataError(msg) from error


def _answer(row: Mapping[str, str]) -> FilmAnswer:
    return FilmAnswer(
        film=row["film"],
        truth=row["truth"],
        label=row["label"],
        decision=row["decision"],
        candidates=tuple(filter(None, row["set"].split("|"))),
        familiar={"yes": True, "no": False, "": None}[row["familiar"]],
        spread=float(row["spread"]) if row["spread"] else None,
        probabilities={
            name.removeprefix(_PROBABILITY): float(value)
            for name, value in row.items()
            if name.startswith(_PROBABILITY)
        },
    )


def prediction_table(record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]) -> str:
    """The table as CSV with a row for each film, in the order of the outputs.

    Of findings that are judged each by itself, truth, label and set list several, and each has a decision of its own;
    the film's is positive where any is, and negative where all are.

    Args:
        record: classes, calibration, operating points and conformal quantiles.
        part: name of the set.
        outputs: of the network for these films.
        films: N films.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    decisions = [f"{_DECISION}{name}" for name in record.classes] if record.activation == "sigmoid" else []
    writer.writerow((*_COLUMNS, *(f"{_PROBABILITY}{name}" for name in record.classes), *decisions))
    writer.writerows(_rows(record, part, outputs, films))
    return text.getvalue()


def _rows(
    record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]
) -> Iterator[tuple[str | float, ...]]:
    calibration = record.calibration
    probabilities = calibrated(outputs.logits, calibration, record.classes)
    familiar = [None] * len(films) if outputs.unfamiliarity is None else (outputs.unfamiliarity <= 1).tolist()
    spreads = [None] * len(films) if outputs.spread is None else outputs.spread.tolist()
    for film, row, known, spread in zip(films, probabilities, familiar, spreads, strict=True):
        named = dict(zip(record.classes, row.tolist(), strict=True))
        candidates = conformal_set(named, calibration.conformal.quantiles)
        label, decision, *decisions = _answers(record, named, candidates, known=known)
        yield (
            film.sha256[:HASH_DIGITS],
            part,
            film.label,
            label,
            decision,
            "|".join(candidates),
            "" if known is None else ("yes" if known else "no"),
            "" if spread is None else f"{spread:.6f}",
            *(f"{probability:.6f}" for probability in named.values()),
            *decisions,
        )


def _answers(
    record: TrialRecord, probabilities: Mapping[str, float], candidates: Sequence[str], *, known: bool | None
) -> Iterator[str]:
    """The label and the decision of a film, and the decision about each of its findings."""
    points = record.calibration.operating_points
    if record.activation == "sigmoid":
        called = (point.finding for point in points if probabilities[point.finding] >= point.threshold)
        decisions = finding_decisions(probabilities, record.calibration, in_distribution=known)
        yield from (findings_in_words(called), film_decision(decisions.values()), *decisions.values())
        return
    label = finding_label(list(probabilities.values()), record.classes, record.negative_class, points)
    yield label
    yield _decision(label, record.negative_class, candidates, known=known)


def _decision(label: str, negative_class: str | None, candidates: Sequence[str], *, known: bool | None) -> str:
    if answer(label, candidates, in_distribution=known) != "given":
        return "abstain"
    return "negative" if label == negative_class else "positive"
