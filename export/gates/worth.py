"""The gate of a network whose training nobody here has seen: it must beat a guess and a few pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedGroupKFold

from biostatistics.delong import delong_interval, delong_test
from schemas.errors import BundleError
from schemas.estimate import Estimate
from schemas.model.decision import softmax
from schemas.model.evaluation import Evaluation
from trainer.films.task import Labels, Task
from trainer.judging.logits import LabelledLogits

FLOOR_SIDE = 24
FLOOR_MARGIN = 0.05
"""How far the network's AUROC may lie below that of the linear model, which the films at hand have trained. Measured:
docs/adopt.md."""
PENALTIES = tuple(10.0**power for power in range(-1, 5))
_FOLDS = 5
_GUESS = 0.5
_BINARY = 2


@dataclass(frozen=True, slots=True)
class Worth:
    """What a network is worth on films that did not train it."""

    data: str
    floor: dict[str, Estimate]
    """AUROC of each finding by a linear model of the pixels; empty: too few patients to fit one."""
    difference: dict[str, Estimate]
    """AUROC of the network minus that of the linear model, paired."""
    faults: tuple[str, ...]
    """Why it is not published without a reason; empty: it is."""


def measure_worth(
    outputs: LabelledLogits, films: NDArray[np.float32], evaluation: Evaluation, task: Task, *, least_auroc: float
) -> Worth:
    """Compare a network with a limit and with ridge regression on 24 x 24 pixels, cross-validated by patient.

    Args:
        outputs: logits, truth and patients of N films.
        films: the same films, float32 [N, 1, S, S].
        evaluation: of these outputs.
        task: the classes.
        least_auroc: of the lower end of the interval.

    Raises:
        BundleError: of two classes the network calls one the other.
    """
    _refuse_exchanged(evaluation, task)
    faults = []
    if evaluation.auroc.low < least_auroc:
        faults.append(
            f"AUROC {evaluation.auroc} on {evaluation.data}: the interval must begin at {least_auroc:g} or above"
        )
    floor: dict[str, Estimate] = {}
    difference: dict[str, Estimate] = {}
    scores = floor_scores(films, outputs.labels, np.asarray(outputs.patients))
    if scores is not None:
        network = outputs.scored(task.classes, softmax(outputs.logits))
        for name in _judged(task):
            index = task.classes.index(name)
            positive = outputs.labels == index
            floor[name] = delong_interval(positive, scores[:, index], patients=outputs.patients)
            difference[name] = delong_test(
                positive, network.probability(name), scores[:, index], patients=outputs.patients
            ).difference
        if all(each.high < -FLOOR_MARGIN for each in difference.values()):
            by_class = "; ".join(f"{name} {floor[name]}, the network minus it {difference[name]}" for name in floor)
            faults.append(
                f"a linear model of {FLOOR_SIDE} x {FLOOR_SIDE} pixels, fitted to the same films, does better by more "
                f"than {FLOOR_MARGIN:g}: AUROC of {by_class}"
            )
    return Worth(evaluation.data, floor, difference, tuple(faults))


def require_worth(worth: Worth, reason: str | None) -> None:
    """Refuse a network with faults that nobody has given a reason for.

    Raises:
        BundleError: it has faults and there is no reason.
    """
    if worth.faults and not (reason or "").strip():
        msg = (
            f"the network is not published: {'; '.join(worth.faults)}. Look at its preprocessing first (--mean, --std, "
            "--value-range, --polarity, or --owner-outputs, which finds them) and at the order of --classes; if it is "
            'to be published all the same, say why by --reason "…", which the manifest and the card state'
        )
        raise BundleError(msg)


def floor_scores(films: NDArray[np.float32], labels: Labels, patients: NDArray[np.str_]) -> NDArray[np.float64] | None:
    """Scores [N, K] of ridge regression on pixels, each by a model that has not seen the patient; None: too few.

    Args:
        films: [N, 1, S, S].
        labels: [N], indices of K classes.
        patients: [N].
    """
    kinds = int(labels.max()) + 1
    fewest = min(len(set(patients[labels == kind])) for kind in range(kinds))
    folds = min(_FOLDS, fewest)
    if folds < 2:  # noqa: PLR2004 - one to fit, one to score
        return None
    pixels = np.stack(
        [cv2.resize(film[0], (FLOOR_SIDE, FLOOR_SIDE), interpolation=cv2.INTER_AREA).ravel() for film in films]
    )
    truth = np.eye(kinds)[labels]
    scores = np.zeros(truth.shape)
    for fitted, held_out in StratifiedGroupKFold(folds).split(pixels, labels, patients):
        model = RidgeCV(alphas=PENALTIES).fit(pixels[fitted], truth[fitted])
        scores[held_out] = model.predict(pixels[held_out])
    return scores


def _judged(task: Task) -> tuple[str, ...]:
    """One curve for two classes."""
    return task.classes[1:] if len(task.classes) == _BINARY else task.classes


def _refuse_exchanged(evaluation: Evaluation, task: Task) -> None:
    if len(task.classes) == _BINARY and evaluation.auroc.high < _GUESS:
        msg = (
            f"AUROC {evaluation.auroc} on {evaluation.data}: the network calls {task.classes[0]} what the films call "
            f"{task.classes[1]}; give --classes {task.classes[1]},{task.classes[0]}, the order of its outputs, or "
            "correct --polarity"
        )
        raise BundleError(msg)
