"""The drift reference of a bundle: the distribution of its validation films in every signal.

The signals are computed by the functions that the service uses.
"""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from imaging.quality import input_statistics
from schemas.model.drift import FEWEST_FILMS, DriftReference, SignalReference, film_signals, signal_names
from schemas.model.trial import TrialRecord

BINS = 10
"""Deciles: the custom of the index, and twenty films in each of a window of two hundred."""


def drift_reference(
    probabilities: NDArray[np.float32], films: NDArray[np.float32], record: TrialRecord
) -> DriftReference | None:
    """Sort validation films into bins that hold about as many of them each.

    Args:
        probabilities: [V, K] of the exported graph.
        films: prepared, [V, 1, S, S] in [0, 1].
        record: the trial's classes, and its validation films in words.

    Returns:
        None for fewer than `FEWEST_FILMS` films, whose bins would hold too few.
    """
    if len(films) < FEWEST_FILMS:
        return None
    findings = [name for name in record.classes if name != record.negative_class]
    rows = [
        film_signals(asdict(input_statistics(film)), dict(zip(record.classes, row, strict=True)), findings)
        for film, row in zip(films, probabilities.tolist(), strict=True)
    ]
    signals = {name: signal_reference([row[name] for row in rows]) for name in signal_names(findings)}
    return DriftReference(data=record.calibration.data, signals=signals)


def signal_reference(values: Iterable[float]) -> SignalReference:
    """Bins between the deciles of one signal; equal deciles, as of a border that most often is black, make one edge."""
    array = np.fromiter(values, np.float64)
    deciles = np.quantile(array, np.arange(1, BINS) / BINS, method="lower")
    edges = tuple(np.unique(deciles).tolist())
    counts = np.bincount(np.searchsorted(edges, array), minlength=len(edges) + 1)
    return SignalReference(edges=edges, counts=tuple(counts.tolist()))
