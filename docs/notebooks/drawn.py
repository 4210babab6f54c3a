"""Films that are drawn for the notebooks, and a run on them: they need no download and show no patient."""

import os
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np

from imaging.phantom import phantom


def work_folder() -> Path:
    """A new folder for what a notebook makes, or the folder NOTEBOOKS_WORK, in which several train only once."""
    shared = os.environ.get("NOTEBOOKS_WORK")
    return Path(shared or mkdtemp())


def small_run(films: Path, work: Path) -> Path:
    """Train as the notebook `train` does, and return the folder of the run; what it has trained there is kept."""
    from trainer import train  # not above: a notebook that only draws need not wait for torch

    options = {
        "data.cache": str(work / "cache"),
        "data.altered_copies": "never",  # drawings look alike; films do not
        "data.val_fraction": 0.3,
        "networks.size": 48,
        "learn.epochs": 10,
        "learn.batch_size": 8,
        "learn.augment": "light",
        "learn.device": "cpu",
    }
    return train(films, work / "run", archs=["cnn4", "cnn_attention"], options=options).folder.path


def draw_films(root: Path, *, patients: int, side: int = 96, opacity: float = 0.5) -> Path:
    """Write films in Kermany's layout and file names, two of each patient; a finding is drawn as an opacity.

    Args:
        root: a folder; where it exists, its films are taken as they are.
        patients: of each class; half as many more for the test films.
        side: of the films, pixels.
        opacity: of the finding, in [0, 1]; the lower, the harder the films.
    """
    if root.exists():
        return root
    for first, split, count in ((0, "train", patients), (1000, "test", patients // 2)):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(first + 1, first + count + 1):
                for film in range(2):
                    random = np.random.default_rng([number, film, label == "NORMAL"])
                    pattern = cv2.resize(random.normal(0, 35, (6, 6)), (side, side), interpolation=cv2.INTER_CUBIC)
                    seed = int(random.integers(1 << 31))
                    chest = phantom(side, side, seed=seed, opacity=0.0 if label == "NORMAL" else opacity)
                    name = f"IM-{number:04d}-{film:04d}" if label == "NORMAL" else f"person{number}_bacteria_{film}"
                    cv2.imwrite(str(folder / f"{name}.jpeg"), np.clip(chest + pattern, 0, 255).astype(np.uint8))
    return root
