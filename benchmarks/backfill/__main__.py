"""A backfill of thousands of films: memory of the service as the job goes on, its pace, and the same job again.

`python -m benchmarks.backfill --films 10000 --page docs/results/backfill.md` starts the real service with a tiny
network and a PACS that is searched in pages and gives a distinct small film for each UID. The figures of memory are of
the whole process; how fast films are read says something of the spool alone, for the network costs next to nothing.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.uid import ComputedRadiographyImageStorage, generate_uid

from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import STUDY, film
from tests.service.jobs.pacs import FilmArchive
from tests.service.server import Server

LOOK_S: Final = 2.0
STEPS: Final = (0, 100, 500, 1000, 2500, 5000, 7500, 10_000)
_MIB: Final = 1024
AGAIN: Final = 1000
HEAD: Final = """# Backfill

What a large job of [`POST /jobs`](../jobs.md) costs. `{command}` wrote this page: the real service with a tiny network
and SQLite; one query finds {films} distinct films of {bytes} bytes (40 by 32 pixels) in a PACS, in pages of 500; each
film is fetched, stored, read and remembered, and no result is sent. Memory is `VmRSS` of the service's process.
{remark}

| films read | resident memory, MiB | seconds since the start |
|---|---|---|
{rows}

Then a list of {again} of these films is sent as another job.

| | the first job | again |
|---|---|---|
| seconds | {first_s:.0f} | {again_s:.0f} |
| films fetched from the PACS | {fetched} | {fetched_again} |
| films through the network | {first_runs} | {again_runs} |
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment."""

    films: int
    mib: float
    seconds: float


class Films:
    """An archive of distinct films, each made when it is asked for."""

    def __init__(self, count: int) -> None:
        self.names = {str(generate_uid(entropy_srcs=[f"film {n}"])): f"film {n}" for n in range(count)}
        self.archive = FilmArchive()
        self.archive.rows = [
            {
                "study": STUDY,
                "series": str(generate_uid(entropy_srcs=[name, "series"])),
                "instance": uid,
                "class": str(ComputedRadiographyImageStorage),
            }
            for uid, name in self.names.items()
        ]
        self.archive.content = lambda uid: film(self.names[uid], gray=60 + int(uid[-2:]) % 20)


def measure(films: int, limit_s: float) -> tuple[list[Sample], dict[str, Any]]:
    """Run a query, and then a list of what it found; returns samples of the first job, and figures of both."""
    pacs = Films(films)
    archive = pacs.archive
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tiny_bundle(root / "models")
        server = Server(
            root / "models",
            dicomweb=True,
            spool_url=f"sqlite:///{root}/spool.db",
            pacs_url=archive.url,
            delivery="positive=nothing,negative=nothing,abstain=nothing",
            jobs_folder=root / "jobs",
            jobs_max_films=films,
        )
        try:
            samples = list(_samples(server, {"query": {"StudyInstanceUID": STUDY}}, limit_s))
            fetched, first_runs = len(archive.given), _runs(server)
            names = [row for row in archive.rows if row["instance"] in archive.given][: min(AGAIN, fetched)]
            listed = [
                {
                    "study_instance_uid": row["study"],
                    "series_instance_uid": row["series"],
                    "sop_instance_uid": row["instance"],
                }
                for row in names
            ]
            again = list(_samples(server, {"films": listed}, limit_s))
            repeated = sum(archive.given.values()) - fetched
            figures = {
                "again_s": again[-1].seconds,
                "fetched_again": repeated,
                "again_runs": _runs(server) - first_runs,
            }
        finally:
            server.end()
            archive.close()
    first = {"first_s": samples[-1].seconds, "fetched": fetched, "first_runs": first_runs, "again": len(names)}
    return samples, first | figures


def _samples(server: Server, body: Mapping[str, Any], limit_s: float) -> Iterator[Sample]:
    """The process before a job, at each of `STEPS`, and at its end; a job that takes longer than allowed is ended."""
    client = server.client
    yield Sample(0, _memory_mib(server), 0.0)
    start = time.perf_counter()
    job = client.post("/jobs", json=body).raise_for_status().json()["id"]
    steps = list(STEPS[1:])
    while True:
        time.sleep(LOOK_S)
        found = client.get(f"/jobs/{job}").raise_for_status().json()
        read, seconds = found["progress"]["analysed"], time.perf_counter() - start
        is_over = found["state"] != "running" and not found["progress"]["stored"]
        if is_over or (steps and read >= steps[0]):
            steps = [step for step in steps if step > read]
            yield Sample(read, _memory_mib(server), seconds)
        if is_over:
            return
        if seconds > limit_s and found["state"] == "running":
            client.post(f"/jobs/{job}/cancel").raise_for_status()


def _memory_mib(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / _MIB if found is not None else 0.0


def _runs(server: Server) -> int:
    text = server.client.get("/metrics").raise_for_status().text
    return sum(int(float(value)) for value in re.findall(r"^cxr_images_total(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE))


def main() -> None:
    """Measure, and write the page or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=7200.0, help="after which a job is ended")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    samples, figures = measure(arguments.films, arguments.seconds)
    remark = ""
    if samples[-1].films < arguments.films:
        remark = f"The job was cancelled after {arguments.seconds:.0f} s, for the machine was busy with other work."
    rows = "\n".join(f"| {each.films} | {each.mib:.0f} | {each.seconds:.0f} |" for each in samples)
    command = f"python -m benchmarks.backfill --films {arguments.films} --page docs/results/backfill.md"
    given = {"films": arguments.films, "bytes": len(film("film 0")), "rows": rows, "remark": remark, "command": command}
    page = HEAD.format(**given, **figures)
    if arguments.page is None:
        print(page)
    else:
        arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
