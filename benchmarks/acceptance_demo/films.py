"""Films of the demonstration: validation films that taught the network nothing, or made ones where there are none."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from bundle.opening import open_bundle
from schemas.model.manifest import CURRENT, BundleManifest
from trainer.films.film import Film, data_sha256
from trainer.films.leaks import close_leaks
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.films.splits import grouped_split

MODELS: Final = Path("models")
DATASET: Final = "kermany224"
FINDING: Final = "PNEUMONIA"
SHARE: Final = 0.4
"""Of the films that have the finding."""
CONTRAST: Final = 3.0

Pixels = NDArray[np.uint8]  # [H, W]


@dataclass(frozen=True, slots=True)
class Case:
    """One film of the stream."""

    name: str
    """SOPInstanceUID."""
    content: bytes
    present: bool
    """Whether the film has the finding: what the verdict will state."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the films come from, and what the harm is."""

    models_dir: Path
    words: str
    harm: str
    present: list[Pixels]
    absent: list[Pixels]
    contrast: float

    def cases(self, count: int, *, shifted: bool, seed: int) -> Iterator[Case]:
        """Films drawn with replacement, as they are or with the planted harm."""
        random = np.random.default_rng(seed)
        for number in range(count):
            present = bool(random.random() < SHARE)
            kind = self.present if present else self.absent
            pixels = kind[int(random.integers(len(kind)))]
            uid = generate_uid(entropy_srcs=["stream", str(seed), str(number)])
            yield Case(uid, _dicom(_stretched(pixels, self.contrast) if shifted else pixels, uid), present)


def shipped() -> BundleManifest:
    """The manifest of the bundle that is current."""
    return open_bundle(MODELS / (MODELS / CURRENT).read_text(encoding="utf-8").strip()).manifest


def folder_of_films() -> Path | None:
    """The films of the shipped bundle below CXR_DATA_DIR; None where they are not there."""
    data = os.environ.get("CXR_DATA_DIR")
    folder = None if data is None else Path(data) / DATASET
    return folder if folder is not None and folder.is_dir() else None


def validation_films(manifest: BundleManifest, folder: Path) -> Sequence[Film]:
    """The films of a folder that validated a bundle and taught it nothing, split again as its run split them.

    Empty where the split is another one: some of its films may have taught the bundle.
    """
    index = close_leaks(index_films(DataOptions(path=str(folder), task="classes")), "drop")
    films = grouped_split(index, val_fraction=0.15, seed=0).of("val")
    known = {each.data_sha256 for each in manifest.evaluation if each.data == "validation"}
    return films if data_sha256(films) in known else ()


def source_of(out: Path) -> Source:
    """The validation films of the shipped bundle, below CXR_DATA_DIR; else films that a network for tests can tell."""
    manifest, folder = shipped(), folder_of_films()
    films = () if folder is None else validation_films(manifest, folder)
    if not films:
        return _made(out)
    read = {True: [], False: []}  # type: dict[bool, list[Pixels]]
    for film in films:
        read[film.label == FINDING].append(np.asarray(cv2.imread(str(film.path), cv2.IMREAD_GRAYSCALE), np.uint8))
    words = f"{len(films)} validation films of {manifest.name}/{manifest.version}, which taught it nothing"
    harm = f"a device stretches the contrast {CONTRAST} times, so that most dark and bright gray levels are lost"
    return Source(MODELS, words, harm, read[True], read[False], CONTRAST)


def _made(out: Path) -> Source:
    """Films of two mean gray levels and the network of the tests, which tells them apart."""
    from tests.service.bundles import write_tiny_bundle  # noqa: PLC0415 it is of the tests, and wanted here alone

    models = out / "models"
    if not models.exists():
        write_tiny_bundle(models)
    words = "made films of two gray levels and the network of the tests, as there are no films below CXR_DATA_DIR"
    harm = "a device makes films so much brighter that many without the finding look as if they had it"
    return Source(models, words, harm, [_dots(200)], [_dots(60), _dots(100)], 2.0)


def _dots(gray: int) -> Pixels:
    dots = 255 * np.diff(np.arange(40 * 32 + 1) * gray // 255)
    film: Pixels = dots.reshape(40, 32).astype(np.uint8)
    return film


def _stretched(pixels: Pixels, factor: float) -> Pixels:
    if len(pixels) == 40:  # made films are black and white, and have no contrast to stretch
        return _dots(min(255, round(factor * pixels.mean())))
    changed = pixels.mean() + factor * (pixels - pixels.mean())
    clipped: Pixels = np.clip(changed, 0, 255).round().astype(np.uint8)
    return clipped


def _dicom(pixels: Pixels, uid: str) -> bytes:
    film = Dataset()
    film.SOPClassUID = ComputedRadiographyImageStorage
    film.SOPInstanceUID = uid
    film.StudyInstanceUID = generate_uid(entropy_srcs=[uid, "study"])
    film.SeriesInstanceUID = generate_uid(entropy_srcs=[uid, "series"])
    film.Modality = "CR"
    film.PatientAge = "004Y"
    film.BodyPartExamined = "CHEST"
    film.ViewPosition = "AP"
    film.PresentationIntentType = "FOR PRESENTATION"
    film.StationName = "ROOM 3"
    film.PhotometricInterpretation = "MONOCHROME2"
    film.SamplesPerPixel = 1
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit = 7
    film.PixelRepresentation = 0
    film.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    film["PixelData"].VR = "OB"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    stream = io.BytesIO()
    dcmwrite(stream, film, enforce_file_format=True)
    return stream.getvalue()
