"""What a film costs the service that receives it by DICOMweb: time, processor, memory, disk (docs/operations.md).

    python -m benchmarks.resilience.sizing [--films 40] [--side 2500]

Starts `python -m service` with the bundle in `models/`, a spool and an audit log in a temporary folder and no PACS,
sends synthetic films by STOW-RS from one client on the same machine as fast as they are taken, and prints one Markdown
table.
"""

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from benchmarks.resilience.server import running, until
from imaging.phantom import phantom
from service.dicomweb.multipart import write_parts

SYNTAXES: Final = {"uncompressed": ExplicitVRLittleEndian, "JPEG-LS": JPEGLSLossless}
MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """One row."""

    film_mb: float
    films_per_hour: float
    cpu_s: float
    memory_mb: float
    spool_mb: float
    """Largest size of the spool's folder; SQLite keeps the room for the next films."""
    kept_kb: float
    """A film, once it is analysed: database and audit log."""


def film(number: int, side: int, syntax: UID) -> bytes:
    """A synthetic film of 12 bits, square, as a modality sends it."""
    pixels = phantom(side, side, seed=number).astype(np.uint16) << 4
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = "CR"
    dataset.PatientAge = "004Y"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.tobytes()
    if syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def measure(films: Sequence[bytes], folder: Path) -> Cost:
    """Send all of them, and wait until the last is analysed."""
    spool = folder / "spool"
    audit = folder / "audit.jsonl"
    database = f"sqlite:///{spool}/spool.db"
    most_memory_mb = 0.0
    most_bytes = 0
    with running(dicomweb="true", spool_url=database, spool_capacity=10_000, audit_file=audit) as server:
        begun_cpu_s = server.cpu_s
        begun = time.perf_counter()

        def is_done() -> bool:
            nonlocal most_memory_mb, most_bytes
            most_memory_mb = max(most_memory_mb, server.whole_memory_mb)
            most_bytes = max(most_bytes, size(spool))
            return audit.read_bytes().count(b'"event":"analysed"') >= len(films)

        for each in films:
            body, media_type = write_parts([each])
            status, answer = server.ask("POST", "/dicomweb/studies", body, {"Content-Type": media_type})
            if status != HTTPStatus.OK:
                msg = f"a film was not stored ({status}): {answer[:300]!r}"
                raise SystemExit(msg)
            is_done()
        until(is_done, "all films are analysed", timeout_s=3600)
        seconds = time.perf_counter() - begun
        cpu_s = server.cpu_s - begun_cpu_s
    return Cost(
        film_mb=sum(map(len, films)) / len(films) / MB,
        films_per_hour=len(films) / seconds * 3600,
        cpu_s=cpu_s / len(films),
        memory_mb=most_memory_mb,
        spool_mb=most_bytes / MB,
        kept_kb=(used_bytes(spool / "spool.db") + audit.stat().st_size) / len(films) / 1e3,
    )


def used_bytes(database: Path) -> int:
    """What a database holds; pages that are free for the next films do not count."""
    with closing(sqlite3.connect(database)) as spool:
        pages, free, bytes_a_page = (
            spool.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * bytes_a_page)


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--side", type=int, default=2500, help="rows and columns of a film")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f} before; {options.films} films of {options.side}²\n")
    print("| film | MB | films/h | processor s | memory, MB | spool at most, MB | kept a film, kB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, syntax in SYNTAXES.items():
        films = [film(number, options.side, syntax) for number in range(options.films)]
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(films, Path(folder))
        print(
            f"| {name} | {cost.film_mb:.1f} | {cost.films_per_hour:.0f} | {cost.cpu_s:.2f} | {cost.memory_mb:.0f} | "
            f"{cost.spool_mb:.0f} | {cost.kept_kb:.0f} |"
        )


if __name__ == "__main__":
    main()
