"""MedMNIST's `.npz` of any size: `train|val|test_images` and `_labels`, unpacked as PNG.

Source: Yang et al., Scientific Data 10 (2023) 41.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from bundle.files import sha256_of
from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.films.film import SPLITS, SplitName
from trainer.films.marks import Mark
from trainer.films.options import DataOptions
from trainer.films.sources.source import FoundFilm, Source
from trainer.films.sources.unpacked import unpack

_MARKS: tuple[Mark, Mark] = ("absent", "present")
_GRAY, _COLOUR = 3, 4  # dimensions of [N, H, W] and [N, H, W, 3]


CHEST_MNIST = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia",
)  # fmt: skip
"""The findings of ChestMNIST in the order of its labels, as its authors call them."""


def npz_source(archive: Path, cache: Path, options: DataOptions) -> Source:
    """Unpack the films of an archive, without loss, and find them in its official splits.

    Args:
        archive: uint8 images [N, H, W] or [N, H, W, 3] and one integer label each, [N] or [N, 1]; or for each of K
            findings 0 or 1, [N, K].
        cache: the films are written to `<cache>/npz-<hash of the archive>/`.
        options: its `label_names` name each label or finding; empty: the number, or those of ChestMNIST for its 14.

    Raises:
        TrainingDataError: another kind of archive, several labels for classes, or no space left.
        TrainingConfigError: too few names.
    """
    arrays = _names(archive)
    splits = [split for split in SPLITS if f"{split}_images" in arrays]
    if "train" not in splits or any(f"{split}_labels" not in arrays for split in splits):
        msg = (
            f"{archive} holds {', '.join(arrays) or 'nothing'}; it needs train_images and train_labels, and the same "
            "for val and test"
        )
        raise TrainingDataError(msg)
    labels = {split: _labels(archive, split, options.task) for split in splits}
    places = [(split, f"{split}/{number:06d}.png") for split in splits for number in range(len(labels[split]))]
    root = cache / f"npz-{sha256_of(archive)[:16]}"
    names = _label_names(archive, labels, options.label_names)
    unpack(root, [name for _, name in places], lambda: _images(archive, labels))
    rows = [row for split in splits for row in labels[split].tolist()]
    paths = [(split, root / name) for split, name in places]
    notes = (f"unpacked from {archive.name}",)
    if isinstance(rows[0], list):
        marked = [{name: _MARKS[value] for name, value in zip(names, row, strict=True)} for row in rows]
        films = (FoundFilm(path, "", split, marks=marks) for (split, path), marks in zip(paths, marked, strict=True))
        return Source(root, tuple(films), names, notes)
    films = (FoundFilm(path, names[label], split) for (split, path), label in zip(paths, rows, strict=True))
    return Source(root, tuple(films), tuple(names[label] for label in sorted(set(rows))), notes)


def _label_names(
    archive: Path, labels: Mapping[SplitName, NDArray[np.int64]], given: tuple[str, ...]
) -> tuple[str, ...]:
    """The name of each label, or of each of K findings.

    Raises:
        TrainingDataError: other findings in one split than in another.
        TrainingConfigError: too few names.
    """
    findings = {values.shape[1] if values.ndim > 1 else 0 for values in labels.values()}
    if len(findings) > 1:
        msg = f"{archive} has labels of {' and '.join(map(str, sorted(findings)))} findings; every split needs the same"
        raise TrainingDataError(msg)
    count = findings.pop()
    largest = count - 1 if count else max(int(values.max()) for values in labels.values())
    if given and len(given) <= largest:
        msg = f"label_names has {len(given)} names, and {archive} has the label {largest}; name the labels from 0 on"
        raise TrainingConfigError(msg)
    if count == len(CHEST_MNIST) and not given:
        return CHEST_MNIST
    return given[: count or None] or tuple(map(str, range(largest + 1)))


def _names(archive: Path) -> list[str]:
    if not is_zipfile(archive):
        msg = f"{archive} is not an archive of arrays, or only part of one; download it again"
        raise TrainingDataError(msg)
    with np.load(archive, allow_pickle=False) as arrays:
        return list(arrays.files)


def _array(archive: Path, name: str) -> NDArray[Any]:
    """One array; archives are large, so one at a time."""
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            array: NDArray[Any] = arrays[name]
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        msg = f"{name} of {archive} cannot be read ({error}); download it again"
        raise TrainingDataError(msg) from error
    return array


def _labels(archive: Path, split: SplitName, task: str) -> NDArray[np.int64]:
    """[N] of classes, [N, K] of findings."""
    values = _array(archive, f"{split}_labels")
    if task != "classes" and values.ndim == 2 and values.shape[1] > 1 and set(np.unique(values).tolist()) <= {0, 1}:  # noqa: PLR2004
        return values.astype(np.int64)
    single = values.reshape(len(values)) if values.ndim and values.size == len(values) else values
    if not values.size or single.ndim != 1 or not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        msg = (
            f"{archive} has {split}_labels {values.dtype} {list(values.shape)}; one whole number from 0 a film is "
            "needed, or for each of several findings 0 or 1, without data.task=classes"
        )
        raise TrainingDataError(msg)
    return single.astype(np.int64)


def _images(archive: Path, labels: Mapping[SplitName, NDArray[np.int64]]) -> Iterator[NDArray[Any]]:
    for split, values in labels.items():
        images = _array(archive, f"{split}_images")
        gray, colour = images.ndim == _GRAY, images.ndim == _COLOUR and images.shape[-1] == 3  # noqa: PLR2004 - RGB
        if images.dtype != np.uint8 or not (gray or colour) or len(images) != len(values):
            msg = (
                f"{archive} has {split}_images {images.dtype} {list(images.shape)} for {len(values)} labels; "
                "uint8 [N, H, W] or [N, H, W, 3] is needed, one image for each label"
            )
            raise TrainingDataError(msg)
        yield from images
