"""Where findings lie on films: boxes of a table, placed as the prepared films are."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.preprocess import placement
from schemas.errors import CxrError, TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film
from trainer.films.regions.masks import Mask

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
        msg = f"boxes={table} cannot be read ({error}); give a CSV table with columns `path` and `boxes`"
        raise TrainingDataError(msg) from error
    header = list(rows[0]) if rows else []
    name = next((column for column in _NAMES if column in header), None)
    columns = [column for column in header if column.endswith(_BOXES)]
    if name is None or not columns:
        msg = (
            f"boxes={table} has the columns {', '.join(header)}; it needs `path` or `image`, and at least one "
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
        TrainingDataError: the film cannot be read, whose sides a padded film needs.
    """
    rows = columns = spec.size
    if spec.resize == "pad":
        try:
            rows, columns = decode(film.path.read_bytes(), frame_decoder=decode_frame).pixels.shape
        except (OSError, CxrError) as error:
            msg = f"{film.path} cannot be read ({error})"
            raise TrainingDataError(msg) from error
    place = placement(rows, columns, spec)
    mask = np.zeros((spec.size, spec.size), bool)
    for box in boxes:
        top, left = (place.top + int(box.y * place.rows), place.left + int(box.x * place.columns))
        bottom = place.top + round((box.y + box.height) * place.rows)
        right = place.left + round((box.x + box.width) * place.columns)
        mask[top : max(bottom, top + 1), left : max(right, left + 1)] = True
    return mask
