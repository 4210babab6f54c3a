"""What counts as right, missed and false; and that every alert has a cause."""

from itertools import pairwise

from benchmarks.year.causes import CAUSES, DAY, HOUR, Cause
from benchmarks.year.hospital import Hospital
from benchmarks.year.prometheus import alerts, duration, spans
from benchmarks.year.series import EVALUATION_S, STEP_S
from benchmarks.year.verdict import judge, page

OUTAGE = Cause("outage", 10, 0, HOUR, frozenset({"CxrDown"}), tail_s=HOUR)
BEGIN = 10 * DAY


def test_every_shipped_alert_has_a_planted_cause_and_every_cause_names_shipped_alerts() -> None:
    shipped = {rule["alert"] for rule in alerts()}

    assert set().union(*(cause.alerts for cause in CAUSES)) == shipped


def test_no_two_causes_overlap_so_that_each_firing_has_one_explanation() -> None:
    ordered = sorted(CAUSES, key=lambda cause: cause.start_s)

    assert all(first.end_s <= second.start_s for first, second in pairwise(ordered) if first.alerts & second.alerts)
    assert ordered[-1].end_s <= 365 * DAY


def test_an_alert_that_fires_within_its_cause_is_right_and_its_delay_is_counted() -> None:
    verdict = judge("CxrDown", [(BEGIN + 120, BEGIN + 900)], [OUTAGE])

    assert (verdict.right, verdict.fired) == (True, {"outage": 120})


def test_one_that_does_not_fire_is_missed_and_one_that_fires_elsewhere_is_false() -> None:
    missed = judge("CxrDown", [], [OUTAGE])
    false = judge("CxrDown", [(BEGIN + 120, BEGIN + 240), (BEGIN + 3 * HOUR, BEGIN + 3 * HOUR)], [OUTAGE])
    others = judge("CxrSlow", [(BEGIN + 120, BEGIN + 240)], [OUTAGE])

    assert (missed.right, missed.missed) == (False, ("outage",))
    assert (false.right, false.false) == (False, (BEGIN + 3 * HOUR,))
    assert (others.right, others.false) == (False, (BEGIN + 120,))
    assert "1: day 10.12" in page([false], {})
    assert "**missed**" in page([missed], {})


def test_moments_that_follow_each_other_are_one_firing_and_durations_are_read() -> None:
    assert spans([0, EVALUATION_S, 5 * EVALUATION_S]) == [(0, 300), (1500, 1500)]
    assert (duration("0s"), duration("10m"), duration("1h"), duration("1h30m")) == (0, 600, 3600, 5400)


def test_a_seed_makes_the_same_day_again() -> None:
    def day(seed):
        hospital = Hospital(seed, ())
        for at_s in range(0, DAY, STEP_S):
            hospital.step(at_s, STEP_S)
        return hospital.metrics.registry.get_sample_value(
            "cxr_http_requests_total", {"route": "/predict", "method": "POST", "status": "200"}
        )

    assert day(1) == day(1) != day(2)
    assert 200 < day(1) < 450
