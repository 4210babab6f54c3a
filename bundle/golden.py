"""The golden set and the self-test: synthetic films must give the outputs that the graph gave at the export.

The exporter verifies a bundle with the same function that the service runs before it is ready.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from bundle.session import MOST_PROBABLE, GraphOutputs, Run, outputs_of, run_in_batches
from imaging.phantom import phantom
from imaging.preprocess import prepare
from imaging.radiograph import Radiograph
from schemas.errors import BundleError, InferenceError
from schemas.model.decision import calibrated
from schemas.model.manifest import FINE_TOLERANCE, GOLDEN, GOLDEN_ARRAYS, GOLDEN_TOLERANCE, BundleManifest
from schemas.model.precision import Precision
from schemas.preprocess import PreprocessSpec

FILMS: Final = 8
INPUT_TOLERANCE: Final = 1e-3
"""Absolute, of inputs in [0, 1]: a quarter of an 8-bit gray level. Another resize or polarity differs by tens."""
FILM_ARRAYS: Final = GOLDEN_ARRAYS[:3]
OUTPUTS: Final = GOLDEN_ARRAYS[3:]
"""The outputs that are compared: all but the embedding."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class GoldenErrors:
    """How far the outputs of the golden films are here from those at the export, at worst."""

    logits: float
    """Absolute, of the logits."""
    relative: float
    """Of any output but `layercam`, whose tolerance is its own, relative to the largest golden value of that output."""


def make_golden(run: Run, spec: PreprocessSpec, classes: int) -> Arrays:
    """Draw films, prepare them and run them; the targets are `MOST_PROBABLE` and each class in turn.

    Half of the films have an opacity. They are larger than the network's side and not square, so that the self-test
    exercises the resize.
    """
    rows = spec.size * 5 // 4
    columns = spec.size * 3 // 2
    radiographs = np.stack(
        [phantom(rows, columns, seed=film, opacity=0.0 if film % 2 else 0.3 + 0.1 * film) for film in range(FILMS)]
    )
    inputs = _prepare(radiographs, spec)
    targets = np.arange(FILMS, dtype=np.int64) % (classes + 1) - 1
    outputs = run(inputs, targets)
    return {
        "radiographs": radiographs,
        "inputs": inputs,
        "targets": targets,
        **{name: outputs[name] for name in OUTPUTS if name in outputs},
    }


def pack(arrays: Arrays) -> bytes:
    """The content of an .npz file of the arrays."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
    return stream.getvalue()


def read_golden(bundle: Bundle, precision: Precision = "fp32") -> Arrays:
    """The golden films of a bundle and their outputs at a precision.

    Raises:
        BundleError: a file cannot be read, lacks an array, or has not one entry of each array for each film.
    """
    outputs = outputs_of(bundle.manifest)
    files = bundle.manifest.graph_files(precision)
    golden = bundle.read_arrays(GOLDEN, FILM_ARRAYS)
    golden |= bundle.read_arrays(files.golden, [name for name in OUTPUTS if name in outputs])
    films = len(golden["radiographs"])
    if films == 0 or {len(array) for array in golden.values()} != {films}:
        msg = f"{files.golden} must hold one entry of each array for each film; export the bundle again"
        raise BundleError(msg)
    return golden


def check_golden(bundle: Bundle, run: Run, precision: Precision = "fp32") -> GoldenErrors:
    """The self-test: the golden films must give here what they gave at the export; see `compare_golden`.

    Args:
        bundle: its hashes are right.
        run: its graph of `precision`.
        precision: which golden outputs are expected.

    Raises:
        BundleError: see `read_golden` and `compare_golden`.
    """
    tolerance = bundle.manifest.graph_files(precision).tolerance
    return compare_golden(run, read_golden(bundle, precision), bundle.manifest, tolerance)


def compare_golden(
    run: Run, golden: Arrays, manifest: BundleManifest, tolerance: float = GOLDEN_TOLERANCE
) -> GoldenErrors:
    """Prepare and run the golden films and compare; one by one and together, as the service runs films both ways.

    Args:
        run: the graph.
        golden: films and their outputs, from `read_golden`.
        manifest: preprocessing, classes, sizes, calibration and traits.
        tolerance: of an output, relative to its largest golden value over all films: a map that is zero for one film
            may be a rounding error above it on another processor.

    Raises:
        BundleError: an input or output is further off than its tolerance, the sizes or the calibration are not those of
            the manifest, or the graph does not run.
    """
    _compare("inputs", _prepare(golden["radiographs"], manifest.preprocess), golden["inputs"], INPUT_TOLERANCE)
    errors = []
    for size in sorted({1, min(len(golden["inputs"]), manifest.graph.max_batch)}):
        with _failures_refuse_the_bundle():
            outputs = run_in_batches(run, golden["inputs"], golden["targets"], size)
        errors.append(_compare_outputs(outputs, golden, manifest, tolerance))
    return GoldenErrors(max(each.logits for each in errors), max(each.relative for each in errors))


def warm(run: Run, *, side: int, sizes: Sequence[int]) -> None:
    """Run every batch size once, so that no caller pays for the first run of a shape.

    Raises:
        BundleError: the graph does not run.
    """
    with _failures_refuse_the_bundle():
        for size in sizes:
            run(np.zeros((size, 1, side, side), np.float32), np.full(size, MOST_PROBABLE, np.int64))


def largest_difference(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest absolute difference; infinite where a value is not a number or the shapes differ."""
    if actual.shape != expected.shape:
        return np.inf
    largest = float(np.abs(actual - expected).max())
    return np.inf if np.isnan(largest) else largest


