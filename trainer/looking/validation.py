"""What a trial's network looks at on its validation films: their masks and boxes are read, and the measures taken."""

from collections.abc import Sequence

from schemas.model.looking import Looking
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.films.task import LabelledFilms
from trainer.judging.options import JudgeOptions
from trainer.looking.answers import Reader
from trainer.looking.look import look, truth_of
from trainer.looking.marks import read_marks


def look_at_validation(
    reader: Reader, record: TrialRecord, films: Sequence[Film], prepared: LabelledFilms, options: JudgeOptions
) -> Looking | None:
    """Measure what a trial's network looks at; None where no validation film has a mask or a box.

    Args:
        reader: the trial's network.
        record: of the trial, calibrated.
        films: V films of validation.
        prepared: the same, prepared.
        options: where masks and boxes lie.

    Raises:
        TrainingDataError: see `trainer.looking.marks.read_marks`.
    """
    findings = [point.finding for point in record.calibration.operating_points]
    marks = read_marks("validation", films, findings, record.preprocess, options)
    if marks is None:
        return None
    return look(reader, prepared.films, truth_of(prepared.labels, record.classes, findings), marks)
