"""Shortcut probes: how well facts that show no lung separate the classes, or the splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from biostatistics.delong import delong_interval
from biostatistics.intervals import bootstrap, percentile_interval
from biostatistics.metrics import Weights, macro_auroc
from schemas.estimate import Estimate
from schemas.record import Record
from trainer.explore.facts import FilmFacts

ALARM: Final = 0.6
"""A probe alarms when its whole interval lies above this AUROC; chance is .5, and weak shortcuts are just above it."""

_FOLDS: Final = 5
_RESAMPLES: Final = 500


class Probe(Record):
    """One kind of fact, and how well it separates the films."""

    name: str
    separates: str = Field(description="the classes, or test films from the others")
    auroc: Estimate | None = Field(description="cross-validated by patient; null: the fact is the same for every film")
    alarm: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The labels that a probe tries to predict."""

    name: str
    labels: NDArray[np.int64]  # [N]
    patients: Sequence[str]  # [N]


FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "size": ("rows", "columns"),
    "aspect ratio": ("aspect",),
    "file type": ("jpeg", "png", "dicom", "bits", "color"),
    "bytes per pixel": ("bytes_per_pixel",),
    "mean intensity": ("mean",),
    "contrast": ("contrast", "darkest", "brightest"),
    "border intensity": ("border",),
}


def features(facts: Sequence[FilmFacts], names: Sequence[str]) -> NDArray[np.float64]:
    """Facts by name as numbers [N, F]."""

    def value(film: FilmFacts, name: str) -> float:
        if name == "aspect":
            return film.columns / film.rows
        if name in {"jpeg", "png", "dicom"}:
            return float(film.format == name)
        return float(getattr(film, name))

    return np.array([[value(film, name) for name in names] for film in facts])


def probe_all(facts: Sequence[FilmFacts], target: Target) -> tuple[Probe, ...]:
    """Every kind of fact by itself and all together, the largest AUROC first."""
    kinds = {**FACTS, "all of them": tuple(name for names in FACTS.values() for name in names)}
    probes = [probe(name, features(facts, columns), target) for name, columns in kinds.items()]
    return tuple(sorted(probes, key=lambda row: 0.0 if row.auroc is None else -row.auroc.value))


def probe(name: str, columns: NDArray[np.float64], target: Target) -> Probe:
    """Predict the target by logistic regression on splines of a few numbers, each film by a fit without its patient.

    Args:
        name: of the fact.
        columns: [N, F].
        target: what to predict.
    """
    varying = columns[:, np.ptp(columns, axis=0) > 0]
    if not varying.shape[1]:
        return Probe(name=name, separates=target.name, auroc=None, alarm=False)
    scores = _out_of_fold(varying, target)
    if scores.shape[1] == 2:  # noqa: PLR2004 - one curve for two classes
        area = delong_interval(target.labels == 1, scores[:, 1], patients=target.patients)
    else:

        def figure(weights: Weights) -> NDArray[np.float64]:
            return macro_auroc(target.labels, scores, weights)[:, None]

        value = float(figure(np.ones((1, len(scores))))[0, 0])
        replicates = bootstrap(figure, target.labels, patients=target.patients, resamples=_RESAMPLES)
        area = percentile_interval(value, replicates[:, 0])
    return Probe(name=name, separates=target.name, auroc=area, alarm=area.low > ALARM)


def _out_of_fold(columns: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Cross-validated probabilities [N, K], each by a fit without the film's patient."""
    labels = target.labels
    patients = np.asarray(target.patients)
    smallest = min(len(set(patients[labels == label])) for label in np.unique(labels))
    folds = StratifiedGroupKFold(max(2, min(_FOLDS, smallest)), shuffle=True, random_state=0)
    scores = np.zeros((len(labels), len(np.unique(labels))))
    for train, test in folds.split(columns, labels, patients):
        model = make_pipeline(
            StandardScaler(),
            SplineTransformer(n_knots=4, degree=2, extrapolation="linear"),
            LogisticRegression(class_weight="balanced", max_iter=2000),
        )
        model.fit(columns[train], labels[train])
        scores[np.ix_(test, model.classes_)] = model.predict_proba(columns[test])
    return scores
