"""Figures of a reduced graph that passes its gate, to be changed by a test."""

from schemas.estimate import Estimate
from schemas.model.precision import PrecisionFigures


def figure(value, half=0.001):
    return Estimate(value=value, low=value - half, high=value + half)


GOOD = PrecisionFigures(
    films=780,
    measured_on="CPUExecutionProvider, x86_64, one thread",
    auroc_difference=figure(-0.0004),
    label_agreement=figure(0.9974),
    in_distribution_agreement=figure(0.995),
    largest_logit_difference=0.163,
    largest_logit=3.23,
    heatmap_correlation=0.9993,
    ms_per_film=6.0,
    ms_per_film_fp32=11.0,
    speedup=figure(1.85, 0.1),
    size_bytes=3_816_000,
    size_bytes_fp32=13_456_000,
)
