"""One film that both bundles read, and the table of such films in the form that statistics take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.evidence.challenger import GroupAttribute
from schemas.model.calibration import Decision
from schemas.monitoring import Presence


@dataclass(frozen=True, slots=True)
class Said:
    """What a bundle says of one finding of a film."""

    decision: Decision
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a bundle says of a film."""

    decision: Decision
    findings: Mapping[str, Said]


@dataclass(frozen=True, slots=True)
class Pair:
    """The answers of both bundles about a film."""

    active: Answer
    challenger: Answer
    study: str
    """Films of one study belong together."""
    groups: Mapping[GroupAttribute, str] = field(default_factory=dict)
    truth: Mapping[str, Presence] = field(default_factory=dict)
    """By finding, as the last verdict has it; empty: there is none."""
    judged: int = 0
    """The place of its first verdict among all; 0: there is none."""


@dataclass(frozen=True, slots=True)
class JudgedFilms:
    """The films whose truth about one finding is known, in the order of their verdicts."""

    finding: str
    present: NDArray[np.bool_]  # [N]
    challenger_right: NDArray[np.bool_]  # [N]
    active_right: NDArray[np.bool_]  # [N]
    challenger: NDArray[np.float64]  # [N], probabilities
    active: NDArray[np.float64]  # [N], probabilities
    studies: NDArray[np.str_]  # [N]

    def first(self, films: int) -> "JudgedFilms | None":
        """Those with which `films` with and without the finding are complete; None where there are not as many."""
        with_finding = np.cumsum(self.present)
        enough = np.flatnonzero(np.minimum(with_finding, np.arange(1, len(with_finding) + 1) - with_finding) >= films)
        return self.take(slice(0, int(enough[0]) + 1)) if enough.size else None

    def take(self, which: slice | NDArray[np.bool_]) -> "JudgedFilms":
        """Some of them."""
        return JudgedFilms(
            self.finding,
            self.present[which],
            self.challenger_right[which],
            self.active_right[which],
            self.challenger[which],
            self.active[which],
            self.studies[which],
        )


def common_findings(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The findings that both bundles look for, in the order of the bundle that serves."""
    for pair in pairs:
        return tuple(name for name in pair.active.findings if name in pair.challenger.findings)
    return ()


def judged_films(pairs: Sequence[Pair], finding: str) -> JudgedFilms:
    """The films whose truth about a finding is known. An answer is right where it decides as the truth is.

    Args:
        pairs: in any order.
        finding: that both bundles look for.
    """
    known = sorted((pair for pair in pairs if finding in pair.truth), key=lambda pair: pair.judged)
    present = [pair.truth[finding] == "present" for pair in known]
    rightly = ["positive" if each else "negative" for each in present]
    challenger = [pair.challenger.findings[finding] for pair in known]
    active = [pair.active.findings[finding] for pair in known]
    return JudgedFilms(
        finding=finding,
        present=np.array(present, np.bool_),
        challenger_right=np.array(
            [each.decision == right for each, right in zip(challenger, rightly, strict=True)], bool
        ),
        active_right=np.array([each.decision == right for each, right in zip(active, rightly, strict=True)], bool),
        challenger=np.array([each.probability for each in challenger], np.float64),
        active=np.array([each.probability for each in active], np.float64),
        studies=np.array([pair.study for pair in known], np.str_),
    )
