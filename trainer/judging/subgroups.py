"""The figures of a network on groups of the films: women and men, ages, views; an average hides who is served worse."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from biostatistics.delong import delong_interval
from biostatistics.intervals import wilson_interval
from biostatistics.metrics import certain
from schemas.estimate import Estimate
from schemas.model.calibration import OperatingPoint
from schemas.model.evaluation import SubgroupMetrics
from trainer.films.film import AGE, KERMANY, LARGEST_NUMBER, Film
from trainer.films.task import Labels

Attributes = Sequence[Mapping[str, str]]
"""[N], what is known of each film or its patient; what is not known has no entry."""

SMALLEST_GROUP = 20
"""Films; Wilson's interval of a proportion of 20 is already up to 0.4 wide."""
NOT_STATED = "not stated"

AGE_BANDS = (("0-1", 2), ("2-11", 12), ("12-17", 18), ("18-39", 40), ("40-64", 65), ("65 and over", 200))
"""Each with the age in years at which it ends.

Source: ICH E11(R1) (infants, children, adolescents), ICH E7 (from 65).
"""


def attributes_of(films: Iterable[Film]) -> Attributes:
    """What is known of films: their attributes, and the germ that Kermany's file names state."""
    names = [(film, KERMANY.search(film.path.name)) for film in films]
    return [
        {**film.attributes, **({"germ": match["subtype"]} if match and match["subtype"] else {})}
        for film, match in names
    ]


@dataclass(frozen=True, slots=True)
class ScoredFilms:
    """Films with their truth and their calibrated probabilities."""

    classes: Sequence[str]
    truth: Labels  # [N], indices into the classes, or of findings [N, K]
    probabilities: NDArray[np.float64]  # [N, K], calibrated
    patients: NDArray[np.str_]  # [N]
    patients_known: bool = field(default=True, kw_only=True)
    """False: some of the patients are films or studies."""

    def of(self, members: NDArray[np.bool_]) -> "ScoredFilms":
        """Those of the films that `members` [N] marks."""
        return ScoredFilms(
            self.classes,
            self.truth[members],
            self.probabilities[members],
            self.patients[members],
            patients_known=self.patients_known,
        )

    def known(self, finding: str) -> "ScoredFilms":
        """The films of which it is known whether they have the finding; of classes all of them."""
        return self.of(certain(self.truth[:, self.classes.index(finding)])) if self.truth.ndim > 1 else self

    def positive(self, finding: str) -> NDArray[np.bool_]:
        """Which films have the finding, [N]."""
        if self.truth.ndim > 1:
            return np.equal(self.truth[:, self.classes.index(finding)], 1)
        return np.equal(self.truth, self.classes.index(finding))

    def probability(self, finding: str) -> NDArray[np.float64]:
        """The probability of the finding, [N]."""
        return self.probabilities[:, self.classes.index(finding)]


def subgroup_metrics(
    films: ScoredFilms, points: Sequence[OperatingPoint], attributes: Attributes
) -> tuple[SubgroupMetrics, ...]:
    """Each finding's figures at its operating point, on each group that an attribute makes.

    Groups of fewer than 20 films have their counts and no figures; a group without positive or without negative
    films has only the figure that it can have. Films without an attribute that others have are a group too. An
    attribute that the label alone decides, or that differs from film to film, makes no groups.

    Args:
        films: N films.
        points: of each finding.
        attributes: [N], or empty: no groups.
    """
    rows = []
    for column, values in _columns(attributes, films.truth).items():
        for value in sorted(set(values.tolist()), key=_place):
            rows += finding_rows(column, value, films.of(values == value), points)
    return tuple(rows)


def finding_rows(
    column: str, value: str, films: ScoredFilms, points: Sequence[OperatingPoint]
) -> list[SubgroupMetrics]:
    """Each finding's figures at its operating point on one group of films."""
    return [_row(column, value, films.known(point.finding), point) for point in points]


def _row(column: str, value: str, films: ScoredFilms, point: OperatingPoint) -> SubgroupMetrics:
    positive = films.positive(point.finding)
    probability = films.probability(point.finding)
    count = len(positive)
    positives = int(positive.sum())
    called = probability >= point.threshold

    def figure(measure: Callable[[], Estimate], *, defined: bool) -> Estimate | None:
        return measure() if defined and count >= SMALLEST_GROUP else None

    return SubgroupMetrics(
        column=column,
        value=value,
        films=count,
        patients=len(set(films.patients.tolist())) if films.patients_known else None,
        finding=point.finding,
        positives=positives,
        auroc=figure(
            lambda: delong_interval(positive, probability, patients=films.patients), defined=0 < positives < count
        ),
        sensitivity=figure(lambda: wilson_interval(int(called[positive].sum()), positives), defined=positives > 0),
        specificity=figure(
            lambda: wilson_interval(int((~called)[~positive].sum()), count - positives), defined=positives < count
        ),
        note="; ".join(_notes(point.finding, count, positives)),
    )


def _notes(finding: str, films: int, positives: int) -> list[str]:
    """Why a figure is missing."""
    notes = []
    if films < SMALLEST_GROUP:
        notes.append(f"fewer than {SMALLEST_GROUP} films")
    if not positives:
        notes.append(f"no film with {finding}")
    if positives == films:
        notes.append(f"no film without {finding}")
    return notes


def _columns(attributes: Attributes, truth: Labels) -> dict[str, NDArray[np.str_]]:
    """The group of each film by each attribute that varies within a class, [N]."""
    names = sorted({name for known in attributes for name in known})
    grouped = {name: np.array([_group(name, known.get(name, "")) for known in attributes]) for name in names}
    return {
        name: values
        for name, values in grouped.items()
        if len(set(values.tolist())) <= LARGEST_NUMBER
        and any(len(set(values[members].tolist())) > 1 for members in _members(truth))
    }


def _members(truth: Labels) -> Iterator[NDArray[np.bool_]]:
    """The films of each class; or those with each finding, and those without it."""
    if truth.ndim > 1:
        for value in (0, 1):
            yield from (truth == value).T
    else:
        yield from (truth == index for index in set(truth.tolist()))


def _group(column: str, value: str) -> str:
    if not value.strip():
        return NOT_STATED
    if column.lower() != AGE:
        return value.strip()
    try:
        years = float(value)
    except ValueError:
        return value.strip()
    return next((band for band, end in AGE_BANDS if 0 <= years < end), value.strip())


def _place(value: str) -> tuple[bool, int, str]:
    """Bands of ages by age, everything else by name, what is not stated last."""
    bands = [band for band, _ in AGE_BANDS]
    return value == NOT_STATED, bands.index(value) if value in bands else -1, value
