"""What the trainer measures of a network, measured of the service."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.release_check.asking import Answered, Asker, file_of, repeatable
from schemas.model.evaluation import Evaluation
from schemas.model.looking import Looking
from trainer.films.cache import prepared_films
from trainer.films.film import Film
from trainer.films.task import Task
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions
from trainer.judging.shifts import NONE, PLANTED_SHIFTS, SHIFTS, Shift, shifted
from trainer.judging.validation import judge
from trainer.looking.answers import Answers, Films, answers_of
from trainer.looking.look import erasure_metrics, truth_of
from trainer.looking.marks import read_marks

_BATCH = 128  # films that are changed at once


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of one set of films."""

    evaluation: Evaluation
    outside: int
    """Films outside the bundle's population; they count in the figures, as they do in the trainer's."""


def task_of(asker: Asker) -> Task:
    """The classes of the bundle."""
    manifest = asker.manifest
    return Task(manifest.classes, manifest.negative_class, manifest.activation)


def found_again(asker: Asker, stated: Evaluation, films: Sequence[Film], *, shifts: bool = True) -> Found:
    """The answers judged as the trainer judges a network.

    Args:
        asker: the service.
        stated: what the card states of the films.
        films: V films.
        shifts: whether also under those shifts of the card that can be sent.
    """
    task = task_of(asker)
    plain = asker.answered((film.path.read_bytes() for film in films), len(films), f"{stated.data}, films")
    answers = LabelledLogits.of(stated.data, films, task.labels(films), plain.logits)
    if shifts and stated.shifts and repeatable(asker.manifest.preprocess):
        answers = replace(answers, shifted=_under_shifts(asker, stated, films, plain))
    return Found(judge(answers, task, asker.manifest.calibration), plain.outside)


def _under_shifts(
    asker: Asker, stated: Evaluation, films: Sequence[Film], plain: Answered
) -> Mapping[str, NDArray[np.float32]]:
    """Logits [V, K] by the name of each shift of the card."""
    names = {row.value for row in stated.shifts}
    under = {NONE: plain.logits.astype(np.float32)}
    with tempfile.TemporaryDirectory() as cache:
        prepared = prepared_films(films, asker.manifest.preprocess, Path(cache))
        for name, shift in {**SHIFTS, **PLANTED_SHIFTS}.items():
            if name in names:
                answered = asker.answered(_shifted_files(prepared, shift), len(films), f"{stated.data}, {name}")
                under[name] = answered.logits.astype(np.float32)
    return under


def _shifted_files(prepared: Films, shift: Shift) -> Iterator[bytes]:
    for start in range(0, len(prepared), _BATCH):
        yield from map(file_of, shifted(prepared[start : start + _BATCH], shift))


def as_stated(found: Evaluation, stated: Evaluation) -> Evaluation:
    """Without the figures that the card does not state, as it was made before they existed."""
    absent = {"corruption": None} if stated.corruption is None else {}
    return found.model_copy(update=absent | ({} if stated.bands else {"bands": {}}))


def erasures_found_again(asker: Asker, data: str, films: Sequence[Film], masks: Path) -> Looking:
    """The figures of films with parts erased, as the trainer measures them of a network; no heat maps.

    Args:
        asker: the service; it takes prepared films as they are, see `repeatable`.
        data: name of the set.
        films: of the set.
        masks: folder of lung masks, by the films' names.

    Raises:
        SystemExit: none of the films has a mask.
    """
    manifest = asker.manifest
    findings = [point.finding for point in manifest.calibration.operating_points]
    marks = read_marks(data, films, findings, manifest.preprocess, JudgeOptions(lung_masks=str(masks)))
    if marks is None:
        sys.exit(f"none of the {data} films has a mask in {masks}")
    chosen = [films[index] for index in marks.masked.tolist()]
    with tempfile.TemporaryDirectory() as cache:
        pixels = np.array(prepared_films(chosen, manifest.preprocess, Path(cache)))
    task = task_of(asker)

    def ask(some: Films) -> Answers:
        answered = asker.answered(map(file_of, some), len(some), f"{data}, films with parts erased")
        return answers_of(task, manifest.calibration, answered.logits, answered.familiar)

    truth = truth_of(task.labels(chosen), task.classes, findings)
    rows = tuple(erasure_metrics(ask, pixels, truth, marks, ask(pixels)))
    return Looking(data=marks.data, films=len(chosen), lung_masks=len(chosen), boxes=0, erasures=rows)


def worst_gap(evaluation: Evaluation) -> str:
    """The band whose claim is furthest from what is so, in words, beyond the interval of what is so."""
    gaps = [
        (band.gap, f"{finding}, probability {band.in_words}, {band.films} films")
        for finding, bands in evaluation.bands.items()
        for band in bands
    ]
    gap, where = max(gaps)
    return f"{gap:.3f} ({where})" if gap else "none, every claim lies in the interval of what is so"
