"""What a challenger costs urgent films: the same service with and without one, in turns, in one run.

Three services run all the time: without a challenger, without one again, and with one. In each round one after the
other gets the same load for some seconds: routine films by STOW-RS, which the challenger reads too, and urgent films,
whose times are compared. The second service without a challenger shows what the machine alone makes of it. Run it with
`python -m benchmarks.challenger`; it prints a page for `docs/results/challenger.md`.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from benchmarks.resilience.load import Answered, Clients, open_loop, percentile_ms, statuses
from benchmarks.resilience.server import Server, running, until
from imaging.phantom import phantom
from service.dicomweb.multipart import write_parts

ARMS: Final = ("without", "without, again", "with")
STAT: Final = "/predict?priority=stat"
STAT_RATE: Final = 10
STOW_RATE: Final = 3
SIDE: Final = 1024
DRAWN: Final = 4
"""Films that differ in their pixels."""
RESAMPLES: Final = 2000


@dataclass(slots=True)
class Arm:
    """One of the services, and what was measured of it."""

    name: str
    server: Server
    urgent: list[Answered] = field(default_factory=list)
    rounds: list[tuple[int, int]] = field(default_factory=list)
    """Places of the urgent films of each round."""
    stored: int = 0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=12.0, help="of load on each service in each round")
    options = parser.parse_args()
    with _arms() as arms:
        with contextlib.suppress(KeyboardInterrupt):  # the whole rounds until then are enough for a page
            for number in range(options.rounds):
                order = arms[number % len(arms) :] + arms[: number % len(arms)]
                for arm in order:
                    asyncio.run(_round(arm, options.seconds))
                    _rest(arm)
        print(_page(arms, min(len(arm.rounds) for arm in arms), options.seconds))
    return 0


@contextmanager
def _arms() -> Iterator[list[Arm]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arms: list[Arm] = []
        for name in ARMS:
            more: dict[str, Any] = (
                {"challenger": "chest-xray-adult/1.0.0", "challenger_queue": 1000} if name == "with" else {}
            )
            spool = f"sqlite:///{folder}/{len(arms)}/spool.db"
            server = running(
                model="chest-xray-pneumonia", dicomweb="true", spool_url=spool, spool_capacity=5000, **more
            )
            arms.append(Arm(name, stack.enter_context(server)))
        until(lambda: arms[-1].server.metric("cxr_challenger_reads") == 1, "the challenger is not loaded")
        yield arms


async def _round(arm: Arm, seconds: float) -> None:
    """The load of one round on one service."""
    urgent = [_urgent(SIDE, seed) for seed in range(DRAWN)]
    routine = [write_parts([_film(SIDE, seed)]) for seed in range(int(STOW_RATE * seconds))]
    clients = Clients(arm.server.port)
    await open_loop(clients, urgent, rate=STAT_RATE, seconds=1, path=STAT)
    answers, stored = await asyncio.gather(
        open_loop(clients, urgent, rate=STAT_RATE, seconds=seconds, path=STAT), _store(clients, routine)
    )
    clients.close()
    if set(statuses([*answers, *stored])) != {200}:
        sys.exit(f"not every film was taken, so nothing is measured: {statuses([*answers, *stored])}")
    arm.rounds.append((len(arm.urgent), len(arm.urgent) + len(answers)))
    arm.urgent += answers
    arm.stored += len(stored)


async def _store(clients: Clients, requests: Sequence[tuple[bytes, str]]) -> list[Answered]:
    start = time.perf_counter()
    sent = []
    for number, (body, media_type) in enumerate(requests):
        if (wait := start + number / STOW_RATE - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(clients.post("/dicomweb/studies", body, {"Content-Type": media_type})))
    return list(await asyncio.gather(*sent))


def _rest(arm: Arm) -> None:
    """Nothing of this service's load may weigh on the next: its spool and its challenger are empty."""
    until(lambda: arm.server.metric('cxr_spool_depth{state="received"}') == 0, "the spool is not empty", timeout_s=180)
    if arm.name == "with":
        until(lambda: _read(arm) >= arm.stored, "the challenger is behind", timeout_s=180)


def _read(arm: Arm) -> float:
    return arm.server.metric("cxr_challenger_films_total")


@cache
def _pixels(side: int, seed: int) -> bytes:
    return phantom(side, side, seed=seed, opacity=0.5).tobytes()


@cache
def _urgent(side: int, seed: int) -> bytes:
    return cv2.imencode(".jpeg", phantom(side, side, seed=seed, opacity=0.5))[1].tobytes()


def _film(side: int, seed: int) -> bytes:
    """A DICOM film with UIDs of its own."""
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = "CR"
    dataset.PatientAge = "005Y"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = _pixels(side, seed % DRAWN)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = DicomBytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _page(arms: Sequence[Arm], rounds: int, seconds: float) -> str:
    without = arms[0]
    lines = [
        (
            f"{len(os.sched_getaffinity(0))} cores, {rounds} rounds of {seconds:g} s on each service in turn; in each "
            f"second {STAT_RATE} urgent films ({SIDE}² JPEG to `{STAT}`) and {STOW_RATE} routine films ({SIDE}² DICOM "
            "by STOW-RS)."
        ),
        "",
        "| challenger | urgent films | p50 ms | p99 ms | p99, ratio [95 %] | films the challenger read |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm in arms:
        ratio, low, high = _ratio(arm, without)
        read = f"{_read(arm):.0f} of {arm.stored}" if arm.name == "with" else "-"
        p50, p99 = percentile_ms(arm.urgent, 0.5), percentile_ms(arm.urgent, 0.99)
        against = "1" if arm is without else f"{ratio:.2f} [{low:.2f}, {high:.2f}]"
        lines.append(f"| {arm.name} | {len(arm.urgent)} | {p50:.1f} | {p99:.1f} | {against} | {read} |")
    return "\n".join(lines)


def _ratio(arm: Arm, other: Arm) -> tuple[float, float, float]:
    """Of the 99th percentiles, with the percentile interval over resampled rounds."""
    seconds = [[np.array([each.seconds for each in one.urgent[a:b]]) for a, b in one.rounds] for one in (arm, other)]
    randomly = np.random.default_rng(0)

    def of(choice: Sequence[int]) -> float:
        new, old = (float(np.quantile(np.concatenate([each[index] for index in choice]), 0.99)) for each in seconds)
        return new / old

    rounds = min(len(arm.rounds), len(other.rounds))
    resampled = [of(randomly.integers(rounds, size=rounds).tolist()) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return of(range(rounds)), float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
