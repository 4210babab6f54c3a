"""What is answered to films and how it is explained: the seam between the measures and a network or a service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.model.calibration import Calibration
from schemas.model.decision import answer, calibrated, conformal_set, finding_label, presence
from schemas.model.guide import GuideRecord, sightings
from schemas.model.trial import CalibratedNetwork
from trainer.films.task import LabelledFilms, Task
from trainer.judging.gate import films_unfamiliarity, gate_inputs
from trainer.judging.logits import Logits
from trainer.networks.gradcam import explain
from trainer.networks.inference import seen
from trainer.networks.network import Network

Films = NDArray[np.float32]  # [M, 1, S, S] in [0, 1]
Flags = Mapping[str, NDArray[np.bool_]]  # by finding: [M]


@dataclass(frozen=True, slots=True)
class Answers:
    """What is answered to M films, by the rules of the service."""

    probabilities: Mapping[str, NDArray[np.float64]]
    """By finding: [M], calibrated."""
    called: Flags
    """Which films are called so at the operating points, answered or not."""
    answered: Flags
    """Which films are not abstained from."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever answers and explains films: a network, or the service in front of it."""

    answers: Callable[[Films], Answers]
    maps: Callable[[Films, str], NDArray[np.float32]]
    """The heat maps [M, h, w] of films for one finding."""


def network_reader(
    network: Network, record: CalibratedNetwork, statistics: Mapping[str, NDArray[np.float32]] | None
) -> Reader:
    """A network on any device with the rules of its record.

    Args:
        network: left in eval mode.
        record: classes and calibration.
        statistics: arrays of its gate; None: it has none.
    """
    task = Task.of(record)

    def answers(films: Films) -> Answers:
        unlabelled = LabelledFilms(films, np.zeros(len(films), np.int64), len(record.classes))
        logits, inputs = gate_inputs(network, unlabelled)
        distribution = record.calibration.out_of_distribution
        familiar: list[bool | None] = [None] * len(films)
        if distribution is not None and statistics is not None:
            familiar = (films_unfamiliarity(distribution, statistics, inputs) <= 1).tolist()
        if record.guide is not None:
            inside = [is_inside(record.guide, row) for row in seen(network, films)["traits"]]
            familiar = [known if own else False for known, own in zip(familiar, inside, strict=True)]
        return answers_of(task, record.calibration, logits, familiar)

    def maps(films: Films, finding: str) -> NDArray[np.float32]:
        return explain(network, films, np.full(len(films), record.classes.index(finding)))

    return Reader(answers, maps)


def is_inside(guide: GuideRecord, probabilities: NDArray[np.float32]) -> bool:
    """Whether a film with these probabilities [T] passes every trait of a guide."""
    return all(sighting.accepted for sighting in sightings(guide.traits, probabilities.tolist()).values())


def answers_of(task: Task, calibration: Calibration, logits: Logits, familiar: Sequence[bool | None]) -> Answers:
    """The answers by the rules of a calibration.

    Args:
        task: the classes.
        calibration: what validation decided.
        logits: [M, K].
        familiar: [M], whether the gate takes each film, and the guide, where there is one; None: neither was asked.
    """
    rows = calibrated(logits, calibration, task.classes)
    findings = [point.finding for point in calibration.operating_points]
    probabilities = {finding: rows[:, task.classes.index(finding)] for finding in findings}
    if task.alone:
        return _of_findings(calibration, probabilities, familiar)
    labels = [finding_label(row, task.classes, task.negative_class, calibration.operating_points) for row in rows]
    sets = [
        conformal_set(dict(zip(task.classes, row, strict=True)), calibration.conformal.quantiles)
        for row in rows.tolist()
    ]
    verdicts = zip(labels, sets, familiar, strict=True)
    given = np.array([answer(label, own, in_distribution=known) == "given" for label, own, known in verdicts])
    called = {finding: np.array([label == finding for label in labels]) for finding in findings}
    return Answers(probabilities, called, dict.fromkeys(findings, given))


def _of_findings(
    calibration: Calibration, probabilities: Mapping[str, NDArray[np.float64]], familiar: Sequence[bool | None]
) -> Answers:
    conformal = calibration.conformal
    inside = np.array([known is not False for known in familiar])
    called, answered = {}, {}
    for point in calibration.operating_points:
        values = probabilities[point.finding]
        called[point.finding] = values >= point.threshold
        clear = [presence(point.finding, value, conformal) != "unclear" for value in values.tolist()]
        answered[point.finding] = np.array(clear) & inside
    return Answers(probabilities, called, answered)
