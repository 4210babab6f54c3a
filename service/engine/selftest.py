"""The self-test of a bundle: its golden films must give, here and now, what they gave where it was exported."""

import io
import zipfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imaging.preprocess import prepare
from imaging.radiograph import Radiograph
from schemas.bundle import GOLDEN, GOLDEN_TOLERANCE, Bundle, BundleManifest
from schemas.decision import softmax
from schemas.errors import BundleError
from schemas.precision import Precision
from service.engine.engine import MAPS, MOST_PROBABLE, Engine, Outputs

INPUT_TOLERANCE: Final = 1e-3
"""Absolute, of inputs in [0, 1]: a quarter of an 8-bit gray level; another resize or polarity differs by tens of levels."""


def check_golden(bundle: Bundle, engine: Engine, precision: Precision = "fp32") -> float:
    """Prepare and run the golden films and compare with what the exporter wrote about the graph of this precision.

    Returns:
        The largest absolute error of their logits.

    Raises:
        BundleError: an array is missing, or something is further from it than the tolerance.
    """
    manifest = bundle.manifest
    maps = MAPS if manifest.graph.cam_grid is not None else {}
    compared = ("logits", "probabilities", *maps.values())
    files = manifest.graph_files(precision)
    golden = read_arrays(bundle, GOLDEN, ("radiographs", "inputs", "targets"))
    golden |= read_arrays(bundle, files.golden, compared)
    films = len(golden["radiographs"])
    if films == 0 or {len(array) for array in golden.values()} != {films}:
        msg = f"{files.golden} must hold one entry of each array for each film; export the bundle again"
        raise BundleError(msg)
    # Of all films together: a map that is zero here may be a rounding error above it on another processor.
    tolerances = {name: files.tolerance * float(np.abs(golden[name]).max()) for name in compared}
    errors = []
    for film in range(films):
        expected = {name: array[film] for name, array in golden.items()}
        prepared = prepare(_as_radiograph(expected["radiographs"]), manifest.preprocess)
        _compare("inputs", prepared, expected["inputs"], INPUT_TOLERANCE)
        outputs = engine.run(expected["inputs"][np.newaxis], expected["targets"][np.newaxis])
        _check_meaning(manifest, outputs)
        found = {"logits": outputs.logits[0], "probabilities": outputs.probabilities[0]}
        found |= {name: outputs.maps[method][0] for method, name in maps.items()}
        for name in compared[1:]:
            _compare(name, found[name], expected[name], tolerances[name])
        errors.append(_compare("logits", found["logits"], expected["logits"], tolerances["logits"]))
    return max(errors)


def warm(engine: Engine, *, side: int, sizes: tuple[int, ...]) -> None:
    """Run every batch size once, so that no caller pays for the first run of a shape."""
    for size in sizes:
        engine.run(np.zeros((size, 1, side, side), np.float32), np.full(size, MOST_PROBABLE, np.int64))


def read_arrays(
    bundle: Bundle, name: str, wanted: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """Read arrays of a bundle's npz file, and the optional ones that are there; pickled ones are refused.

    Raises:
        BundleError: the file is not readable or lacks one of them.
    """
    try:
        with np.load(io.BytesIO(bundle.read(name)), allow_pickle=False) as stored:
            present = tuple(array for array in optional if array in stored)
            return {array: stored[array] for array in (*wanted, *present)}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        msg = f"{name} cannot be read or lacks one of {', '.join(wanted)}; export the bundle again"
        raise BundleError(msg) from error


def _as_radiograph(pixels: NDArray[np.uint8]) -> Radiograph:
    rows, columns = pixels.shape
    return Radiograph(pixels, 8, "png", rows, columns, "MONOCHROME2", ())


def _check_meaning(manifest: BundleManifest, outputs: Outputs) -> None:
    """The graph's probabilities must be those of its logits and the manifest's temperature, its sizes the manifest's."""
    sizes = (outputs.logits.shape[1:], outputs.embedding.shape[1:])
    if sizes != ((len(manifest.classes),), (manifest.graph.embedding_size,)):
        msg = f"logits and embedding have the sizes {sizes}, not those of the manifest; export the bundle again"
        raise BundleError(msg)
    expected = softmax(outputs.logits, manifest.calibration.temperature).astype(np.float32)
    _compare("temperature of the probabilities", outputs.probabilities, expected, GOLDEN_TOLERANCE)


def _compare(what: str, found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    """Largest absolute difference, which must be within `tolerance`."""
    if found.shape != expected.shape:
        msg = f"golden {what}: shape {found.shape} here, {expected.shape} at the export; export the bundle again"
        raise BundleError(msg)
    error = float(np.abs(found - expected).max())
    if not error <= tolerance:  # so that NaN is refused
        msg = f"golden {what}: off by {error:.3g}, at most {tolerance:.3g} is accepted; export the bundle again"
        raise BundleError(msg)
    return error
