"""What fewer bits change: a reduced graph against the fp32 graph, on the same validation films."""

import platform
import statistics
import time

import numpy as np
from numpy.typing import NDArray

from biostatistics.comparison import compare
from biostatistics.intervals import estimate, wilson_interval
from bundle.session import GraphOutputs, Run, Session, run_in_batches
from export.gates.answers import ValidationSet, answers
from schemas.estimate import Estimate
from schemas.model.precision import PrecisionFigures
from schemas.model.trial import TrialRecord

_BATCH = 4
_WARM = 3
_PAIRS = 41


class Yardstick:
    """The fp32 graph with its outputs for the validation films."""

    def __init__(self, content: bytes, record: TrialRecord, validation: ValidationSet) -> None:
        self._record = record
        self._validation = validation
        self._content = content
        self._graph = Session(content, intra_op_threads=1)
        outputs = self._run(self._graph.run, np.full(len(validation.films), -1))
        # Named classes: where two graphs disagree on the most probable one, -1 would compare maps of different classes.
        self._targets = outputs["logits"].argmax(axis=1)
        self._outputs = outputs

    def compare(self, content: bytes) -> PrecisionFigures:
        """Run a reduced graph on the same films, and in turns with the fp32 graph on one of them.

        Raises:
            BundleError: ONNX Runtime refuses the graph.
        """
        graph = Session(content, intra_op_threads=1)
        outputs = self._outputs
        validation = self._validation
        reduced = self._run(graph.run, self._targets)
        answered, answered_fp32 = (answers(each, validation, self._record) for each in (reduced, outputs))
        verdicts = (answered.in_distribution, answered_fp32.in_distribution)
        times, times_fp32 = _times(graph.run, self._graph.run, validation.films[:1])
        return PrecisionFigures(
            films=len(validation.films),
            measured_on=f"CPUExecutionProvider, {platform.machine()}, one thread",
            auroc_difference=compare(
                validation.labels,
                reduced["probabilities"].astype(np.float64),
                outputs["probabilities"].astype(np.float64),
                validation.patients,
            ).difference,
            label_agreement=_share(answered.labels == answered_fp32.labels),
            in_distribution_agreement=None
            if verdicts[0] is None or verdicts[1] is None
            else _share(verdicts[0] == verdicts[1]),
            largest_logit_difference=float(np.abs(reduced["logits"] - outputs["logits"]).max()),
            largest_logit=float(np.abs(outputs["logits"]).max()),
            heatmap_correlation=_median_correlation(reduced["gradcam"], outputs["gradcam"]),
            ms_per_film=1e3 * statistics.median(times),
            ms_per_film_fp32=1e3 * statistics.median(times_fp32),
            speedup=_median_with_interval(np.array(times_fp32) / np.array(times)),
            size_bytes=len(content),
            size_bytes_fp32=len(self._content),
        )

    def _run(self, run: Run, targets: NDArray[np.int64]) -> GraphOutputs:
        return run_in_batches(run, self._validation.films, targets, _BATCH)


def _share(agrees: NDArray[np.bool_]) -> Estimate:
    return wilson_interval(int(agrees.sum()), agrees.size)


def _median_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Median over the films of the correlation of two maps [V, h, w]; 1 where no film has a map that varies."""
    flat = [each.reshape(len(each), -1).astype(np.float64) for each in (first, second)]
    centered = [each - each.mean(axis=1, keepdims=True) for each in flat]
    size = np.prod([np.linalg.norm(each, axis=1) for each in centered], axis=0)
    product = np.sum(centered[0] * centered[1], axis=1)
    varies = size > 0
    return float(np.median(product[varies] / size[varies])) if varies.any() else 1.0


def _times(first: Run, second: Run, film: NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """Seconds of runs that take turns, so that other work of the machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_WARM + _PAIRS):
        for run, column in zip((first, second), times, strict=True):
            start = time.perf_counter()
            run(film, np.array([-1]))
            column.append(time.perf_counter() - start)
    return times[0][_WARM:], times[1][_WARM:]


def _median_with_interval(values: NDArray[np.float64]) -> Estimate:
    """Median and its 95 % interval between order statistics (Conover, Practical Nonparametric Statistics, ch. 3.2)."""
    ordered = np.sort(values)
    half = 0.98 * np.sqrt(len(values))
    low = int(np.floor(len(values) / 2 - half))
    high = int(np.ceil(len(values) / 2 + half))
    return estimate(float(np.median(values)), float(ordered[max(0, low)]), float(ordered[min(len(values) - 1, high)]))
