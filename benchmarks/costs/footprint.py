"""What the service takes: memory of all its processes, time until it is ready, and DICOM films beside JPEG ones.

    python -m benchmarks.costs.footprint
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python -m benchmarks.costs.footprint --report docs/results/footprint.md

The variable is what `make run` sets for the service, and here for the codec beside it.
Memory is proportional (PSS): a page that several processes share counts once. Films of a kind are sent in turn, and
compared by processor time of the service with its children, which other programs do not lengthen as much as the clock.
"""

import argparse
import http.client
import io
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import jpeg_ls
import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode_pixel_data
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame

from benchmarks.costs.pairs import PATIENT, Cost, jpeg, processor_ns, ratio
from benchmarks.peers.machine import family, processor, pss_mb
from benchmarks.serving import Started, free_port, server
from bundle.files import write_whole
from imaging.dicom.child_decoder import ChildDecoder
from imaging.dicom.codecs import EncapsulatedFrame
from imaging.dicom.pixel_data import ImagePixel
from imaging.phantom import phantom

ROWS: Final = 2500
COLUMNS: Final = 2048
BITS: Final = 12
FILMS: Final = 50
BLOCK: Final = 3
STARTS: Final = 7
TENTH: Final = 10
LAST: Final = 5
"""Of ten films, whose median stands for the tenth."""
AWAKE_S: Final = 3.0
"""Other films come meanwhile: this machine takes pages of a process away that does nothing, so that any film after 5 s
without one is twice to eight times as slow."""
SYNTAXES: Final[Mapping[str, str]] = {
    "uncompressed": uid.ExplicitVRLittleEndian,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
}
BARE: Final[Mapping[str, Callable[[bytes], object]]] = {
    "JPEG-LS": jpeg_ls.decode_pixel_data,
    "JPEG 2000": lambda frame: decode_pixel_data(
        frame, version=2, is_signed=0, photometric_interpretation="MONOCHROME2"
    ),
}
INTRODUCTION: Final = (
    "# What the service takes\n\n`GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python -m benchmarks.costs.footprint --report "
    "docs/results/footprint.md` starts the service with the current bundle, and measures the memory of all its "
    f"processes (PSS), the time until it is ready, and DICOM films of {ROWS} x {COLUMNS} pixels of {BITS} bits beside "
    "the same film as a JPEG. Ratios are medians of interleaved rounds, with the middle half of them; times of starts "
    f"and first films are medians of {STARTS} starts, with the range. The first compressed film comes after "
    f"{AWAKE_S:g} s of JPEG films.\n\n"
)


def stored_values() -> NDArray[np.uint16]:
    """A synthetic film with noise in its lowest bits, as a detector has it."""
    stored = phantom(ROWS, COLUMNS, seed=1).astype(np.uint16)
    stored <<= 4
    stored += np.random.default_rng(0).integers(0, 16, (ROWS, COLUMNS), np.uint16)
    return stored


def dicom(stored: NDArray[np.uint16], syntax: str) -> Dataset:
    """The film as a DX image."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    dataset.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.Modality = "DX"
    dataset.set_pixel_data(stored, "MONOCHROME2", BITS)
    if syntax != uid.ExplicitVRLittleEndian:
        dataset.compress(syntax)
    return dataset


def written(dataset: Dataset) -> bytes:
    """The file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def ask(port: int, film: bytes) -> float:
    """Seconds of one `/predict`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    start = time.perf_counter()
    connection.request("POST", "/predict", film, {"Content-Type": "application/octet-stream", **PATIENT})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != http.client.OK:
        raise SystemExit(body.decode())
    return time.perf_counter() - start


def block(started: Started, film: bytes) -> Cost:
    """The median on the clock, and the mean processor time, of some requests."""
    processes = family(started.process)
    used = processor_ns(processes)
    seconds = [ask(started.port, film) for _ in range(BLOCK)]
    return Cost(1e3 * statistics.median(seconds), (processor_ns(processes) - used) / BLOCK / 1e6)


def wait_for_children(started: Started) -> None:
    """Until no process is added any more, those that decode compressed films among them."""
    known = 0
    while (count := len(family(started.process))) != known:
        known = count
        time.sleep(5)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the service, with its first compressed films."""

    ready_s: float
    ready_cpu_s: float
    first: Mapping[str, float]
    """On the clock, of the tenth of its kind."""

    @classmethod
    def measured(cls, films: Mapping[str, bytes]) -> Self:
        """Start it, let it answer JPEG films for a while, and then compressed ones."""
        plain = jpeg(1500, 1200)
        with server(free_port()) as started:
            until = time.perf_counter() + AWAKE_S
            while time.perf_counter() < until:
                ask(started.port, plain)
            seconds = {name: [ask(started.port, films[name]) for _ in range(TENTH)] for name in BARE}
        first = {name: early / statistics.median(others[-LAST:]) for name, (early, *others) in seconds.items()}
        return cls(started.ready_s, started.ready_cpu_s, first)


