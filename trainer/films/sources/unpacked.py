"""Images that need a file of their own, e.g. those of an archive: written once as PNG below the cache folder."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from schemas.errors import TrainingDataError


def unpack(folder: Path, names: Sequence[str], images: Callable[[], Iterable[NDArray[Any]]]) -> None:
    """Write each image that is missing; what was interrupted goes on where it was.

    Args:
        folder: of all; its name must depend on the content, because a file that is there is taken as it is.
        names: paths of the images below `folder`.
        images: gives uint8 or uint16, [H, W] or RGB [H, W, 3], in the order of `names`; called when one is missing.

    Raises:
        TrainingDataError: no space left, or the folder cannot be written.
    """
    if all((folder / name).is_file() for name in names):
        return
    try:
        for name, image in zip(names, images(), strict=True):
            if not (folder / name).is_file():
                _write(folder / name, image)
    except OSError as error:
        msg = (
            f"{folder} cannot hold {len(names)} images ({error.strerror}); free some space or choose another cache "
            "folder"
        )
        raise TrainingDataError(msg) from error


def _write(path: Path, image: NDArray[Any]) -> None:
    """Write whole or not at all for other processes; not synced, because thousands of syncs take minutes."""
    colour = image.ndim == 3  # noqa: PLR2004 - [H, W, 3]
    _, png = cv2.imencode(".png", image[..., ::-1] if colour else image)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(png.tobytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
