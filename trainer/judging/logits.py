"""The logits of a set of films with the truth: what is calibrated, evaluated and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from schemas.model.evaluation import films_in_words
from trainer.films.film import Film, data_sha256
from trainer.films.task import Labels
from trainer.judging.shifts import PLANTED_SHIFTS
from trainer.judging.subgroups import Attributes, ScoredFilms, attributes_of

Logits = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledLogits:
    """What a network, or a mean of several, answers on a set of N films, and the truth."""

    data: str
    """Name of the set, e.g. 'validation'."""
    data_sha256: str
    """Identity of the set, see `trainer.films.film.data_sha256`."""
    patients: Sequence[str]  # [N]
    unknown_patients: int = field(default=0, kw_only=True)
    """Number of the films whose patient is not known."""
    labels: Labels  # [N] or of findings [N, K], the truth
    logits: Logits  # [N, K]
    attributes: Attributes = ()
    """[N], what is known of each film or patient, e.g. sex; empty: nothing."""
    shifted: Mapping[str, Logits] = field(default_factory=dict)
    """[N, K] by the name of a shift, the plain films among them; empty: none was tried."""

    @classmethod
    def of(
        cls,
        data: str,
        films: Sequence[Film],
        labels: Labels,
        logits: Logits,
        shifted: Mapping[str, Logits] = MappingProxyType({}),
    ) -> "LabelledLogits":
        """The logits [N, K] and the truth of N films, and the logits of their shifted copies."""
        return cls(
            data=data,
            data_sha256=data_sha256(films),
            patients=[film.patient for film in films],
            unknown_patients=sum(not film.patient_known for film in films),
            labels=labels,
            logits=logits,
            attributes=attributes_of(films),
            shifted=shifted,
        )

    @property
    def in_words(self) -> str:
        """The set in words, e.g. 'validation: 1,040 films of 560 patients'."""
        return f"{self.data}: {films_in_words(len(self.labels), len(set(self.patients)), self.unknown_patients)}"

    def pooled(self) -> tuple[Logits, Labels]:
        """Logits [P, K] and truth [P] or [P, K] of all copies, plain and shifted, together; confounders left out."""
        deciding = {name: logits for name, logits in self.shifted.items() if name not in PLANTED_SHIFTS}
        return np.concatenate(list(deciding.values())), np.concatenate([self.labels] * len(deciding))

    def scored(self, classes: Sequence[str], probabilities: NDArray[np.float64]) -> ScoredFilms:
        """The films with their calibrated probabilities [N, K]."""
        known = not self.unknown_patients
        return ScoredFilms(classes, self.labels, probabilities, np.asarray(self.patients), patients_known=known)
