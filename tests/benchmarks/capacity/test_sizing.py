"""Sizes grow with the films, and the page is that of its record."""

from pathlib import Path

import pytest

from benchmarks.capacity.profile import HOURLY, peak_films_s
from benchmarks.capacity.records import Measured
from benchmarks.capacity.sizing import PLACES, Assumptions, size
from benchmarks.capacity.table import page

RESULTS = Path(__file__).parent.parent.parent.parent / "docs/results"


@pytest.fixture
def measured():
    return Measured.model_validate_json((RESULTS / "capacity.json").read_text())


def test_a_day_is_whole_and_its_busiest_hour_is_named_in_the_page() -> None:
    assert sum(HOURLY) == pytest.approx(1)
    assert peak_films_s(1000) == pytest.approx(1000 * 0.094 * 1.5 / 3600)


def test_more_films_need_no_less_of_anything_and_cost_less_each(measured) -> None:
    sizes = [size(place, films, measured, Assumptions()) for place, films in PLACES.items()]

    for name in ("cores", "replicas", "spool_gb", "audit_gb", "cost_a_month"):
        values = [getattr(each, name) for each in sizes]
        assert values == sorted(values), name
    assert sizes[0].cost_a_thousand > sizes[-1].cost_a_thousand
    assert sizes[0].replicas == 2  # one may fail


def test_the_replicas_without_the_spare_one_are_not_overloaded_and_the_fullest_part_is_first(measured) -> None:
    country = size("country", PLACES["country"], measured, Assumptions())
    used = {limit.part: limit.used for limit in country.limits}

    assert [limit.used for limit in country.limits] == sorted(used.values(), reverse=True)
    assert used["cores"] < 1
    assert used["event loop of a replica"] <= 0.7
    assert used["line to the service"] > 1  # no single line takes a country


def test_a_slower_line_and_larger_films_make_the_line_the_limit(measured) -> None:
    network = size("network", PLACES["network"], measured, Assumptions(uplink_bits_s=1e8, film_megabytes=50))

    assert network.limits[0].part == "line to the service"


def test_the_page_is_drawn_from_the_record(measured) -> None:
    assert (RESULTS / "capacity.md").read_text() == page(measured, Assumptions())


def test_larger_films_are_fewer_through_the_spool_and_smaller_ones_no_more_than_were_measured(measured) -> None:
    def of_spool(film_megabytes):
        network = size("network", PLACES["network"], measured, Assumptions(film_megabytes=film_megabytes))
        return {limit.part: limit.films_s for limit in network.limits if limit.part.startswith("spool")}

    as_measured = {"spool on SQLite": measured.sqlite_films_s, "spool on one PostgreSQL": measured.postgresql_films_s}
    assert of_spool(measured.film_bytes / 1e6) == pytest.approx(as_measured)
    assert of_spool(measured.film_bytes / 1e6 / 2) == pytest.approx(as_measured)
    tenth = {part: films_s / 10 for part, films_s in as_measured.items()}
    assert of_spool(measured.film_bytes / 1e6 * 10) == pytest.approx(tenth)


def test_the_page_tells_the_rate_that_was_offered_from_the_one_that_was_measured(measured) -> None:
    text = page(measured, Assumptions())
    first = measured.points[0]

    assert "| load | films/s offered | measured | p50 predicted |" in text
    assert f"| 20% | {first.offered_films_s:.1f} | {first.measured_films_s:.1f} | " in text
