"""Films by what was done to them, or where they come from: what a bundle behind a guide is asked about."""

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.planted.plant import PLANTED, plant

Film = NDArray[np.float32]  # [H, W] in [0, 1]

SICK: Final = "PNEUMONIA"
_RING = 15  # pixels around the lungs whose mean paints them


@dataclass(frozen=True, slots=True)
class Asked:
    """One film that is posted."""

    kind: str
    film: Film
    sick: bool | None
    """Whether it shows the finding; None: nobody asks, as it should not be answered."""


@dataclass(frozen=True, slots=True)
class Row:
    """One validation film of the guide's table."""

    path: Path
    mask: Path | None
    population: str
    view: str

    @property
    def sick(self) -> bool:
        """By the folder that the film lies in."""
        return self.path.parent.name == SICK


def bundle_parser(description: str) -> argparse.ArgumentParser:
    """The options of a program that asks a served bundle about the films of a guide's table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of all sets")
    parser.add_argument("--table", type=Path, required=True, help="the guide's table of films")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models directory")
    parser.add_argument("--model", required=True, help="name/version of the bundle")
    return parser


def validation_rows(table: Path) -> tuple[Row, ...]:
    """The validation films of a guide's table."""
    with table.open(encoding="utf-8", newline="") as stream:
        return tuple(
            Row(
                table.parent / row["path"],
                table.parent / row["mask"] if row["mask"] else None,
                row["population"],
                row["view"],
            )
            for row in csv.DictReader(stream)
            if row["split"] == "val"
        )


def asked(rows: Sequence[Row], data: Path, count: int) -> Iterator[Asked]:
    """Films of every kind, at most `count` of each, drawn by lot with a fixed seed.

    Args:
        rows: of `validation_rows`.
        data: folder of all sets, for the four-class set, whose test films no guide has seen.
        count: of each kind.
    """
    random = np.random.default_rng(0)

    def drawn(of: Sequence[Row]) -> list[Row]:
        return [of[index] for index in random.permutation(len(of))[:count]]

    children = [row for row in rows if row.population == "child" and "kermany224" in row.path.parts]
    plain = drawn(children)
    for name, change in _changes().items():
        for number, row in enumerate(plain):
            yield Asked(name, change(_read(row.path), np.random.default_rng(number)), row.sick)
    for row in drawn([row for row in children if row.mask is not None]):
        assert row.mask is not None  # noqa: S101 - just asked
        yield Asked("lungs painted gray", _without_lungs(_read(row.path), _read(row.mask)), row.sick)
    for row in drawn([row for row in rows if "kermany_originals_640" in row.path.parts]):
        yield Asked("originals, own aspect, up to 640 pixels", _read(row.path), row.sick)
    for row in drawn([row for row in rows if row.population == "adult" and "nih_adult" in row.path.parts]):
        yield Asked("adults of NIH", _read(row.path), None)
    for row in drawn([row for row in rows if row.view == "lateral"]):
        yield Asked("lateral films", _read(row.path), None)
    for name in ("COVID", "Normal", "TB"):
        for path in sorted((data / "cxr4_256" / "test" / name).iterdir())[:count]:
            yield Asked(f"adults of the four-class set, {name}", _read(path), None)


def _changes() -> Mapping[str, Callable[[Film, np.random.Generator], Film]]:
    def planted(kind: str) -> Callable[[Film, np.random.Generator], Film]:
        return lambda film, random: plant(kind, film, random)

    return {
        "as they are": lambda film, _: film,
        "mirrored": lambda film, _: film[:, ::-1],
        "turned by a quarter": lambda film, _: np.rot90(film),
        "inverted": lambda film, _: 1 - film,
        **{kind.replace("_", " "): planted(kind) for kind in PLANTED if kind != "mirrored"},
    }


def _without_lungs(film: Film, mask: Film) -> Film:
    lungs = mask > 0.5
    ring = cv2.dilate(lungs.astype(np.uint8), np.ones((_RING, _RING), np.uint8)) > 0
    painted = film.copy()
    painted[lungs] = film[ring & ~lungs].mean()
    return painted


def _read(path: Path) -> Film:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
