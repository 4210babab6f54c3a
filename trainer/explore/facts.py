"""Facts about each file without its content: size, format, exposure, border."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.dicom.codecs import FrameDecoder
from trainer.films.film import Film
from trainer.reporter import Progress

_BORDER = 16  # the frame is one sixteenth of the shorter side wide
_AHEAD = 64  # decoded films in memory at once


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """One film, without its content: nothing here shows a lung."""

    rows: int
    columns: int
    format: str
    bits: int
    bytes_per_pixel: float
    mean: float
    """Of the pixels, as a share of white."""
    contrast: float
    """Standard deviation of the same."""
    darkest: float
    """1st percentile of the same."""
    brightest: float
    """99th percentile of the same."""
    border: float
    """Mean of the outer frame."""
    color: bool
    """Whether the file is declared as colour."""


def film_facts(films: Sequence[Film], progress: Progress | None = None) -> Iterator[FilmFacts]:
    """Decode films one after another, in order, with a bounded number of them in memory.

    Raises:
        CxrError: a film that cannot be decoded.
    """
    with ChildDecoder(workers=cpu_count() or 1) as decoder, ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(films), _AHEAD):
            ahead = films[start : start + _AHEAD]
            for done, facts in enumerate(pool.map(lambda film: _facts(film, decoder), ahead), start=start + 1):
                if progress is not None:
                    progress(done, len(films))
                yield facts


def _facts(film: Film, decoder: FrameDecoder) -> FilmFacts:
    data = film.path.read_bytes()
    radiograph = decode(data, frame_decoder=decoder)
    counts = cv2.calcHist([radiograph.pixels], [0], None, [256], [0, radiograph.largest_value + 1]).ravel()
    levels = (np.arange(256) + 0.5) / 256
    share = counts.astype(np.float64) / counts.sum()
    mean = float(share @ levels)
    low, high = np.searchsorted(np.cumsum(share), (0.01, 0.99))
    return FilmFacts(
        rows=radiograph.rows,
        columns=radiograph.columns,
        format=radiograph.format,
        bits=radiograph.bits,
        bytes_per_pixel=len(data) / (radiograph.rows * radiograph.columns),
        mean=mean,
        contrast=float(np.sqrt(share @ (levels - mean) ** 2)),
        darkest=float(levels[low]),
        brightest=float(levels[min(high, 255)]),
        border=_border(radiograph.pixels) / radiograph.largest_value,
        color=not radiograph.photometric_interpretation.startswith("MONOCHROME"),
    )


def _border(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    width = max(1, min(pixels.shape) // _BORDER)
    inner = pixels[width:-width, width:-width]
    return (float(pixels.sum(dtype=np.float64)) - float(inner.sum(dtype=np.float64))) / max(1, pixels.size - inner.size)
