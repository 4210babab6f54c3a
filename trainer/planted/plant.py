"""The table of what is planted on films, by name: one function draws each of them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingConfigError
from trainer.planted.canvas import Film
from trainer.planted.devices import ecg_leads, tube
from trainer.planted.marks import collimation, letterboxed, side_marker, text
from trainer.planted.transport import eight_bit, gamma, jpeg, mirrored, screen_photo

PLANTED: Mapping[str, Callable[[Film, np.random.Generator], Film]] = MappingProxyType(
    {
        "ecg_leads": ecg_leads,
        "tube": tube,
        "side_marker": side_marker,
        "text": text,
        "collimation": collimation,
        "eight_bit": eight_bit,
        "screen_photo": screen_photo,
        "jpeg": jpeg,
        "gamma": gamma,
        "mirrored": mirrored,
        "letterboxed": letterboxed,
    }
)
"""What is not the patient, or not as the patient was exposed. None of it changes a finding."""


def plant(kind: str, film: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Draw one confounder on one film; the same arguments and state of `random` give the same film.

    Args:
        kind: a name of `PLANTED`.
        film: float32 [H, W] in [0, 1], dense is bright; not written to.
        random: decides place, size and strength.

    Returns:
        float32 [H, W] in [0, 1].

    Raises:
        TrainingConfigError: nothing is planted under that name.
    """
    if kind not in PLANTED:
        msg = f"{kind!r} is not planted on films; known: {', '.join(PLANTED)}"
        raise TrainingConfigError(msg)
    return np.asarray(np.clip(PLANTED[kind](film, random), 0, 1), np.float32)
