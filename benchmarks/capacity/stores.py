"""How many films a second the spool and the audit log take, on this disk: real classes, each commit on disk."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from imaging.limits import DecodeLimits
from service.audit.trail import Trail
from service.dicomweb.instance import Instance, read_instance
from service.dicomweb.spool import Spool
from service.dicomweb.tables import open_database
from service.metrics import Metrics
from service.settings import AuditSettings
from tests.service.dicomweb import postgresql

CALLERS: Final = 64
WORKERS: Final = 4


def spool_films_s(engine: Engine, films: list[bytes], result_bytes: int) -> float:
    """Films a second from their arrival to their delivery, by a few workers, without analysis and without PACS."""
    spool = Spool(engine, capacity=10 * len(films))
    instances = [read_instance(film, DecodeLimits()) for film in films]
    objects = {"result": bytes(result_bytes)}

    def store(instance: Instance) -> None:
        spool.store(instance, "routine", "model")

    def analyse(_: Instance) -> None:
        claim = spool.claim("received")
        if claim is not None:
            spool.analysed(claim, model_sha256="model", record="{}", objects=objects)

    def deliver(_: Instance) -> None:
        claim = spool.claim("analysed")
        if claim is not None:
            spool.delivered(claim)

    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for step in (store, analyse, deliver):
            work: Callable[[Instance], None] = step
            list(pool.map(work, instances))
    return len(films) / (time.perf_counter() - start)


@contextmanager
def sqlite_database() -> Iterator[Engine]:
    """A new one on this disk."""
    with tempfile.TemporaryDirectory() as folder, open_database(f"sqlite:///{folder}/spool.db") as engine:
        yield engine


@contextmanager
def postgresql_database() -> Iterator[Engine | None]:
    """A new one in a server of its own; None where PostgreSQL is not installed."""
    if postgresql.binaries() is None:
        yield None
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql.server(Path(folder)) as address,
        open_database(address.format(database="postgres")) as engine,
    ):
        yield engine


def audit_records_s(records: int = 2000) -> float:
    """Records a second by callers that each wait until theirs is on disk."""

    async def write(trail: Trail) -> None:
        for _ in range(records // CALLERS):
            await trail.record("film", caller="benchmark", film_sha256="0" * 64, label="NORMAL", decision="negative")

    async def write_all() -> float:
        with tempfile.TemporaryDirectory() as folder:
            trail = Trail(AuditSettings(file=Path(folder, "audit.jsonl")), Metrics())
            with trail.running():
                start = time.perf_counter()
                await asyncio.gather(*(write(trail) for _ in range(CALLERS)))
                return records / (time.perf_counter() - start)

    return asyncio.run(write_all())
