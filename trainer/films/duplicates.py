"""Films that show the same picture in another encoding: found by thumbnails, because no checksum can."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.files import read_or_skip
from trainer.films.film import Film, FilmIndex, check_classes
from trainer.films.inspection.black import black_notes
from trainer.films.sources.masks import refuse_masks
from trainer.reporter import Progress

THUMBNAIL = PreprocessSpec(size=24, intensity="percentile")
_LEVELS = 256
_BLOCK = 2048  # films a side: 16 MB a product


def mark_copies(
    index: FilmIndex, cache: Path, *, threshold: float, skip_unreadable: bool, progress: Progress | None = None
) -> FilmIndex:
    """Decode every film once, small, and mark each copy in another encoding with the first film of its picture.

    Films of test come first, then those of val: they stay where copies are dropped.

    Args:
        index: films as their source gives them.
        cache: folder for the thumbnails, 2.3 kB for each film.
        threshold: see `trainer.films.options.NEAR_DUPLICATE`.
        skip_unreadable: leave out films that cannot be decoded, instead of stopping.
        progress: called for each film that is decoded.

    Raises:
        TrainingDataError: films that cannot be decoded, masks among the films, no space left.
    """

    def thumbnails(films: Sequence[Film]) -> NDArray[np.float32]:
        return prepared_films(films, THUMBNAIL, cache, progress=progress)

    films, small, unreadable = read_or_skip(index.films, thumbnails, root=index.root, skip=skip_unreadable)
    refuse_masks(films, small, index.root)
    originals = _originals(films, near_duplicates(small, threshold))
    marked = tuple(
        film if film.sha256 == original.sha256 else replace(film, copy_of=original.sha256)
        for film, original in zip(films, originals, strict=True)
    )
    notes = [*index.notes, *black_notes(films, small, index.root)]
    if unreadable:
        notes.append(f"skipped {len(unreadable)} films that cannot be decoded")
    if copies := sum(film.copy_of != "" for film in marked):
        notes.append(f"{copies} films show the picture of another film in another encoding")
    if contradicting := sum(film.label != original.label for film, original in zip(marked, originals, strict=True)):
        notes.append(f"{contradicting} of them lie under another label than that film: look at copy_of in split.csv")
    check_classes(marked, index.classes, index.counts)
    return replace(index, films=marked, notes=tuple(notes), dropped=(*index.dropped, *unreadable))


def _originals(films: Sequence[Film], pairs: Iterable[tuple[int, int]]) -> list[Film]:
    """The first film of each film's picture; a pair joins two pictures."""
    pictures = DisjointSet(range(len(films)))
    for one, other in pairs:
        pictures.merge(one, other)
    originals = list(films)
    for members in pictures.subsets():
        first = min(members, key=lambda number: (_place(films[number]), number))
        for number in members:
            originals[number] = films[first]
    return originals


def near_duplicates(thumbnails: NDArray[np.float32], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of films, first < second, whose thumbnails correlate by rank at least as `threshold`.

    Ranks survive any change of brightness, contrast or gamma. A thumbnail of one gray value correlates with none.

    Args:
        thumbnails: float32 [V, 1, S, S] in [0, 1].
        threshold: Spearman's coefficient, in (0, 1].
    """
    ranks = _unit_ranks(thumbnails.reshape(len(thumbnails), -1))
    for top in range(0, len(ranks), _BLOCK):
        for left in range(top, len(ranks), _BLOCK):
            likeness = ranks[top : top + _BLOCK] @ ranks[left : left + _BLOCK].T
            for row, column in np.argwhere(likeness >= threshold).tolist():
                if top + row < left + column:
                    yield top + row, left + column


def _unit_ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mid-ranks of the 256 gray levels within each row, centred, of length 1 (or 0 for one level): [V, P]."""
    levels = (values * (_LEVELS - 1)).round().astype(np.intp)
    ranks = np.empty(values.shape, np.float32)
    for row, level in enumerate(levels):
        counts = np.bincount(level, minlength=_LEVELS)
        middle = (np.cumsum(counts) - (counts + 1) / 2)[level]
        centred = middle - middle.mean()
        ranks[row] = centred / max(float(np.linalg.norm(centred)), 1.0)
    return ranks


def _place(film: Film) -> int:
    return ("test", "val", "train", None).index(film.split)
