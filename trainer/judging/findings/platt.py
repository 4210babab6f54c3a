"""Platt scaling: the slope and the offset that make the logits of one finding calibrated probabilities."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from schemas.model.calibration import LogitScaling

SLOPES = (0.05, 20.0)
"""A slope below 0 would turn the order of the films round, and is never taken."""
OFFSETS = (-50.0, 50.0)

Values = NDArray[np.float32] | NDArray[np.float64]


def fit_scaling(logits: Values, present: NDArray[np.bool_]) -> LogitScaling:
    """The slope within `SLOPES` and the offset that make the labels most likely.

    The loss is convex. Its targets are Platt's, who gives each side a film's worth of doubt: films that are separated
    without an error would call for an infinite slope.

    Args:
        logits: [V], of films on which the finding is known.
        present: [V], whether it is there; some are and some are not.

    Source: Platt, Advances in Large Margin Classifiers (1999) 61-74; Lin, Lin and Weng, Mach. Learn. 68 (2007) 267-276.
    """
    values = np.asarray(logits, np.float64)
    positives = int(present.sum())
    negatives = len(present) - positives
    targets = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = parameters[0] * values + parameters[1]
        cost = np.logaddexp(0, odds) - targets * odds
        surplus = (1 + np.tanh(odds / 2)) / 2 - targets
        return float(cost.mean()), np.array([(surplus * values).mean(), surplus.mean()])

    found = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=(SLOPES, OFFSETS),
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )
    return LogitScaling(slope=float(found.x[0]), offset=float(found.x[1]))


def scaled(logits: Values, scaling: LogitScaling) -> NDArray[np.float64]:
    """The calibrated probabilities of one finding, [V]: what `schemas.model.decision.calibrated` gives for it."""
    probabilities: NDArray[np.float64] = (
        1 + np.tanh((np.asarray(logits, np.float64) * scaling.slope + scaling.offset) / 2)
    ) / 2
    return probabilities
