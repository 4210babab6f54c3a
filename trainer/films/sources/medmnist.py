"""MedMNIST's `.npz` of any size: `train|val|test_images` and `_labels`, unpacked as PNG.

Source: Yang et al., Scientific Data 10 (2023) 41.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from bundle.files import sha256_of
from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.films.film import SPLITS, SplitName
from trainer.films.sources.source import FoundFilm, Source
from trainer.films.sources.unpacked import unpack

_GRAY, _COLOUR = 3, 4  # dimensions of [N, H, W] and [N, H, W, 3]


def npz_source(archive: Path, cache: Path, label_names: Sequence[str] = ()) -> Source:
    """Unpack the films of an archive, without loss, and find them in its official splits.

    Args:
        archive: uint8 images [N, H, W] or [N, H, W, 3] and one integer label each, [N] or [N, 1].
        cache: the films are written to `<cache>/npz-<hash of the archive>/`.
        label_names: name of each label; empty: its number.

    Raises:
        TrainingDataError: another kind of archive, several labels a film, or no space left.
        TrainingConfigError: too few names.
    """
    names = _names(archive)
    splits = [split for split in SPLITS if f"{split}_images" in names]
    if "train" not in splits or any(f"{split}_labels" not in names for split in splits):
        msg = (
            f"{archive} holds {', '.join(names) or 'nothing'}; it needs train_images and train_labels, and the same "
            "for val and test"
        )
        raise TrainingDataError(msg)
    labels = {split: _labels(archive, split) for split in splits}
    largest = max(int(values.max()) for values in labels.values())
    if label_names and len(label_names) <= largest:
        msg = (
            f"label_names has {len(label_names)} names, and {archive} has the label {largest}; name the labels from "
            "0 on"
        )
        raise TrainingConfigError(msg)
    places = [(split, f"{split}/{number:06d}.png") for split in splits for number in range(len(labels[split]))]
    root = cache / f"npz-{sha256_of(archive)[:16]}"
    unpack(root, [name for _, name in places], lambda: _images(archive, labels))
    indices = np.concatenate([labels[split] for split in splits]).tolist()
    words = [label_names[index] if label_names else str(index) for index in indices]
    films = tuple(FoundFilm(root / name, word, split) for (split, name), word in zip(places, words, strict=True))
    order = sorted(set(indices))
    classes = tuple(label_names[index] if label_names else str(index) for index in order)
    return Source(root, films, classes, (f"unpacked from {archive.name}",))


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


def _labels(archive: Path, split: SplitName) -> NDArray[np.int64]:
    values = _array(archive, f"{split}_labels")
    single = values.reshape(len(values)) if values.ndim and values.size == len(values) else values
    if not values.size or single.ndim != 1 or not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        msg = (
            f"{archive} has {split}_labels {values.dtype} {list(values.shape)}; one whole number from 0 a film is "
            "needed: several findings on one film cannot be trained"
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
