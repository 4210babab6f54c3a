"""How a network does on groups of the films: women and men, ages, views, sources; an average hides who is served worse."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.estimate import Estimate
from schemas.model.calibration import OperatingPoint
from schemas.model.evaluation import SubgroupMetrics
from trainer.films.film import KERMANY, Film
from trainer.statistics.delong import delong_interval
from trainer.statistics.intervals import wilson_interval

Attributes = Sequence[Mapping[str, str]]
"""[N], what is known of each film or its patient; what is not known has no entry."""

SMALLEST_GROUP = 20
"""Films; Wilson's interval of a proportion of 20 is already up to 0.4 wide."""
LARGEST_NUMBER = 20
"""Groups of one column; a column with more values tells films apart, not groups."""
NOT_STATED = "not stated"

AGE = "age"
AGE_BANDS = (("0-1", 2), ("2-11", 12), ("12-17", 18), ("18-39", 40), ("40-64", 65), ("65 and over", 200))
"""Each with the age in years at which it ends. Source: ICH E11(R1) (infants, children, adolescents), ICH E7 (from 65)."""


def attributes_of(films: Iterable[Film]) -> Attributes:
    """What is known of films: their attributes, and the germ that Kermany's file names state."""
    names = [(film, KERMANY.match(film.path.name)) for film in films]
    return [
        {**film.attributes, **({"germ": match["subtype"]} if match and match["subtype"] else {})}
        for film, match in names
    ]


def subgroup_metrics(  # noqa: PLR0913, PLR0917 - what the figures are a function of
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    patients: Sequence[str],
    classes: Sequence[str],
    points: Sequence[OperatingPoint],
    attributes: Attributes,
) -> tuple[SubgroupMetrics, ...]:
    """Each finding's figures at its operating point, on each group that an attribute makes.

    Groups of fewer than 20 films have their counts and no figures; a group without positive or without negative
    films has only the figure that it can have. Films without an attribute that others have are a group too. An
    attribute that the label alone decides, or that differs from film to film, makes no groups.

    Args:
        truth: [N], indices into `classes`.
        probabilities: [N, K], calibrated.
        patients: [N], who each film is of.
        classes: K names.
        points: of each finding.
        attributes: [N], or empty: no groups.
    """
    who = np.asarray(patients)
    rows = []
    for column, values in _columns(attributes, truth).items():
        for value in sorted(set(values.tolist()), key=_place):
            members = values == value
            rows += finding_rows(column, value, points, classes, truth[members], probabilities[members], who[members])
    return tuple(rows)


def finding_rows(  # noqa: PLR0913, PLR0917 - what the figures are a function of
    column: str,
    value: str,
    points: Sequence[OperatingPoint],
    classes: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    patients: NDArray[np.str_],
) -> list[SubgroupMetrics]:
    """Each finding's figures at its operating point on one group: truth [M], probabilities [M, K], patients [M]."""
    return [
        _row(
            column,
            value,
            point,
            truth == classes.index(point.finding),
            probabilities[:, classes.index(point.finding)],
            patients,
        )
        for point in points
    ]


def _row(  # noqa: PLR0913, PLR0917 - a row's columns
    column: str,
    value: str,
    point: OperatingPoint,
    positive: NDArray[np.bool_],
    probability: NDArray[np.float64],
    patients: NDArray[np.str_],
) -> SubgroupMetrics:
    films = len(positive)
    positives = int(positive.sum())
    called = probability >= point.threshold
    notes = []
    if films < SMALLEST_GROUP:
        notes.append(f"fewer than {SMALLEST_GROUP} films")
    if not positives:
        notes.append(f"no film with {point.finding}")
    if positives == films:
        notes.append(f"no film without {point.finding}")

    def figure(measure: Callable[[], Estimate], *, defined: bool) -> Estimate | None:
        return measure() if defined and films >= SMALLEST_GROUP else None

    return SubgroupMetrics(
        column=column,
        value=value,
        films=films,
        patients=len(set(patients.tolist())),
        finding=point.finding,
        positives=positives,
        auroc=figure(lambda: delong_interval(positive, probability, patients=patients), defined=0 < positives < films),
        sensitivity=figure(lambda: wilson_interval(int(called[positive].sum()), positives), defined=positives > 0),
        specificity=figure(
            lambda: wilson_interval(int((~called)[~positive].sum()), films - positives), defined=positives < films
        ),
        note="; ".join(notes),
    )


def _columns(attributes: Attributes, truth: NDArray[np.int64]) -> dict[str, NDArray[np.str_]]:
    """The group of each film by each attribute that tells films of one class apart, [N]."""
    names = sorted({name for known in attributes for name in known})
    grouped = {name: np.array([_group(name, known.get(name, "")) for known in attributes]) for name in names}
    return {
        name: values
        for name, values in grouped.items()
        if len(set(values.tolist())) <= LARGEST_NUMBER
        and any(len(set(values[truth == index].tolist())) > 1 for index in set(truth.tolist()))
    }


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
