"""Mistakes about findings that are judged each by itself: a pair of a film and a finding can go wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biostatistics.metrics import certain
from export.gates.answers import Answers
from schemas.model.decision import presence
from schemas.model.trial import CalibratedNetwork
from trainer.films.task import Labels

Pairs = NDArray[np.bool_]  # [V, K]


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of mistake, among films and findings."""

    name: str
    meaning: str
    wrong: Pairs
    eligible: Pairs
    ranks: NDArray[np.float64]  # [V, K], the worst have the lowest

    def worst(self, count: int) -> list[tuple[int, int]]:
        """Film and finding of the worst pairs, at most one of each film."""
        order = np.argsort(np.where(self.wrong, self.ranks, np.inf), axis=None, kind="stable")
        pairs: dict[int, int] = {}
        for place in order[: int(self.wrong.sum())].tolist():
            film, finding = divmod(place, self.wrong.shape[1])
            pairs.setdefault(film, finding)
            if len(pairs) == count:
                break
        return list(pairs.items())


def finding_kinds(given: Answers, truth: Labels, record: CalibratedNetwork) -> Iterator[FindingKind]:
    """The kinds of mistakes, each over all findings.

    Args:
        given: answers about V films.
        truth: [V, K], see `trainer.films.task.Labels`.
        record: findings and calibration.
    """
    called = np.asarray(given.labels, np.bool_)
    present = truth == 1
    absent = truth == 0
    right = truth_probability(given, truth)
    yield FindingKind("missed", "a finding that is there, not called", present & ~called, present, right)
    yield FindingKind("false alarm", "a finding that is not there, called", absent & called, absent, right)
    unfamiliar = np.zeros(len(truth), np.bool_) if given.unfamiliarity is None else given.unfamiliarity > 1
    if given.unfamiliarity is not None:
        first = np.zeros(truth.shape, np.bool_)
        first[np.arange(len(truth)), given.probabilities.argmax(axis=1)] = True  # one pair for each film
        ranks = np.broadcast_to(-given.unfamiliarity[:, None], truth.shape)
        meaning = "a film that is not answered: too far from the training films"
        yield FindingKind("unfamiliar", meaning, first & unfamiliar[:, None], first, ranks)
    unclear = _unclear(given, called, record) & ~unfamiliar[:, None]
    meaning = "a finding that is not answered: its conformal set does not hold what its threshold says alone"
    yield FindingKind("unclear", meaning, unclear, certain(truth) | unclear, right)


def truth_probability(given: Answers, truth: Labels) -> NDArray[np.float64]:
    """The probability of what is true of each finding, [V, K]; where that is not known, of its call."""
    there = np.where(certain(truth), truth == 1, given.labels)
    probabilities: NDArray[np.float64] = np.where(there, given.probabilities, 1 - given.probabilities)
    return probabilities


def _unclear(given: Answers, called: Pairs, record: CalibratedNetwork) -> Pairs:
    conformal = record.calibration.conformal
    there = np.array(
        [
            [presence(name, probability, conformal) for name, probability in zip(record.classes, row, strict=True)]
            for row in given.probabilities.tolist()
        ]
    )
    unclear: Pairs = there != np.where(called, "present", "absent")
    return unclear
