"""Running figures, and when a limit is crossed."""

import json
from datetime import UTC, datetime

import pytest

from biostatistics.sequences import bernoulli_sequence
from schemas.monitoring import RegisteredLimits, StopLimit
from service.surveillance.figures import counts_for, crossed, figures, needed, station_rates
from service.surveillance.ledger import Labelled

REGISTERED = datetime(2026, 1, 1, tzinfo=UTC)


def films(*pairs, start=1_767_225_600.0, bundle="tiny/1.0.0"):
    """Films of pairs of decision and truth, a second apart."""
    return [
        Labelled("5a" * 32, bundle, start + each, start + each + 0.5, {"PNEUMONIA": decision}, {"PNEUMONIA": truth})
        for each, (decision, truth) in enumerate(pairs)
    ]


def limits(*, alpha=0.05, **at_least):
    return RegisteredLimits(
        alpha=alpha,
        limits=tuple(
            StopLimit(figure=figure, finding="PNEUMONIA", at_least=value) for figure, value in at_least.items()
        ),
        sha256="0" * 64,
        registered_at=REGISTERED,
    )


def by_name(found):
    return {each.figure: each for each in found}


TRUE, FALSE = ("positive", "present"), ("positive", "absent")
MISSED, CLEAR = ("negative", "present"), ("negative", "absent")
OPEN = ("abstain", "present")


@pytest.mark.parametrize(
    ("pair", "counted"),
    [
        (TRUE, (True, None, True)),
        (FALSE, (None, False, False)),
        (MISSED, (False, None, None)),
        (CLEAR, (None, True, None)),
        (OPEN, (None, None, None)),
        (("positive", None), (None, None, None)),
    ],
)
def test_a_film_counts_for_the_figures_that_it_is_about(pair, counted) -> None:
    assert tuple(counts_for(figure, *pair) for figure in ("sensitivity", "specificity", "ppv")) == counted


def test_each_figure_has_its_films_its_sequence_and_a_series() -> None:
    found = by_name(figures(films(*[TRUE] * 8, *[MISSED] * 2, *[CLEAR] * 3, FALSE, OPEN), None))

    assert {name: (each.right, each.films) for name, each in found.items()} == {
        "sensitivity": (8, 10),
        "specificity": (3, 4),
        "ppv": (8, 9),
    }
    assert found["sensitivity"].estimate == bernoulli_sequence(8, 10)
    assert [point.films for point in found["sensitivity"].series] == list(range(1, 11))
    assert found["sensitivity"].series[-1].value == 0.8
    assert (found["sensitivity"].limit, found["sensitivity"].evidence) == (None, None)


def test_the_series_has_no_more_points_than_a_plot_shows_and_ends_with_the_last_film() -> None:
    series = by_name(figures(films(*[CLEAR] * 301), None))["specificity"].series

    assert len(series) <= 60
    assert series[-1].films == 301


def test_a_limit_is_crossed_once_the_evidence_suffices_for_its_share_of_alpha() -> None:
    both = limits(sensitivity=0.9, specificity=0.95)
    assert needed(both) == 40
    assert crossed(figures(films(*[CLEAR] * 20, *[FALSE] * 3), both)) is None

    found = crossed(figures(films(*[CLEAR] * 20, *[FALSE] * 12), both))

    assert (found.limit.figure, found.films, found.wrong) == ("specificity", 32, 12)
    assert found.evidence >= 40
    suspension = found.suspension(both, 1_800_000_000.0)
    assert "specificity of PNEUMONIA is below its limit of 95.0%: 12 of 32 films" in suspension.reason


def test_evidence_that_once_sufficed_counts_also_where_good_films_follow() -> None:
    found = figures(films(*[FALSE] * 8, *[CLEAR] * 400), limits(specificity=0.95))

    assert crossed(found) is not None


def test_films_that_were_read_before_the_limits_were_registered_stop_nothing() -> None:
    before = films(*[FALSE] * 30, start=REGISTERED.timestamp() - 1000)
    found = figures(before, limits(specificity=0.95))

    assert by_name(found)["specificity"].evidence == 1
    assert crossed(found) is None


def test_a_change_of_prevalence_is_not_harm() -> None:
    """One film in ten with the finding, then nine in ten; each kind is answered as rightly as before."""
    rare = [TRUE, *[CLEAR] * 9] * 40
    common = [*[TRUE] * 9, CLEAR] * 40
    found = figures(films(*rare, *common), limits(sensitivity=0.9, specificity=0.95))

    assert crossed(found) is None
    assert max(each.evidence for each in found if each.limit) < 1.5


def test_versions_of_a_bundle_are_counted_apart() -> None:
    old, new = films(*[TRUE] * 3), films(*[MISSED] * 2, bundle="tiny/1.1.0")

    assert {
        (each.bundle, each.right, each.films) for each in figures(old + new, None) if each.figure == "sensitivity"
    } == {
        ("tiny/1.0.0", 3, 3),
        ("tiny/1.1.0", 0, 2),
    }


def test_rates_are_by_station_and_device_the_busiest_first() -> None:
    none, odd = json.dumps([]), json.dumps(["unfamiliar"])
    found = station_rates(
        [("A", "X1", "negative", none, 4), ("B", "X2", "positive", none, 30), ("B", "X2", "abstain", odd, 10)]
    )

    assert [(each.station, each.films) for each in found] == [("B", 40), ("A", 4)]
    assert (found[0].abstained.value, found[0].unfamiliar.value, found[1].abstained.value) == (0.25, 0.25, 0)
