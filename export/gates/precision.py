"""Reduced precisions of a graph: made, measured against fp32, and kept only if they change next to nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from bundle.golden import OUTPUTS, Arrays, pack
from bundle.session import Session
from export.graph.reduced.backbone import backbone
from export.graph.reduced.fp16 import halve
from export.graph.reduced.int8 import quantize
from schemas.errors import BundleError
from schemas.model.manifest import GOLDEN_TOLERANCE
from schemas.model.precision import PrecisionFigures, PrecisionFiles, PrecisionRecord, ReducedPrecision

MAX_AUROC_DIFFERENCE: Final = 0.002
"""Absolute, of the validation AUROC."""
MIN_LABEL_AGREEMENT: Final = 0.995
MIN_SPEEDUP: Final = 1.1
"""Of int8, on the CPU that exports: what is hardly faster is not worth another answer for one film in two hundred."""

CALIBRATION_FILMS: Final = 128
FLOAT_CONVOLUTIONS: Final = (1, 6, 15)
"""How many convolutions at the beginning stay float: the first number with which the gate is passed is kept."""

_TOLERANCE_MARGIN: Final = 4
_HALF_TOLERANCE: Final = 2e-2
"""Of fp16 outputs that another device computes: 2^-11 a rounding, some fifty layers that add, and room."""
NOTHING_TO_REDUCE: Mapping[ReducedPrecision, str] = MappingProxyType(
    {
        "int8": "the backbone has no convolution after the first",
        "fp16": "no part of the graph before the feature map stands by itself",
    }
)


class Comparator(Protocol):
    """Compares a reduced graph with fp32; `export.gates.comparison.Yardstick` is one."""

    def compare(self, content: bytes) -> PrecisionFigures:
        """Measure a graph.

        Raises:
            BundleError: it cannot be run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """A precision that was tried, and its files where it is kept."""

    record: PrecisionRecord
    files: Mapping[str, bytes]


def attempt(
    precision: ReducedPrecision,
    model: onnx.ModelProto,
    training_films: NDArray[np.float32],
    comparator: Comparator,
    golden: Arrays,
) -> Attempt:
    """Make the graph of a precision, measure it, and keep or refuse it.

    Args:
        precision: which.
        model: the fp32 graph.
        training_films: [T, 1, S, S]; `CALIBRATION_FILMS` of them, evenly spaced, set the ranges of int8.
        comparator: compares with fp32.
        golden: the bundle's golden films.
    """
    method = "static, QDQ"
    content = b""
    figures = None
    complaint: str | None = NOTHING_TO_REDUCE[precision]
    for method, content in _candidates(precision, model, training_films):  # noqa: B007 - the last one is recorded
        try:
            figures = comparator.compare(content)
        except BundleError as error:  # networks of timm have operations that a runtime lacks in this precision
            figures = None
            complaint = str(error)
            continue
        complaint = objection(precision, figures)
        if complaint is None or _too_slow(precision, figures):
            break
    if complaint is not None:
        refused = PrecisionRecord(precision=precision, method=method, files=None, refused=complaint, figures=figures)
        return Attempt(refused, {})
    outputs, tolerance = _golden_outputs(precision, content, golden)
    files = PrecisionFiles(graph=f"model.{precision}.onnx", golden=f"golden.{precision}.npz", tolerance=tolerance)
    kept = PrecisionRecord(precision=precision, method=method, files=files, refused=None, figures=figures)
    return Attempt(kept, {files.graph: content, files.golden: pack(outputs)})


def objection(precision: ReducedPrecision, figures: PrecisionFigures) -> str | None:
    """Why a reduced graph is refused; None: it passes the gate."""
    reasons = []
    if not abs(figures.auroc_difference.value) <= MAX_AUROC_DIFFERENCE:
        reasons.append(
            f"validation AUROC changes by {figures.auroc_difference.value:+.4f}, {MAX_AUROC_DIFFERENCE} is accepted"
        )
    if not figures.label_agreement.value >= MIN_LABEL_AGREEMENT:
        reasons.append(
            f"{figures.label_agreement.value:.2%} of {figures.films:,} films get the label of fp32, "
            f"{MIN_LABEL_AGREEMENT:.1%} must"
        )
    if _too_slow(precision, figures):
        reasons.append(f"{figures.speedup.value:.2f} times as fast as fp32, at least {MIN_SPEEDUP} is asked for")
    return "; ".join(reasons) or None


def _too_slow(precision: ReducedPrecision, figures: PrecisionFigures) -> bool:
    """Float16 is for GPUs; its time on a CPU, which converts to float32 and back, proves nothing."""
    return precision == "int8" and not figures.speedup.value >= MIN_SPEEDUP


def _candidates(
    precision: ReducedPrecision, model: onnx.ModelProto, training_films: NDArray[np.float32]
) -> Iterator[tuple[str, bytes]]:
    """Methods in words with their graphs, the fastest first."""
    if precision == "fp16":
        halved = halve(model)
        if halved != model.SerializeToString():
            yield "float16 weights and activations up to the feature map, float32 from there", halved
        return
    count = min(CALIBRATION_FILMS, len(training_films))
    films = training_films[np.linspace(0, len(training_films) - 1, count).astype(int)]
    convolutions = [node.op_type for node in backbone(model.graph)].count("Conv")
    for skipped in (number for number in FLOAT_CONVOLUTIONS if number < convolutions):
        method = (
            f"static, QDQ, int8 weights with a scale for each channel, uint8 activations, ranges from {count} training "
            f"films; float: the first {skipped} of {convolutions} convolutions, and all after the feature map"
        )
        yield method, quantize(model, films, float_convolutions=skipped)


def _golden_outputs(precision: ReducedPrecision, content: bytes, golden: Arrays) -> tuple[Arrays, float]:
    """The outputs of the graph for the golden films, and how far another machine may be off.

    A value that lies between two steps is rounded up by one processor and down by the next. The same happens between
    the fused graph and the file run node by node, in float: several times their difference is accepted.
    """
    fused, plain = (
        Session(content, optimized=optimized).run(golden["inputs"], golden["targets"]) for optimized in (True, False)
    )
    given = [name for name in OUTPUTS if name in fused]
    # The self-test has a tolerance of its own for layercam, whose gradients switch within rounding.
    worst = max(_relative(plain[name], fused[name]) for name in given if name != "layercam")
    least = _HALF_TOLERANCE if precision == "fp16" else GOLDEN_TOLERANCE
    return {name: fused[name] for name in given}, max(least, _TOLERANCE_MARGIN * worst)


def _relative(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    scale = float(np.abs(expected).max())
    return float(np.abs(actual - expected).max()) / scale if scale > 0 else 0.0
