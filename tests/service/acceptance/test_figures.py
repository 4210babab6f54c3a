"""Rules of the figures of a site's own films, by counts that can be done in the head."""

from datetime import UTC, datetime

import pytest

from biostatistics.delong import delong_interval
from biostatistics.intervals import wilson_interval
from schemas.acceptance import Limit, RecordedLimits
from service.acceptance.figures import KINDS, TITLES, FilmTable, figures
from service.acceptance.subgroups import group_of, subgroups
from tests.service.acceptance.films import MIXED, NEGATIVE, WELL, film, films

LIMITS = RecordedLimits(
    sha256="a" * 64,
    recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
    limits={"sensitivity": Limit(at_least=0.9), "ppv": Limit(at_least=0.99)},
    stated_prevalence=0.1,
)


def measured(table):
    return {row.name: row for row in figures(table, LIMITS, None, "PNEUMONIA")}


def test_every_figure_is_the_count_that_its_name_says() -> None:
    rows = measured(FilmTable(films(MIXED), 0.5))

    counts = {name: (row.hits, row.films) for name, row in rows.items() if row.hits is not None}
    assert counts == {
        "sensitivity": (90, 93),
        "specificity": (84, 90),
        "ppv": (90, 96),
        "npv": (84, 87),
        "missed": (3, 100),
        "false_alarms": (6, 100),
        "answered": (183, 200),
        "unfamiliar": (2, 200),
    }
    assert all(rows[name].estimate == wilson_interval(*pair) for name, pair in counts.items())
    assert rows.keys() == TITLES.keys() == KINDS.keys()
    odds = 90 / 93 / (6 / 90) / 9
    assert rows["ppv_at_stated_prevalence"].estimate.value == pytest.approx(odds / (1 + odds))
    assert rows["auroc"].estimate == delong_interval(
        [film.truth for film in films(MIXED)], [film.log_odds for film in films(MIXED)]
    )


def test_limits_are_judged_by_the_interval() -> None:
    rows = measured(FilmTable(films(MIXED), 0.5))

    assert (rows["sensitivity"].outcome, rows["ppv"].outcome, rows["npv"].outcome) == ("met", "missed", None)


def test_films_of_one_kind_alone_have_no_figures_of_the_other() -> None:
    rows = measured(FilmTable(films([(10, {})]), 0.5))

    assert [name for name, row in rows.items() if row.estimate is None] == [
        "specificity",
        "npv",
        "ppv_at_stated_prevalence",
        "npv_at_stated_prevalence",
        "false_alarms",
        "auroc",
    ]


def test_abstentions_are_counted_by_reason_and_truth() -> None:
    counted = FilmTable(films(MIXED), 0.5).abstentions()

    assert [(row.reason, row.films, row.with_finding) for row in counted] == [("unclear", 15, 5), ("unfamiliar", 2, 2)]


def test_small_groups_stand_together_and_one_group_alone_is_left_out() -> None:
    kinds = [
        (20, {"groups": {"age": "1 to 5", "sex": "F", "device": "A"}}),
        (30, WELL | NEGATIVE | {"groups": {"age": "18 to 39", "sex": "M", "device": "A"}}),
        (4, {"groups": {"age": "under 1", "sex": "O", "device": "A"}}),
        (1, {"groups": {"sex": "M", "device": "A"}}),
    ]
    rows = list(subgroups(films(kinds), 0.5))

    assert [(row.attribute, row.group, row.films, row.with_finding) for row in rows] == [
        ("age", "1 to 5", 20, 20),
        ("age", "18 to 39", 30, 0),
        ("age", "not stated", 1, 1),
        ("age", "others", 4, 4),
        ("sex", "M", 31, 1),
        ("sex", "F", 20, 20),
        ("sex", "others", 4, 4),
    ]
    assert rows[0].sensitivity == wilson_interval(20, 20)
    assert rows[0].specificity is None


@pytest.mark.parametrize(
    ("attribute", "value", "group"),
    [
        ("age", "0.5", "under 1"),
        ("age", "5", "1 to 5"),
        ("age", "64.9", "40 to 64"),
        ("age", "old", "not stated"),
        ("age", "nan", "not stated"),
        ("age", "-1", "not stated"),
        ("sex", "f", "F"),
        ("device", "DR\x00-1\n", "DR-1"),
        ("station", "x" * 90, "x" * 40),
        ("station", " \t", "not stated"),
    ],
)
def test_a_group_is_a_band_of_ages_or_a_short_printable_value(attribute, value, group) -> None:
    assert group_of(attribute, value) == group


def test_a_film_that_is_not_answered_for_another_reason_is_withheld() -> None:
    assert [film(0, reasons=reasons).withheld for reasons in ((), ("unclear",), ("unclear", "unfamiliar"))] == [
        False,
        False,
        True,
    ]