def service_rows(films: Mapping[str, bytes], rounds: int) -> tuple[str, str]:
    """Memory and start; films by kind."""
    starts = [Start.measured(films) for _ in range(STARTS)]
    with server(free_port()) as started:
        wait_for_children(started)
        at_start = pss_mb(family(started.process))
        for name in BARE:
            for _ in range(TENTH):
                ask(started.port, films[name])
        plain = jpeg(1500, 1200)
        for _ in range(FILMS):
            ask(started.port, plain)
        later = pss_mb(family(started.process))
        costs = [{name: block(started, film) for name, film in films.items()} for _ in range(rounds)]
    memory = (
        "| processor s until ready | clock, s | MB after the start | MB after 20 compressed and "
        f"{FILMS} other films |\n| ---: | ---: | ---: | ---: |\n"
        f"| {median_of(each.ready_cpu_s for each in starts)} | {median_of(each.ready_s for each in starts)} "
        f"| {at_start:.0f} | {later:.0f} |"
    )
    rows = ["| film | processor ms | of the JPEG | first on the clock, of the tenth |\n| --- | ---: | ---: | ---: |"]
    for name in films:
        pairs = [(each["JPEG"], each[name]) for each in costs]
        used = statistics.median(each[name].processor for each in costs)
        early = median_of(each.first[name] for each in starts) if name in BARE else "-"
        rows.append(f"| {name} | {used:.1f} | {ratio(pairs, lambda one: one.processor)} | {early} |")
    return memory, "\n".join(rows)


def median_of(values: Iterable[float]) -> str:
    """The median, with the smallest and the largest."""
    low, *_, high = ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} ({low:.2f} to {high:.2f})"


def timed(work: Callable[[], object], processes: Sequence[int]) -> Cost:
    """One call, with what these processes did for it."""
    start, used = time.perf_counter(), processor_ns(processes)
    work()
    return Cost(1e3 * (time.perf_counter() - start), (processor_ns(processes) - used) / 1e6)


def codec_row(name: str, dataset: Dataset, rounds: int) -> str:
    """The child decoder beside the bare codec in this process."""
    module = ImagePixel(ROWS, COLUMNS, 1, "MONOCHROME2", 0, 16, BITS, BITS - 1, signed=False)
    data: Any = dataset.PixelData
    frame = get_frame(data, 0, number_of_frames=1)
    asked = EncapsulatedFrame(data, SYNTAXES[name], module)
    with ChildDecoder(workers=1) as decoder:
        decoder(asked)
        processes = family(os.getpid())
        pairs = [
            (timed(lambda: BARE[name](frame), processes), timed(lambda: decoder(asked), processes))
            for _ in range(rounds)
        ]
    medians = [statistics.median(each.processor for each in column) for column in zip(*pairs, strict=True)]
    return f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} | {ratio(pairs, lambda one: one.processor)} |"


def main() -> None:
    """Print the tables, and keep them where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=16, help="of each comparison (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="keep the tables in this file, too")
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    stored = stored_values()
    datasets = {name: dicom(stored, syntax) for name, syntax in SYNTAXES.items()}
    files = {"JPEG": jpeg(ROWS, COLUMNS)} | {name: written(dataset) for name, dataset in datasets.items()}
    memory, films = service_rows(files, arguments.rounds)
    codecs = [codec_row(name, datasets[name], arguments.rounds) for name in BARE]
    head = "| codec | bare, processor ms | in the child, with both copies | of bare |\n| --- | ---: | ---: | ---: |"
    text = (
        f"{INTRODUCTION}Machine: {processor()}.\n\n## Memory and start\n\n{memory}\n\n## Films\n\n{films}\n\n"
        "## Codecs\n\n" + "\n".join((head, *codecs)) + "\n"
    )
    print(text)
    if arguments.report is not None:
        write_whole(arguments.report, text.encode())


if __name__ == "__main__":
    main()
