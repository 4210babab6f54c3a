"""From films a day to what has to be bought, and which part is full first; pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.capacity.profile import peak_films_s
from benchmarks.capacity.queueing import cores_for
from benchmarks.capacity.records import Measured

PLACES: Final[Mapping[str, int]] = {"clinic": 100, "hospital": 1_000, "network": 100_000, "country": 10_000_000}
WAIT_S: Final = 2.0
QUANTILE: Final = 0.99
CORES_A_REPLICA: Final = 4
FULL: Final = 0.7
"""The share of a limit up to which it is used."""
DAYS_A_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Inputs that are not measured; prices are examples, to be replaced by those of a site."""

    core_hour: float = 0.04
    """Price of one core of a machine for an hour, with its memory."""
    gigabyte_month: float = 0.08
    """Price of a gigabyte of disk that is replicated."""
    film_megabytes: float = 15.0
    """Of a film as it arrives: 2,500 x 3,000 pixels of 16 bits."""
    outage_h: float = 24.0
    """For which the spool has to hold what arrives while the analysis stands still."""
    audit_years: int = 10
    uplink_bits_s: float = 1e9
    """Between the service and the PACS, in each direction."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One part, and how much of it the busiest hour uses."""

    part: str
    films_s: float
    """Of one such part."""
    used: float
    """Share of what there is of it; above 1: it is too small."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Size:
    """What one place needs."""

    place: str
    films_a_day: int
    films_s: float
    """In the busiest hour."""
    cores: int
    replicas: int
    spool_gb: float
    audit_gb: float
    """After `audit_years`."""
    cost_a_month: float
    cost_a_thousand: float
    limits: tuple[Limit, ...]
    """The fullest first."""


def size(place: str, films_a_day: int, measured: Measured, assumed: Assumptions) -> Size:
    """Size one place; one replica more than the load needs, so that one may fail or be replaced."""
    films_s = peak_films_s(films_a_day)
    cores = cores_for(
        films_s, measured.stored_service_s, wait_s=WAIT_S, quantile=QUANTILE, variability=measured.variability
    )
    by_loop = films_s * measured.loop_s / FULL
    replicas = max(math.ceil(cores / CORES_A_REPLICA), math.ceil(by_loop)) + 1
    spool_gb = films_a_day * assumed.outage_h / 24 * assumed.film_megabytes / 1e3
    audit_gb = films_a_day * DAYS_A_YEAR * assumed.audit_years * measured.audit_bytes / 1e9
    month = replicas * CORES_A_REPLICA * 730 * assumed.core_hour + (spool_gb + audit_gb) * assumed.gigabyte_month
    return Size(
        place,
        films_a_day,
        films_s,
        cores,
        replicas,
        spool_gb,
        audit_gb,
        month,
        month / (films_a_day * DAYS_A_YEAR / 12 / 1000),
        tuple(sorted(limits(films_s, replicas, measured, assumed), key=lambda limit: -limit.used)),
    )


def limits(films_s: float, replicas: int, measured: Measured, assumed: Assumptions) -> list[Limit]:
    """Each part that is shared, or that one process has once; one replica is taken to be away."""
    working = max(1, replicas - 1)
    megabit = 8 * (assumed.film_megabytes * 1e6)
    rows: list[tuple[str, float, int, str]] = [
        ("cores", CORES_A_REPLICA / measured.stored_service_s, working, "more replicas"),
        ("event loop of a replica", 1 / measured.loop_s, working, "more replicas"),
        ("audit log of a replica", measured.audit_records_s / 2, working, "more replicas, or a faster disk"),
        ("line to the service", assumed.uplink_bits_s / megabit, 1, "a faster line, or one service at each site"),
        ("line to the PACS", assumed.uplink_bits_s / (8 * measured.result_bytes), 1, "a faster line"),
        ("disk of the spool", 500e6 / (2 * assumed.film_megabytes * 1e6), 1, "a faster disk, or a spool at each site"),
    ]
    # Assumed: larger films take longer in proportion to their bytes. Smaller ones were not measured.
    slower = min(1.0, measured.film_bytes / (assumed.film_megabytes * 1e6))
    sqlite = slower * measured.sqlite_films_s
    rows.append(("spool on SQLite", sqlite, working, "PostgreSQL, or a spool for each replica"))
    if measured.postgresql_films_s is not None:
        postgresql = slower * measured.postgresql_films_s
        rows.append(("spool on one PostgreSQL", postgresql, 1, "a database for each group of sites"))
    return [Limit(part, each, films_s / (each * count), remedy) for part, each, count, remedy in rows]
