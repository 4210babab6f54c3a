"""A folder of films that the tiny network tells apart, with a table of labels."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.conftest import flat_film

ILL, WELL = 200, 60
"""Gray levels that the tiny network calls PNEUMONIA and NORMAL."""


def write_films(folder: Path, *, ill: int = 12, well: int = 12, first: int = 0) -> Path:
    """Films of both kinds, all different, and `labels.csv` beside the folder; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["film,PNEUMONIA,station"]
    for number in range(first, first + ill + well):
        is_ill = number < first + ill
        gray = (ILL if is_ill else WELL) + number % 5
        (folder / f"film{number}.png").write_bytes(flat_film(gray, rows=40 + number, columns=32))
        rows.append(f"film{number}.png,{int(is_ill)},ROOM {number % 2}")
    labels = folder.parent / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    return labels


def write_dicom(folder: Path, uid: str, **attributes: Any) -> None:
    """A DICOM film of this SOP Instance UID."""
    pixels = np.tile(np.array([[0, 255, 255, 255]], np.uint8), (40, 8))
    dataset = dicom_dataset(pixels, Modality="CR", SOPInstanceUID=uid, **attributes)
    (folder / f"{uid}.dcm").write_bytes(dicom_bytes(dataset))
