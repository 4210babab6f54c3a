"""The golden set: synthetic films with what the graph said about them where it was exported."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.session import Run, largest_difference
from imaging.phantom import phantom
from imaging.preprocess import prepare
from imaging.radiograph import Radiograph
from schemas.bundle import GOLDEN_ARRAYS, GOLDEN_TOLERANCE
from schemas.errors import BundleError
from schemas.preprocess import PreprocessSpec

FILMS = 8
INPUT_TOLERANCE = 1e-3
"""Absolute, of inputs in [0, 1]: a quarter of a gray level."""
OUTPUTS = GOLDEN_ARRAYS[3:]
MAPS = GOLDEN_ARRAYS[5:]

Arrays = Mapping[str, NDArray[Any]]


def make_golden(run: Run, spec: PreprocessSpec, classes: int) -> Arrays:
    """Draw the films, half of them with an opacity, prepare them and run them, each class asked for and -1 too.

    The films are larger than the network's side and not square, so that the self-test sees the resize.
    """
    rows, columns = spec.size * 5 // 4, spec.size * 3 // 2
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
    """An npz file of the arrays."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
    return stream.getvalue()


def read_golden(path: Path, names: Sequence[str] = GOLDEN_ARRAYS, *, maps: bool = True) -> Arrays:
    """Read arrays of a golden set.

    Args:
        path: of the file.
        names: which arrays.
        maps: whether the graph has heat-map outputs.

    Raises:
        BundleError: the file cannot be read or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names if maps or name not in MAPS}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        msg = f"{path.name} cannot be read or lacks one of {', '.join(names)}; export the bundle again"
        raise BundleError(msg) from error


def check_golden(run: Run, golden: Arrays, spec: PreprocessSpec, tolerance: float = GOLDEN_TOLERANCE) -> float:
    """Prepare and run the golden films here, and compare.

    Args:
        run: the graph.
        golden: films, and the outputs of this graph where it was exported.
        spec: how the films are prepared.
        tolerance: of an output, relative to its largest golden value.

    Returns:
        The largest difference of an output, relative to the largest value of that output.

    Raises:
        BundleError: an input or output differs by more than its tolerance.
    """
    _compare("inputs", _prepare(golden["radiographs"], spec), golden["inputs"], INPUT_TOLERANCE)
    outputs = run(golden["inputs"], golden["targets"])
    return max(_compare_output(name, outputs[name], golden[name], tolerance) for name in OUTPUTS if name in golden)


def _prepare(radiographs: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """[G, H, W] to [G, 1, S, S]."""
    rows, columns = radiographs.shape[1:]
    return np.stack(
        [prepare(Radiograph(film, 8, "png", rows, columns, "MONOCHROME2", ()), spec) for film in radiographs]
    )


def _compare_output(name: str, found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    scale = float(np.abs(expected).max())
    worst = _compare(name, found, expected, tolerance * scale)
    return worst / scale if scale > 0 else worst


def _compare(name: str, found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    worst = largest_difference(found, expected)
    if not worst <= tolerance:  # a tolerance that is no number refuses too
        msg = f"golden {name}: off by {worst:.3g}, at most {tolerance:.3g} is accepted; export the bundle again"
        raise BundleError(msg)
    return worst
