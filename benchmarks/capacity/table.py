"""The page docs/results/capacity.md, from a record."""

from collections.abc import Iterator

from benchmarks.capacity.records import Measured
from benchmarks.capacity.sizing import CORES_A_REPLICA, FULL, PLACES, QUANTILE, WAIT_S, Assumptions, Size, size

_INTRODUCTION = """# Capacity, measured and extrapolated

Written by `python -m benchmarks.capacity`; `--draw` draws it again from the record `capacity.json` in this folder.
What the model is, and how to use it with figures of your own: [Scaling](../scaling.md).
"""


def page(measured: Measured, assumed: Assumptions) -> str:
    """The whole page."""
    sizes = [size(place, films, measured, assumed) for place, films in PLACES.items()]
    parts = (_measured(measured), _points(measured), _sizes(sizes, assumed), _bottlenecks(sizes))
    return "\n".join((_INTRODUCTION, *("\n".join(part) + "\n" for part in parts)))


def _measured(measured: Measured) -> Iterator[str]:
    yield f"## What one film costs ({measured.measured_at}, {measured.cores} cores of {measured.machine})\n"
    yield (
        f"Bundle {measured.bundle}, films of 1500 x 1200 pixels. Processor time, so that other programs on the machine "
        "matter less. Rates of the spool and of the audit log are by the clock, and suffer from them.\n"
    )
    yield "| figure | value |\n| --- | ---: |"
    postgresql = measured.postgresql_films_s
    rows = {
        "processor time of a film by `POST /predict` (JPEG)": f"{1e3 * measured.service_s:.1f} ms",
        "of it, the event loop's thread": f"{1e3 * measured.loop_s:.1f} ms",
        "processor time of a film by STOW-RS, with the results that a drawn film gets": (
            f"{1e3 * measured.stored_service_s:.1f} ms"
        ),
        "squared coefficient of variation of the time of one film": f"{measured.variability:.2f}",
        f"spool on SQLite, films of {measured.film_bytes / 1e6:.1f} MB": f"{measured.sqlite_films_s:.0f} films/s",
        "spool on PostgreSQL": "not measured" if postgresql is None else f"{postgresql:.0f} films/s",
        "audit log, 64 callers, each line on disk": f"{measured.audit_records_s:.0f} records/s",
        "audit log of a film by STOW-RS": f"{measured.audit_bytes:.0f} bytes",
        "results of a film to the PACS": f"{measured.result_bytes / 1e3:.0f} kB",
        "memory of the service with its children, after the load": f"{measured.memory_mb:.0f} MB",
    }
    yield from (f"| {name} | {value} |" for name, value in rows.items())


def _points(measured: Measured) -> Iterator[str]:
    yield "## The model against the service\n"
    yield (
        "Single films, one after the other, give the times from which the simulation draws; then films arrive at "
        "random (Poisson). `foreign` are cores that other programs used meanwhile: the model knows them by the times "
        "of single films alone. Of few films the 99th percentile is the slowest.\n"
    )
    latency = ("p50 predicted", "measured", "p99 predicted", "measured")
    columns = ("load", "films/s offered", "measured", *latency, "films", "foreign")
    yield f"| {' | '.join(columns)} |"
    yield f"|{' ---: |' * len(columns)}"
    for each in measured.points:
        yield (
            f"| {each.utilisation:.0%} | {each.offered_films_s:.1f} | {each.measured_films_s:.1f} | "
            f"{1e3 * each.predicted_p50_s:.0f} ms | {1e3 * each.measured_p50_s:.0f} ms | "
            f"{1e3 * each.predicted_p99_s:.0f} ms | {1e3 * each.measured_p99_s:.0f} ms | "
            f"{each.films} | {each.foreign_cores:.1f} cores |"
        )


def _sizes(sizes: list[Size], assumed: Assumptions) -> Iterator[str]:
    yield "## From films a day to a size\n"
    yield (
        f"Target: {QUANTILE:.0%} of the films wait at most {WAIT_S:g} s for a core in the busiest hour. A replica has "
        f"{CORES_A_REPLICA} cores; one more than the load needs. Examples of prices, to be replaced: "
        f"{assumed.core_hour} for a core and hour, {assumed.gigabyte_month} for a gigabyte and month. The spool holds "
        f"{assumed.outage_h:g} h of films of {assumed.film_megabytes:g} MB; the audit log "
        f"{assumed.audit_years} years.\n"
    )
    columns = ("films/day", "busiest hour", "cores", "replicas", "spool", "audit log", "a month", "1,000 films")
    yield f"| place | {' | '.join(columns)} | GPUs |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for each in sizes:
        yield (
            f"| {each.place} | {each.films_a_day:,} | {each.films_s:.3g}/s | {each.cores:,} | {each.replicas:,} | "
            f"{each.spool_gb:,.1f} GB | {each.audit_gb:,.1f} GB | {each.cost_a_month:,.0f} | "
            f"{each.cost_a_thousand:.2f} | not measured |"
        )


def _bottlenecks(sizes: list[Size]) -> Iterator[str]:
    yield "## What is full first\n"
    yield (
        f"The share of each part that the busiest hour uses, with one replica away; it grows above {FULL:.0%}. Films "
        "that are larger than the measured ones are taken to be fewer through the spool, in proportion to their "
        "bytes.\n"
    )
    yield "| place | fullest | next | too small for it |\n| --- | --- | --- | --- |"
    for each in sizes:
        first, second = each.limits[:2]
        # Cores are not among them: the target of the wait has sized them.
        full = (limit for limit in each.limits if limit.used > FULL and limit.part != "cores")
        small = [f"{limit.part} ({limit.remedy})" for limit in full]
        yield (
            f"| {each.place} | {first.part}: {first.used:.1%} of {first.films_s:.0f} films/s | "
            f"{second.part}: {second.used:.1%} of {second.films_s:.0f} films/s | {'; '.join(small) or 'nothing'} |"
        )
