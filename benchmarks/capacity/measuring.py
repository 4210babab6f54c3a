"""The real service under load: what a film costs it, and how long films take at several loads."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from pydicom.uid import ComputedRadiographyImageStorage, generate_uid

from benchmarks.capacity.queueing import simulated
from benchmarks.capacity.records import LoadPoint, Measured
from benchmarks.capacity.stores import audit_records_s, postgresql_database, spool_films_s, sqlite_database
from benchmarks.resilience.load import JPEG, Clients
from benchmarks.resilience.server import Server, until
from imaging.phantom import phantom
from service.dicomweb.multipart import write_parts
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.dicomweb.archive import FakeArchive

ROWS, COLUMNS = 1500, 1200
UTILISATIONS: Final = (0.2, 0.4, 0.6, 0.8)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds of processor time so far."""

    process: float
    loop: float
    own: float
    machine: float

    @classmethod
    def of(cls, server: Server) -> "Clocks":
        """Read them."""
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        busy = sum(int(field) for place, field in enumerate(fields[:8]) if place not in (3, 4))  # idle, iowait
        pid = server.process.pid
        task = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
        loop = (int(task[11]) + int(task[12])) / _TICKS
        return cls(server.cpu_s, loop, time.process_time(), busy / _TICKS)


def jpegs(count: int = 8) -> list[bytes]:
    """Full-size films that differ."""
    drawn = (phantom(ROWS, COLUMNS, seed=seed, opacity=seed / count) for seed in range(count))
    return [cv2.imencode(".jpeg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for pixels in drawn]


def dicoms(count: int) -> list[bytes]:
    """DICOM films of as many pixels, uncompressed, each of a study of its own."""
    pixels = [phantom(ROWS, COLUMNS, seed=seed, opacity=seed / 8) for seed in range(8)]
    uids = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    common: dict[str, Any] = {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR"}
    return [
        dicom_bytes(dicom_dataset(pixels[number % 8], **(common | {name: generate_uid() for name in uids})))
        for number in range(count)
    ]


async def poisson(clients: Clients, bodies: Sequence[bytes], rate: float, seconds: float, seed: int) -> list[float]:
    """Send films at random times; seconds of each answer.

    Raises:
        ValueError: an answer is not 200: the load is beyond what this machine has free.
    """
    random = np.random.default_rng(seed)
    due = np.cumsum(random.exponential(1 / rate, max(20, int(rate * seconds))))
    start = time.perf_counter()
    sent = []
    for number, at in enumerate(due):
        if (wait := start + at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(clients.post("/predict", bodies[number % len(bodies)], JPEG)))
    answers = await asyncio.gather(*sent)
    if refused := {answer.status for answer in answers} - {200}:
        msg = f"the service answered {sorted(refused)}; free the machine of other programs, or measure lower loads"
        raise ValueError(msg)
    return [answer.seconds for answer in answers]


def point(server: Server, services: Sequence[float], utilisation: float, seconds: float) -> LoadPoint:
    """One load: predicted from the times of single films, then measured."""
    films_s = utilisation * server.cores / float(np.mean(services))
    sojourn = simulated(films_s, services, server.cores, films=20_000, seed=1)
    before = Clocks.of(server)
    start = time.perf_counter()
    clients = Clients(server.port)
    measured = asyncio.run(poisson(clients, jpegs(), films_s, seconds, seed=2))
    span = time.perf_counter() - start
    after = Clocks.of(server)
    foreign = after.machine - before.machine - (after.process - before.process) - (after.own - before.own)
    return LoadPoint(
        offered_films_s=films_s,
        utilisation=utilisation,
        predicted_p50_s=float(np.quantile(sojourn, 0.5)),
        predicted_p99_s=float(np.quantile(sojourn, 0.99)),
        measured_films_s=len(measured) / span,
        measured_p50_s=float(np.quantile(measured, 0.5)),
        measured_p99_s=float(np.quantile(measured, 0.99)),
        films=len(measured),
        foreign_cores=max(0.0, foreign / span),
    )


@contextmanager
def running(folder: Path, archive: FakeArchive) -> Iterator[Server]:
    """The service with the shipped bundle, a spool, an audit log and a PACS."""
    spool = f"sqlite:///{folder}/spool.db"
    chosen: dict[str, Any] = {
        "dicomweb": "true",
        "spool_url": spool,
        "audit_file": folder / "audit.jsonl",
        "pacs_url": archive.url,
    }
    server = Server(**chosen)
    try:
        until(lambda: server.status("/readyz") == 200, "the service is ready", timeout_s=300)
        yield server
    finally:
        server.terminate()
        server.process.wait(60)


def measure(seconds: float, films: int = 40) -> Measured:
    """Measure all of it; `seconds` for each load."""
    archive = FakeArchive()
    with tempfile.TemporaryDirectory() as name, running(Path(name), archive) as server:
        services, service_s, loop_s = _single(server, films)
        points = tuple(point(server, services, each, seconds) for each in UTILISATIONS)
        audited = Path(name, "audit.jsonl").stat().st_size
        stored_s = _stored(server, archive, dicoms(films))
        audit_bytes = (Path(name, "audit.jsonl").stat().st_size - audited) / films
        sent = sum(int(headers["Content-Length"]) for method, _, headers in archive.requests if method == "POST")
        record = server.ask("GET", "/results?limit=1")[1]
        memory = server.whole_memory_mb
    archive.close()
    inputs = dicoms(films)
    with sqlite_database() as engine, postgresql_database() as other:
        sqlite = spool_films_s(engine, inputs, int(sent / films))
        postgresql = None if other is None else spool_films_s(other, inputs, int(sent / films))
    return Measured(
        machine=next(
            line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
        ),
        cores=len(os.sched_getaffinity(0)),
        bundle=Path("models/current").read_text().strip(),
        measured_at=datetime.now(UTC).date().isoformat(),
        film_bytes=len(inputs[0]),
        service_s=service_s,
        loop_s=loop_s,
        variability=float(np.var(services) / np.mean(services) ** 2),
        stored_service_s=stored_s,
        sqlite_films_s=sqlite,
        postgresql_films_s=postgresql,
        audit_records_s=audit_records_s(),
        audit_bytes=audit_bytes,
        record_bytes=len(record),
        result_bytes=sent / films,
        memory_mb=memory,
        points=points,
    )


def _single(server: Server, films: int) -> tuple[list[float], float, float]:
    """Times of single films, one after the other, and their processor time, in all and of the event loop."""
    clients = Clients(server.port)
    bodies = jpegs()

    async def one_after_the_other(count: int) -> list[float]:
        answers = [await clients.post("/predict", bodies[number % 8], JPEG) for number in range(count)]
        clients.close()
        return [answer.seconds for answer in answers]

    asyncio.run(one_after_the_other(10))
    before = Clocks.of(server)
    times = asyncio.run(one_after_the_other(4 * films))
    after = Clocks.of(server)
    return times, (after.process - before.process) / len(times), (after.loop - before.loop) / len(times)


def _stored(server: Server, archive: FakeArchive, films: Sequence[bytes]) -> float:
    before = Clocks.of(server)
    for film in films:
        body, media_type = write_parts([film])
        status, answer = server.ask("POST", "/dicomweb/studies", body, {"Content-Type": media_type})
        if status != 200:
            msg = f"STOW-RS answered {status}: {answer[:200]!r}"
            raise ValueError(msg)
    until(
        lambda: server.metric('cxr_pacs_deliveries_total{result="delivered"}') >= len(films), "delivered", timeout_s=300
    )
    assert archive.stored  # noqa: S101 it was counted
    return (Clocks.of(server).process - before.process) / len(films)