def _compare_outputs(outputs: GraphOutputs, golden: Arrays, manifest: BundleManifest, tolerance: float) -> GoldenErrors:
    _check_sizes(outputs, manifest)
    errors = {}
    relative = []
    for name in (name for name in OUTPUTS if name in golden):
        scale = float(np.abs(golden[name]).max())
        accepted = max(tolerance, FINE_TOLERANCE) if name == "layercam" else tolerance
        errors[name] = _compare(name, outputs[name], golden[name], accepted * scale)
        if name != "layercam":
            relative.append(errors[name] / scale if scale > 0 else errors[name])
    expected = calibrated(outputs["logits"], manifest.calibration, manifest.classes).astype(np.float32)
    of = "temperature" if manifest.calibration.scaling is None else "scaling"
    _compare(f"{of} of the probabilities", outputs["probabilities"], expected, GOLDEN_TOLERANCE)
    return GoldenErrors(errors["logits"], max(relative))


def _check_sizes(outputs: GraphOutputs, manifest: BundleManifest) -> None:
    expected = {"logits": len(manifest.classes), "embedding": manifest.graph.embedding_size}
    if manifest.guide is not None:
        expected["traits"] = len(manifest.guide.names)
    sizes = {name: outputs[name].shape[1:] for name in expected}
    if sizes != {name: (size,) for name, size in expected.items()}:
        names = ", ".join(sizes)
        msg = f"{names} have the sizes {(*sizes.values(),)}, not those of the manifest; export the bundle again"
        raise BundleError(msg)


def _compare(what: str, actual: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    """Largest absolute difference, which must be within `tolerance`."""
    if actual.shape != expected.shape:
        msg = f"golden {what}: shape {actual.shape} here, {expected.shape} at the export; export the bundle again"
        raise BundleError(msg)
    error = largest_difference(actual, expected)
    if not error <= tolerance:  # a tolerance that is not a number refuses too
        msg = f"golden {what}: off by {error:.3g}, at most {tolerance:.3g} is accepted; export the bundle again"
        raise BundleError(msg)
    return error


def _prepare(radiographs: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """[G, H, W] to [G, 1, S, S]."""
    rows, columns = radiographs.shape[1:]
    return np.stack(
        [prepare(Radiograph(film, 8, "png", rows, columns, "MONOCHROME2", ()), spec) for film in radiographs]
    )


@contextmanager
def _failures_refuse_the_bundle() -> Iterator[None]:
    try:
        yield
    except InferenceError as error:
        msg = f"the network of the bundle does not run here: {error}"
        raise BundleError(msg) from error
