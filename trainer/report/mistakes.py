"""The films that a network labels wrongly, the worst first, the borderline films, and why: spread, erased parts."""

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.errors import CxrError
from schemas.model.decision import calibrated, finding_label
from schemas.model.evaluation import Evaluation
from schemas.model.trial import TrialRecord
from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.film import Film
from trainer.judging.findings.answers import called_findings, findings_in_words
from trainer.judging.outputs import SavedOutputs
from trainer.looking.rows import (
    ERASURE_CAPTION,
    ERASURE_HEAD,
    HEAT_CAPTION,
    HEAT_HEAD,
    erasure_rows,
    heat_rows,
)
from trainer.report.html import Table

_NEARLY_BLACK = 26
"""Of 255: a tenth of the range; 12 bits in a file of 16 give 16."""
_SMALLEST = 1e-12  # a probability whose logarithm is still taken


@dataclass(frozen=True, slots=True)
class JudgedFilm:
    """One film, its truth and the network's answer."""

    path: str
    """Relative to the run's data folder."""
    truth: str
    label: str
    """At the operating points."""
    probabilities: Mapping[str, float]
    """Calibrated, by class."""
    right: Mapping[str, float] | None = None
    """Of findings that are judged each by itself: the probability of what is true of each that is known."""
    miscalled: tuple[str, ...] = ()
    """The findings of which the call is wrong."""

    @property
    def is_wrong(self) -> bool:
        """Whether the label, or the call of any finding, is wrong."""
        return self.label != self.truth if self.right is None else bool(self.miscalled)

    @property
    def truth_probability(self) -> float:
        """The probability of the truth; of findings of that to which the least is given."""
        if self.right is None:
            return self.probabilities[self.truth]
        return min(self.right[name] for name in self.miscalled or self.right)

    @property
    def named(self) -> dict[str, float]:
        """The probabilities that explain the answer: of the truth, the label and the largest, each once.

        Of findings those that are called wrongly, or else the largest.
        """
        most = max(self.probabilities, key=self.probabilities.__getitem__)
        names = (self.truth, self.label, most) if self.right is None else self.miscalled or (most,)
        return {name: self.probabilities[name] for name in names}


def judged_films(outputs: SavedOutputs, record: TrialRecord) -> tuple[JudgedFilm, ...]:
    """Every film of a set with its label at the operating points."""
    points = record.calibration.operating_points
    probabilities = calibrated(outputs.logits, record.calibration, record.classes)
    if record.activation == "sigmoid":
        return _judged_findings(outputs, record, probabilities)
    return tuple(
        JudgedFilm(
            path=str(path),
            truth=record.classes[label],
            label=finding_label(row, record.classes, record.negative_class, points),
            probabilities=dict(zip(record.classes, row.tolist(), strict=True)),
        )
        for path, label, row in zip(outputs.films, outputs.labels, probabilities, strict=True)
    )


def _judged_findings(
    outputs: SavedOutputs, record: TrialRecord, probabilities: NDArray[np.float64]
) -> tuple[JudgedFilm, ...]:
    called = called_findings(probabilities, record.classes, record.calibration.operating_points)

    def judged(path: str, truth: Sequence[float], calls: Sequence[bool], row: Sequence[float]) -> JudgedFilm:
        named = dict(zip(record.classes, row, strict=True))
        known = {name: value == 1 for name, value in zip(record.classes, truth, strict=True) if value in {0, 1}}
        call = dict(zip(record.classes, calls, strict=True))
        return JudgedFilm(
            path=path,
            truth=findings_in_words(name for name, there in known.items() if there),
            label=findings_in_words(name for name, there in call.items() if there),
            probabilities=named,
            right={name: named[name] if there else 1 - named[name] for name, there in known.items()} or None,
            miscalled=tuple(name for name, there in known.items() if call[name] != there),
        )

    rows = zip(outputs.films.tolist(), outputs.labels.tolist(), called.tolist(), probabilities.tolist(), strict=True)
    return tuple(judged(*row) for row in rows)


