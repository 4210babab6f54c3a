"""A small run whose validation films have lung masks and boxes."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.films import write_kermany
from trainer.config import RunConfig, make_config
from trainer.folder import RunFolder
from trainer.runs.run import train

SMALL = {
    "networks.size": 32,
    "networks.archs": ["cnn_baseline"],
    "learn.epochs": 1,
    "learn.batch_size": 16,
    "learn.device": "cpu",
    "data.val_fraction": 0.3,
    "report.explain": 0,
}


def write_masks(films: Path, folder: Path) -> str:
    folder.mkdir()
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 10:28] = mask[16:48, 36:54] = 255
    for film in films.rglob("*.jpeg"):
        (folder / f"{film.stem}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    return str(folder)


def write_boxes(films: Path, table: Path) -> str:
    rows = [f'{film.name},"{json.dumps([[0.2, 0.3, 0.25, 0.4]])}"' for film in films.rglob("person*.jpeg")]
    table.write_text("\n".join(["image,rsna_boxes", *rows]) + "\n")
    return str(table)


def config(films: Path, folder: Path, **judge: str) -> RunConfig:
    marked = {f"judge.{name}": value for name, value in judge.items()}
    return make_config(SMALL | {"data.path": str(films), "data.cache": str(folder / "cache")} | marked)


def build(place: Path) -> None:
    """Train it in `place/run`."""
    films = write_kermany(place / "films", patients=40)
    masks = write_masks(films, place / "masks")
    boxes = write_boxes(films, place / "boxes.csv")
    train(config(films, place, lung_masks=masks, boxes=boxes), RunFolder(place / "run"), command="train")
