"""Films as the network sees them, prepared once and memory-mapped afterwards."""

import errno
import hashlib
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

import imaging
from bundle.files import whole_file
from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.preprocess import prepare
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.files import listing, read_files
from trainer.films.film import Film
from trainer.reporter import Progress


def prepared_films(
    films: Sequence[Film], spec: PreprocessSpec, cache_dir: Path, *, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Every film decoded and prepared as the service does it, from the cache where it is there.

    Args:
        films: V films of one folder, at least one.
        spec: how bytes become the network's input.
        cache_dir: folder for prepared films, one file for each combination of films, spec, code of
            `imaging` and release of the decoders; 4 V S^2 bytes each. Created where it is missing.
        progress: called for each film that is prepared; not called when the cache has them.

    Returns:
        float32 [V, 1, S, S] in [0, 1], a read-only memory map in the order of `films`.

    Raises:
        TrainingDataError: films that cannot be decoded or have changed (the first are listed), or no space left.
    """
    path = cache_dir / f"films-{_key(films, spec)}.npy"
    if not path.is_file():
        shape = (len(films), 1, spec.size, spec.size)
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            _check_space(cache_dir, 4 * math.prod(shape))
            _write(path, shape, _prepared(films, spec, progress))
        except OSError as error:
            msg = (
                f"{cache_dir} cannot hold {len(films)} prepared films, {4 * math.prod(shape) / 1e9:.2f} GB "
                f"({error.strerror}); free some space or choose another cache folder"
            )
            raise TrainingDataError(msg) from error
    prepared: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return prepared


def _key(films: Iterable[Film], spec: PreprocessSpec) -> str:
    digest = hashlib.sha256()
    decoders = (cv2.__version__, PIL.__version__, *map(version, ("pydicom", "python-gdcm", "pylibjpeg-openjpeg")))
    for part in (spec.model_dump_json(), *decoders, *(film.sha256 for film in films)):
        digest.update(f"{part}\n".encode())
    for source in sorted(Path(path) for folder in imaging.__path__ for path in Path(folder).rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


def _prepared(films: Sequence[Film], spec: PreprocessSpec, progress: Progress | None) -> Iterator[NDArray[np.float32]]:
    paths = [film.path for film in films]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    recorded = {film.path: film.sha256 for film in films}
    changed = set[Path]()
    with ChildDecoder(workers=os.cpu_count() or 1) as frame_decoder:

        def read(path: Path) -> NDArray[np.float32]:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != recorded[path]:
                changed.add(path)
            # The service decodes with the same `min_side`: a large JPEG at reduced size has other pixels.
            return prepare(decode(data, min_side=spec.decoded_side, frame_decoder=frame_decoder), spec)

        yield from read_files(paths, read, root=root, progress=progress)
    if changed:  # a run may have been indexed long ago, and its split.csv is read again by export and refit
        msg = (
            f"{len(changed)} of {len(films)} films are not those that were indexed: their bytes have another SHA-256; "
            "put the indexed files back, or train a new run on what lies there now:"
        )
        raise TrainingDataError(msg + listing([path.relative_to(root).as_posix() for path in sorted(changed)]))


def _check_space(folder: Path, size_bytes: int) -> None:
    """Fail before an hour of decoding, not after it."""
    if shutil.disk_usage(folder).free < size_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write(path: Path, shape: tuple[int, ...], rows: Iterable[NDArray[np.float32]]) -> None:
    """Write a .npy file row by row: a write without space fails, where one to a memory map would kill the process."""
    with whole_file(path) as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
        stream.writelines(row.tobytes() for row in rows)
