"""A disk that is full: what the settings name is done, and said; and it ends by itself once there is room."""

import json
import time
from pathlib import Path

from benchmarks.resilience.load import films
from benchmarks.resilience.server import Server, running, until
from benchmarks.resilience.table import Row
from service.dicomweb.multipart import write_parts
from tests.service.dicomweb.films import film as dicom_film
from tests.service.disk import NEVER_FULL, fill_disk

_BACK_S = 5.0


def disk(folder: Path) -> list[Row]:
    """The audit log's disk under both policies, then the spool's."""
    log = folder / "audit.jsonl"
    spool = folder / "spool" / "spool.db"
    with running(audit_file=log) as server:
        refusing = _audit(server, log, "refuse", (503, 503))
    with running(audit_file=folder / "other.jsonl", audit_on_failure="continue") as server:
        continuing = _audit(server, folder / "other.jsonl", "continue", (200, 200))
    with running(dicomweb="true", spool_url=f"sqlite:///{spool}") as server:
        return [*refusing, *continuing, *_spool(server, spool)]


def _audit(server: Server, log: Path, policy: str, expected: tuple[int, int]) -> list[Row]:
    name = f"disk full, audit log, policy {policy}"
    film = films()[0]
    before = server.ask("POST", "/predict", film)[0]
    fill_disk(server.process.pid, log.stat().st_size + 40)
    during = tuple(server.ask("POST", "/predict", film)[0] for _ in expected)
    failures = server.metric("cxr_audit_write_failures_total")
    fill_disk(server.process.pid, NEVER_FULL)
    back_s = _back(server, "/predict", film) + until(lambda: _omitted(log), "the log goes on")
    kept = (before, during) == (200, expected) and failures > 0
    said = f"{', '.join(map(str, during))}; {failures:g} counted"
    return [
        Row(name, "films while it is full; failures", said, f"{', '.join(map(str, expected))}; > 0", kept),
        _recovered(name, back_s),
    ]


def _omitted(log: Path) -> int:
    """Events that the log says it lacks; the first line that is written again says so."""
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return sum(json.loads(line).get("omitted", 0) for line in lines)


def _spool(server: Server, spool: Path) -> list[Row]:
    name = "disk full, spool"
    bodies = [write_parts([dicom_film(f"film {number}")]) for number in range(2)]
    (first, kind), (second, second_kind) = bodies
    before = server.ask("POST", "/dicomweb/studies", first, {"Content-Type": kind})[0]
    until(lambda: _states(server) == ["analysed"], "the first film is analysed")
    fill_disk(server.process.pid, spool.with_name(f"{spool.name}-wal").stat().st_size)  # a film goes there first
    during, told = server.ask("POST", "/dicomweb/studies", second, {"Content-Type": second_kind})
    fill_disk(server.process.pid, NEVER_FULL)
    back_s = _back(server, "/dicomweb/studies", second, {"Content-Type": second_kind})
    until(lambda: _states(server) == ["analysed"] * 2, "both films are analysed")
    named = "00081198" in json.loads(told)  # Failed SOP Sequence
    kept = (before, during, named) == (200, 503, True)
    return [
        Row(name, "a film while it is full", f"{during}, {'named' if named else 'not named'}", "503, named", kept),
        _recovered(name, back_s),
    ]


def _states(server: Server) -> list[str]:
    return [result["state"] for result in json.loads(server.ask("GET", "/results")[1])["results"]]


def _back(server: Server, path: str, body: bytes, headers: dict[str, str] | None = None) -> float:
    """Seconds from when there is room until a film is answered."""
    start = time.perf_counter()
    until(lambda: server.ask("POST", path, body, headers or {})[0] == 200, "films are answered again", timeout_s=60)
    return time.perf_counter() - start


def _recovered(name: str, back_s: float) -> Row:
    limit = f"< {_BACK_S:g} s"
    return Row(name, "goes on by itself once there is room", f"{back_s:.2f} s", limit, back_s < _BACK_S, timing=True)
