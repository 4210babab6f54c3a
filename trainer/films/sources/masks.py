"""Masks of the lungs: used to train on lungs alone, and found where they lie among the films."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bundle.files import sha256_of
from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.dicom.codecs import decode_frame
from schemas.errors import TrainingDataError
from trainer.films.files import listing, read_files, read_or_skip
from trainer.films.film import Film
from trainer.films.sources.reading import read_content
from trainer.films.sources.source import FoundFilm, Source
from trainer.films.sources.unpacked import unpack
from trainer.reporter import Progress

_EXTREME = 0.02
"""How near to black or white a pixel or cell must be, as a share of the range."""
_TWO_LEVELS = 0.98
"""Share of such pixels from which on an image is a mask; see docs/data.md for films."""
_SUSPECT = 0.6
"""Share of such cells of a thumbnail from which on the whole image is looked at."""


def lungs_only(source: Source, cache: Path, *, skip_unreadable: bool, progress: Progress | None = None) -> Source:
    """The same films with everything outside the lungs black, written as PNG to `<cache>/lungs-<hash>/`.

    A mask of another size is resized to its film by the nearest pixel: those of the COVID-19 Radiography
    Database are 256 x 256 for films of 299 x 299.

    Raises:
        TrainingDataError: films without a mask, unreadable files, or no space left.
    """
    bare = [film.path.relative_to(source.root).as_posix() for film in source.films if film.mask is None]
    if bare:
        msg = (
            f"{len(bare)} films have no mask of the lungs; masks=lungs needs <class>/images/NAME and "
            "<class>/masks/NAME for every film:" + listing(bare)
        )
        raise TrainingDataError(msg)
    _, (root, films), dropped = read_or_skip(
        source.films,
        lambda films: _cut(films, source.root, cache, progress),
        root=source.root,
        skip=skip_unreadable,
    )
    note = "everything outside the masks of the lungs is black: the network knows no whole films"
    return replace(source, root=root, films=films, notes=(*source.notes, note), dropped=(*source.dropped, *dropped))


def refuse_masks(films: Sequence[Film], thumbnails: NDArray[np.float32], root: Path) -> None:
    """Stop at films that hold black and white and nothing between: masks among them.

    Args:
        films: V films.
        thumbnails: float32 [V, 1, S, S] in [0, 1]; only films whose thumbnails raise the suspicion are decoded.
        root: folder that the messages' paths are relative to.

    Raises:
        TrainingDataError: there are some; it lists them.
    """
    extreme = (thumbnails < _EXTREME) | (thumbnails > 1 - _EXTREME)
    shares = extreme.mean(axis=(1, 2, 3))
    suspects = [film.path for film, share in zip(films, shares, strict=True) if share > _SUSPECT]
    verdicts = read_files(suspects, _is_mask, root=root)
    masks = [path.relative_to(root).as_posix() for path, is_mask in zip(suspects, verdicts, strict=True) if is_mask]
    if masks:
        msg = (
            f"{len(masks)} images among the films are black and white with nothing between, as masks are; "
            "remove them, or lay the class out as images/ and masks/:" + listing(masks)
        )
        raise TrainingDataError(msg)


def _cut(
    films: Sequence[FoundFilm], root: Path, cache: Path, progress: Progress | None
) -> tuple[Path, tuple[FoundFilm, ...]]:
    """The folder of the lungs, and each film there."""
    names = [f"{film.path.relative_to(root).as_posix()}.png" for film in films]
    paths = [film.path for film in films]
    masks = {film.path: film.mask for film in films if film.mask is not None}
    contents = list(read_files(paths, read_content, root=root, progress=progress))
    digests = read_files(paths, lambda path: sha256_of(masks[path]), root=root)
    parts = zip(names, contents, digests, strict=True)
    key = "".join(f"{name}\n{content.sha256}\n{mask}\n" for name, content, mask in parts)
    folder = cache / f"lungs-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    unpack(folder, names, lambda: _lungs(paths, masks, root))
    # The PNG files say nothing about patients, so what the films say is kept with them.
    return folder, tuple(
        replace(
            film,
            path=folder / name,
            mask=None,
            stated=content.stated,
            attributes={**content.attributes, **film.attributes},
        )
        for film, name, content in zip(films, names, contents, strict=True)
    )


def _lungs(films: Sequence[Path], masks: Mapping[Path, Path], root: Path) -> Iterator[NDArray[Any]]:
    """Each film, upright, at the full depth of its pixel type, black outside its mask, which lies as the film does."""
    with ChildDecoder(workers=os.cpu_count() or 1) as frame_decoder:

        def cut(path: Path) -> NDArray[Any]:
            film, mask = (decode(file.read_bytes(), frame_decoder=frame_decoder) for file in (path, masks[path]))
            rows, columns = film.pixels.shape
            lungs = (mask.pixels > mask.largest_value // 2).astype(np.uint8)
            inside = cv2.resize(lungs, (columns, rows), interpolation=cv2.INTER_NEAREST)
            lungs_alone = (film.pixels << (8 * film.pixels.itemsize - film.bits)) * inside
            return np.ascontiguousarray(film.turn.upright(lungs_alone))  # a PNG has no header that says how it lies

        yield from read_files(films, cut, root=root)


def _is_mask(path: Path) -> bool:
    # In this process: the film's thumbnail was decoded in a child before.
    film = decode(path.read_bytes(), frame_decoder=decode_frame)
    dark = float((film.pixels < _EXTREME * film.largest_value).mean())
    bright = float((film.pixels > (1 - _EXTREME) * film.largest_value).mean())
    return dark + bright > _TWO_LEVELS and min(dark, bright) > 1 - _TWO_LEVELS
