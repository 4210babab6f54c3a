"""The answers that the service would give for films, by the rules that it shares with the trainer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.session import GraphOutputs
from imaging.thumbnail import thumbnails
from schemas.model.decision import Answer, answer, conformal_set, finding_label
from schemas.model.familiarity import Familiarity, unfamiliarity
from schemas.model.trial import CalibratedNetwork
from trainer.films.task import Labels, Task
from trainer.judging.findings.answers import called_findings, finding_decisions

Statistics = Mapping[str, NDArray[Any]]
"""Arrays of `schemas.model.calibration.OutOfDistribution`."""


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Films that a graph is judged on."""

    films: NDArray[np.float32]  # [V, 1, S, S] in [0, 1]
    labels: Labels  # [V], or of findings [V, K]
    patients: NDArray[np.str_]  # [V]
    statistics: Statistics | None
    """None: no verdict on distribution is given."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Of V films, in their order."""

    probabilities: NDArray[np.float64]  # [V, K], calibrated
    labels: NDArray[np.int64] | NDArray[np.bool_]
    """[V], at the operating points, as indices into the classes; or [V, K], which findings are called."""
    unfamiliarity: NDArray[np.float64] | None  # [V], above 1 is not answered; None: not checked
    given: tuple[Answer, ...]

    @property
    def in_distribution(self) -> NDArray[np.bool_] | None:
        """Whether each film is within the cut-offs, [V]; None: not checked."""
        return None if self.unfamiliarity is None else self.unfamiliarity <= 1


def answers(outputs: GraphOutputs, validation: ValidationSet, record: CalibratedNetwork) -> Answers:
    """Apply the record's thresholds, quantiles and cut-offs to the outputs of a graph for these films."""
    classes = record.classes
    points = record.calibration.operating_points
    probabilities = np.minimum(outputs["probabilities"].astype(np.float64), 1.0)
    if record.activation == "sigmoid":
        return _of_findings(probabilities, _unfamiliarity(outputs, validation, record), record)
    labels = [finding_label(row, classes, record.negative_class, points) for row in probabilities]
    scores = _unfamiliarity(outputs, validation, record)
    claims = []
    for index, label in enumerate(labels):
        prediction_set = conformal_set(
            dict(zip(classes, probabilities[index].tolist(), strict=True)), record.calibration.conformal.quantiles
        )
        claims.append(
            answer(label, prediction_set, in_distribution=None if scores is None else bool(scores[index] <= 1))
        )
    return Answers(probabilities, np.array([classes.index(label) for label in labels]), scores, tuple(claims))


def _of_findings(
    probabilities: NDArray[np.float64], scores: NDArray[np.float64] | None, record: CalibratedNetwork
) -> Answers:
    """A film is given an answer where each of its findings is, and is unclear where any is."""
    claims: list[Answer] = []
    for index, row in enumerate(probabilities.tolist()):
        if scores is not None and scores[index] > 1:
            claims.append("unfamiliar")
            continue
        named = dict(zip(record.classes, row, strict=True))
        decisions = finding_decisions(named, record.calibration, in_distribution=None)
        claims.append("unclear" if "abstain" in decisions.values() else "given")
    called = called_findings(probabilities, record.classes, record.calibration.operating_points)
    return Answers(probabilities, called, scores, tuple(claims))


def _unfamiliarity(
    outputs: GraphOutputs, validation: ValidationSet, record: CalibratedNetwork
) -> NDArray[np.float64] | None:
    distribution = record.calibration.out_of_distribution
    if distribution is None or validation.statistics is None:
        return None
    cutoffs = np.array([distribution.cutoffs[name] for name in Task.of(record).groups])
    frames = thumbnails(validation.films, outputs.get("lungs"))
    scores = Familiarity.from_arrays(validation.statistics).scores(outputs["embedding"], frames)
    return unfamiliarity(scores, cutoffs)
