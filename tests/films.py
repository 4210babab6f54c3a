"""Small data that the tests make: folders of synthetic films in the layouts that users have."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.phantom import phantom
from trainer.films.film import FilmIndex
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.reporter import Progress


def encode(pixels: NDArray, extension: str = ".jpeg") -> bytes:
    """Bytes of an image file of `pixels`."""
    done, buffer = cv2.imencode(extension, pixels)
    assert done
    return buffer.tobytes()


def unlike(side: int, *, seed: int, opacity: float = 0.0) -> NDArray:
    """A phantom, uint8 [side, side], on a soft pattern of its own: as unlike the others as films of two patients
    are."""
    pattern = np.random.default_rng(seed).normal(0, 25, (5, 5))
    film = phantom(side, side, seed=seed, opacity=opacity) + cv2.resize(
        pattern, (side, side), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(film, 0, 255).astype(np.uint8)


def write_classes(root: Path, films: dict[str, int], *, extension: str = ".png") -> Path:
    """Folders `<class>/<number>.png` of that many different films each."""
    for seed, (folder, count) in enumerate(films.items()):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = unlike(32, seed=1000 * seed + number)
            (root / folder / f"{number}{extension}").write_bytes(encode(pixels, extension))
    return root


def write_kermany(
    root: Path,
    *,
    patients: int = 12,
    films_per_patient: int = 2,
    side: int = 64,
    splits: tuple[str, ...] = ("train", "test"),
) -> Path:
    """A folder `<split>/{NORMAL,PNEUMONIA}` with Kermany's file names, `patients` of each class in each split."""
    for split_index, split in enumerate(splits):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for patient in range(patients):
                number = 1000 * split_index + patient + 1
                for film in range(films_per_patient):
                    seed = 7919 * number + 31 * film + (label == "NORMAL")
                    pixels = unlike(side, seed=seed, opacity=0.0 if label == "NORMAL" else 0.8)
                    kind = "bacteria" if patient % 2 else "virus"
                    name = (
                        f"IM-{number:04d}-{film:04d}.jpeg"
                        if label == "NORMAL"
                        else f"person{number}_{kind}_{film}.jpeg"
                    )
                    (folder / name).write_bytes(encode(pixels))
    return root


def indexed(path: Path, progress: Progress | None = None, **options: Any) -> FilmIndex:
    """The index of the films at a path, with options of the section `data`."""
    if "cache" in options:
        options["cache"] = str(options["cache"])
    return index_films(DataOptions(path=str(path), **options), progress)