def uncertainty_tables(record: TrialRecord) -> Iterator[Table]:
    """How well the spread of the answers shows wrong labels; nothing where there is no spread, or no wrong label."""
    if (uncertainty := record.uncertainty) is None:
        return
    worth = {"validation": uncertainty.validation, "test": uncertainty.test}
    rows = [
        (f"{name}, {part.errors:,} of {part.films:,} wrong", str(part.spread_auroc), str(part.improbability_auroc))
        for name, part in worth.items()
        if part is not None
    ]
    source = "draws of the dropout" if uncertainty.source == "dropout" else "members"
    caption = (
        f"Uncertainty: AUROC for wrong labels, of the spread of the probability over {uncertainty.answers} {source} "
        "and of 1 minus the probability of the label, which needs one answer. 0.5 shows nothing."
    )
    if rows:
        yield Table(caption, ("labels", "spread", "1 minus probability"), rows)


def corruption_tables(evaluations: Mapping[str, Evaluation]) -> Iterator[Table]:
    """The balanced error over all shifts; nothing where none was tried."""
    rows = [
        (
            f"{name}, {part.shifts} shifts",
            str(part.clean),
            str(part.shifted),
            "undefined" if part.ratio is None else f"{part.ratio:.2f}",
        )
        for name, evaluation in evaluations.items()
        if (part := evaluation.corruption) is not None
    ]
    if rows:
        caption = (
            "Balanced error at the operating points (1 less the mean of sensitivity and specificity): films as they "
            "are, and the mean over all shifts, after MedMNIST-C (arXiv:2406.17536)."
        )
        yield Table(caption, ("films", "as they are", "under shifts", "ratio"), rows)


def looking_tables(record: TrialRecord) -> Iterator[Table]:
    """What the network looks at; nothing where no validation film has marked lungs or findings."""
    if (looking := record.looking) is None:
        return
    if rows := erasure_rows(looking):
        yield Table(f"What the network looks at, on {looking.data}. {ERASURE_CAPTION}", ERASURE_HEAD, rows)
    if rows := heat_rows(looking):
        yield Table(HEAT_CAPTION, HEAT_HEAD, rows)


def worst(films: Sequence[JudgedFilm], count: int) -> tuple[JudgedFilm, ...]:
    """The wrongly labelled films to whose truth the network gave the least probability, the worst first."""
    wrong = [film for film in films if film.is_wrong]
    return tuple(sorted(wrong, key=lambda film: film.truth_probability)[:count])


def borderline(films: Sequence[JudgedFilm], thresholds: Mapping[str, float], count: int) -> tuple[JudgedFilm, ...]:
    """The films nearest to a threshold on the scale of log odds, right or wrong, the nearest first."""

    def distance(film: JudgedFilm) -> float:
        return min(abs(_log_odds(film.probabilities[name]) - _log_odds(value)) for name, value in thresholds.items())

    return tuple(sorted(films, key=distance)[:count])


def thumbnails(paths: Iterable[str], films: Mapping[str, Film], spec: PreprocessSpec) -> dict[str, bytes]:
    """PNG files of the films as the network sees them; films whose file is missing or unreadable have none.

    Args:
        paths: of the films to show, relative to the data folder.
        films: of the run, by that path.
        spec: how bytes become the network's input.
    """
    pictures = {}
    with tempfile.TemporaryDirectory() as cache:
        for path in paths:
            try:
                prepared = prepared_films([films[path]], spec, Path(cache))[0, 0]
            except (KeyError, CxrError):  # the report says that the film was not found
                continue
            pictures[path] = cv2.imencode(".png", (prepared * 255).round().astype(np.uint8))[1].tobytes()
    return pictures


def is_nearly_black(png: bytes) -> bool:
    """Whether hardly anything can be seen in a picture that `thumbnails` made."""
    film = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.float64)
    return bool(np.percentile(film, 99) < _NEARLY_BLACK)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _SMALLEST), 1 - _SMALLEST)
    return math.log(bounded / (1 - bounded))
