"""Where the lungs of films lie: masks, placed as the prepared films are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.preprocess import placement
from schemas.errors import CxrError, TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film

Mask = NDArray[np.bool_]  # [S, S]

_MASKS = "masks"
_IMAGES = "images"


def find_masks(films: Sequence[Film], lung_masks: str | None) -> dict[int, Path]:
    """The lung mask of each film that has one, by the film's index.

    A mask has the film's name, with any ending. It lies in the folder `lung_masks`, or in `masks/` beside the film's
    own `images/`.

    Raises:
        TrainingDataError: there is no such folder.
    """
    folder = None if lung_masks is None else Path(lung_masks)
    if folder is not None and not folder.is_dir():
        msg = f"lung_masks={folder} is not a folder; give the one that holds a mask for each film, by its name"
        raise TrainingDataError(msg)
    listed: dict[Path, Mapping[str, Path]] = {}

    def mask_of(film: Film) -> Path | None:
        beside = film.path.parent.with_name(_MASKS) if film.path.parent.name == _IMAGES else None
        for place in filter(None, (folder, beside)):
            if place not in listed:
                listed[place] = {file.stem: file for file in sorted(place.glob("*"))}
            if film.path.stem in listed[place]:
                return listed[place][film.path.stem]
        return None

    found = ((index, mask_of(film)) for index, film in enumerate(films))
    return {index: mask for index, mask in found if mask is not None}


def read_mask(path: Path, film: Film, spec: PreprocessSpec) -> Mask:
    """A mask of the whole film, placed as `imaging.preprocess.prepare` places the film.

    Raises:
        TrainingDataError: the mask cannot be read, or marks nothing or everything.
    """
    try:
        # In this process: a mask is a picture, and the film has been decoded before.
        picture = decode(path.read_bytes(), frame_decoder=decode_frame)
        mask = (picture.pixels > picture.largest_value // 2).astype(np.uint8)
        rows, columns = mask.shape
        if spec.resize == "pad":
            rows, columns = decode(film.path.read_bytes(), frame_decoder=decode_frame).pixels.shape
    except (OSError, CxrError) as error:
        msg = f"the lung mask {path} cannot be read ({error}); mend it, or remove it from the folder"
        raise TrainingDataError(msg) from error
    place = placement(rows, columns, spec)
    placed = np.zeros((spec.size, spec.size), bool)
    inner = cv2.resize(mask, (place.columns, place.rows), interpolation=cv2.INTER_NEAREST_EXACT)
    placed[place.top : place.top + place.rows, place.left : place.left + place.columns] = inner > 0
    if placed.all() or not placed.any():
        marked = "everything" if placed.any() else "nothing"
        msg = f"the lung mask {path} marks {marked}; draw the lungs bright on black, or remove it from the folder"
        raise TrainingDataError(msg)
    return placed
