"""What a network's logits say of the films of a split: kept beside the trial, and judged."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.trial import TrialRecord
from trainer.films.dataset import DataRecord
from trainer.films.film import Film, data_sha256
from trainer.judging.evaluate import evaluate
from trainer.judging.outputs import SavedOutputs
from trainer.judging.subgroups import attributes_of


def judge(  # noqa: PLR0913 - what an evaluation is a function of
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    films: Sequence[Film],
    calibration: Calibration,
    known: DataRecord | TrialRecord,
    *,
    data: str,
) -> Evaluation:
    """Evaluate logits [N, K] on their films; see `trainer.evaluate.evaluate`."""
    return evaluate(
        logits,
        labels,
        [film.patient for film in films],
        calibration,
        known.classes,
        known.negative_class,
        data=data,
        data_sha256=data_sha256(films),
        attributes=attributes_of(films),
    )


def outputs_of(
    logits: NDArray[np.float32], labels: NDArray[np.int64], films: Sequence[Film], root: Path
) -> SavedOutputs:
    """The logits [N, K] of films below `root`, to be kept."""
    return SavedOutputs(
        films=np.array([film.path.relative_to(root).as_posix() for film in films]),
        patients=np.array([film.patient for film in films]),
        labels=labels,
        logits=logits,
    )
