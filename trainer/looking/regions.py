"""Where the lungs and the findings of films lie: masks and boxes, placed as the prepared films are."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.decode import decode, sniff
from imaging.dicom.codecs import decode_frame
from imaging.preprocess import placement
from imaging.radiograph import UPRIGHT, Turn
from schemas.errors import CxrError, TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film

Mask = NDArray[np.bool_]  # [S, S]

_MASKS = "masks"
_IMAGES = "images"
_BOXES = "boxes"
_NAMES = ("path", "image")
_BOX_SIDES = 4


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around a finding, as shares of the film's width and height from its top left corner."""

    finding: str
    """Empty: the table does not name it."""
    x: float
    y: float
    width: float
    height: float

    def put_upright(self, turn: Turn) -> "Box":
        """The same rectangle on the film that was put upright."""
        x, y, width, height = self.x, self.y, self.width, self.height
        if turn.transposed:
            x, y, width, height = y, x, height, width
        left = 1 - x - width if turn.left_right else x
        return Box(self.finding, left, 1 - y - height if turn.up_down else y, width, height)


def find_masks(films: Sequence[Film], lung_masks: str | None) -> dict[int, Path]:
    """The lung mask of each film that has one, by the film's index.

    A mask has the film's name, with any ending. It lies in the folder `lung_masks`, or in `masks/` beside the film's
    own `images/`.

    Raises:
        TrainingDataError: there is no such folder.
    """
    folder = None if lung_masks is None else Path(lung_masks)
    if folder is not None and not folder.is_dir():
        msg = f"judge.lung_masks={folder} is not a folder; give the one that holds a mask for each film, by its name"
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
    """A mask of the whole film, which lies as the film does, placed as `imaging.preprocess.prepare` places the film.

    Raises:
        TrainingDataError: the mask cannot be read, or marks nothing or everything.
    """
    try:
        # In this process: a mask is a picture, and the film has been decoded before.
        picture = decode(path.read_bytes(), frame_decoder=decode_frame)
        turn, sides = _lies(film, spec)
        mask = np.ascontiguousarray(turn.upright(picture.pixels > picture.largest_value // 2)).astype(np.uint8)
        rows, columns = sides or mask.shape
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


def read_boxes(table: Path) -> dict[str, tuple[Box, ...]]:
    """The boxes of a table, by the name of the film's file.

    The column `path` or `image` names the film; each column whose name ends in `boxes` holds a JSON list of
    `[x, y, w, h]` or `[finding, x, y, w, h]`, as shares of width and height, or is empty.

    Raises:
        TrainingDataError: the table cannot be read, or a cell is not such a list.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"judge.boxes={table} cannot be read ({error}); give a CSV table with columns `path` and `boxes`"
        raise TrainingDataError(msg) from error
    header = list(rows[0]) if rows else []
    name = next((column for column in _NAMES if column in header), None)
    columns = [column for column in header if column.endswith(_BOXES)]
    if name is None or not columns:
        msg = (
            f"judge.boxes={table} has the columns {', '.join(header)}; it needs `path` or `image`, and at least one "
            "whose name ends in `boxes`"
        )
        raise TrainingDataError(msg)
    boxes = {
        Path(row[name]).name: tuple(
            box for column in columns if row[column] for box in _boxes(row[column], table, line, column)
        )
        for line, row in enumerate(rows, start=2)
    }
    return {film: own for film, own in boxes.items() if own}


def _boxes(cell: str, table: Path, line: int, column: str) -> list[Box]:
    try:
        return [_box(entry) for entry in json.loads(cell)]
    except (ValueError, TypeError) as error:
        msg = (
            f"{table}, line {line}, column {column}: {cell!r} is not a JSON list of boxes [x, y, w, h] or "
            f"[finding, x, y, w, h] with shares in [0, 1] ({error}); correct the cell or empty it"
        )
        raise TrainingDataError(msg) from error


def _box(entry: list[str | float]) -> Box:
    finding = str(entry[0]) if len(entry) > _BOX_SIDES else ""
    x, y, width, height = (float(side) for side in entry[-_BOX_SIDES:])
    if not (min(x, y) >= 0 and min(width, height) > 0 and max(x, y, width, height) <= 1):
        msg = f"{entry} lies outside the film"
        raise ValueError(msg)
    return Box(finding, x, y, width, height)


def boxes_mask(boxes: Sequence[Box], film: Film, spec: PreprocessSpec) -> Mask:
    """The union of boxes [S, S], placed as the film is; a box smaller than a pixel still marks one.

    Raises:
        TrainingDataError: the film cannot be read, whose header says how it lies and whose sides a padded film needs.
    """
    try:
        turn, sides = _lies(film, spec)
    except (OSError, CxrError) as error:
        msg = f"{film.path} cannot be read ({error})"
        raise TrainingDataError(msg) from error
    place = placement(*(sides or (spec.size, spec.size)), spec)
    mask = np.zeros((spec.size, spec.size), bool)
    for box in (each.put_upright(turn) for each in boxes):
        top, left = (place.top + int(box.y * place.rows), place.left + int(box.x * place.columns))
        bottom = place.top + round((box.y + box.height) * place.rows)
        right = place.left + round((box.x + box.width) * place.columns)
        mask[top : max(bottom, top + 1), left : max(right, left + 1)] = True
    return mask


def _lies(film: Film, spec: PreprocessSpec) -> tuple[Turn, tuple[int, int] | None]:
    """What puts a film upright, and rows and columns of the upright film, where these matter.

    Raises:
        OSError, CxrError: the film cannot be read.
    """
    data = film.path.read_bytes()
    if spec.resize != "pad" and sniff(data) != "dicom":
        return UPRIGHT, None
    radiograph = decode(data, frame_decoder=decode_frame)
    rows, columns = radiograph.pixels.shape
    return radiograph.turn, radiograph.turn.sides(rows, columns)
