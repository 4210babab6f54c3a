"""Calibration: the temperature that suits films, and what is claimed of them against what is so."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from biostatistics.intervals import wilson_interval
from schemas.model.decision import softmax
from schemas.model.evaluation import ProbabilityBand

BANDS = 10
TEMPERATURES = (0.05, 20.0)

_EDGES = np.arange(BANDS + 1) / BANDS


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature within `TEMPERATURES` that makes the labels most likely.

    The loss is convex in 1 / temperature; its slope is bisected. Targets are those of Platt, who
    gives each class a film's worth of doubt: perfectly separated films would call for a temperature of 0.

    Args:
        logits: [V, K].
        labels: [V].

    Source: Guo et al., ICML 2017, arXiv:1706.04599; Platt, Advances in Large Margin Classifiers (1999) 61-74.
    """
    values = np.asarray(logits, np.float64)
    truth = np.asarray(labels)
    kinds = values.shape[1]
    counts = np.bincount(truth, minlength=kinds)[truth][:, None]
    targets = np.where(np.arange(kinds) == truth[:, None], counts + 1, 1) / (counts + kinds)
    cooler, hotter = (math.log(limit) for limit in TEMPERATURES)
    for _ in range(50):
        middle = (cooler + hotter) / 2
        # d loss / d (1 / temperature): positive where the probabilities are surer than the targets.
        slope = ((softmax(values, math.exp(middle)) - targets) * values).sum()
        cooler, hotter = (middle, hotter) if slope > 0 else (cooler, middle)
    return math.exp((cooler + hotter) / 2)


def calibration_bands(positive: ArrayLike, probability: ArrayLike) -> Iterator[ProbabilityBand]:
    """The tenths of a finding's probability that have films, from the lowest on.

    Args:
        positive: bool [N], the truth.
        probability: [N], calibrated, in [0, 1].
    """
    truth = np.asarray(positive, bool)
    values = np.asarray(probability, np.float64)
    places = np.searchsorted(_EDGES[1:-1], values, side="right")
    for place in np.unique(places).tolist():
        members = places == place
        count = int(members.sum())
        yield ProbabilityBand(
            low=float(_EDGES[place]),
            high=float(_EDGES[place + 1]),
            films=count,
            claimed=float(values[members].mean()),
            observed=wilson_interval(int(truth[members].sum()), count),
        )
