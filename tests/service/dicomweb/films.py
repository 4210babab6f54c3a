"""DICOM films with the UIDs that a store needs, and the requests that bring them."""

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, generate_uid

from service.dicomweb.multipart import write_parts
from tests.imaging.files import dicom_bytes, dicom_dataset

STUDY = "1.2.826.0.1.3680043.8.498.1"


def film_dataset(name: str = "film", *, gray: int = 200, **attributes: Any) -> Dataset:
    """A chest film of this mean, of black and white dots: 200 is PNEUMONIA to the tiny network, 60 is NORMAL."""
    uids: dict[str, Any] = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=[name]),
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": generate_uid(entropy_srcs=[name, "series"]),
        "Modality": "CR",
    }
    dots = 255 * np.diff(np.arange(40 * 32 + 1) * gray // 255)
    return dicom_dataset(dots.reshape(40, 32).astype(np.uint8), **(uids | attributes))


def film(name: str = "film", **attributes: Any) -> bytes:
    return dicom_bytes(film_dataset(name, **attributes))


def uid(name: str) -> str:
    """SOPInstanceUID of `film(name)`."""
    return str(generate_uid(entropy_srcs=[name]))


def stow(*films: bytes) -> dict[str, Any]:
    """Arguments of a POST that stores the films."""
    body, media_type = write_parts(films)
    return {"content": body, "headers": {"Content-Type": media_type}}
