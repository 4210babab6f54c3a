"""What challengers answered, as it is kept beside the readings of the bundle that serves; SQLite and PostgreSQL."""

import pytest
from sqlalchemy import select

from schemas.evidence.challenger import PromotionRule
from service.challenger.answers import Answers, Trial
from service.challenger.report import report_of
from service.challenger.tables import answers
from service.dicomweb.tables import open_database
from tests.service.challenger.trials import FINDING, READS, SERVES, keep, pair, pairs
from tests.service.dicomweb.conftest import postgresql, postgresql_url  # noqa: F401 fixtures of another folder

TRIAL = Trial(READS, (SERVES,))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def database(request, spool_url):
    url = spool_url if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    with open_database(url) as engine:
        yield engine


def test_pairs_hold_both_answers_the_truth_and_what_is_known_of_the_film(database) -> None:
    keep(database, [pair("+-", "present", 1, "one", view="frontal", sex="F", station="CR1"), pair("--", study="two")])

    first, second = Answers(database).pairs(TRIAL)

    assert (first.active.decision, first.challenger.decision) == ("positive", "negative")
    assert first.challenger.findings[FINDING].probability == pytest.approx(0.1)
    assert (first.truth, first.study) == ({FINDING: "present"}, "one")
    assert {name: first.groups[name] for name in ("view", "sex", "station")} == {
        "view": "frontal",
        "sex": "F",
        "station": "CR1",
    }
    assert (second.truth, second.judged) == ({}, 0)


def test_films_that_the_challenger_did_not_read_are_counted_from_its_first_on(database) -> None:
    keep(database, [pair("++", judged=1)], read=False)
    keep(database, [pair("++", judged=2)] * 3)
    keep(database, [pair("--", judged=3)] * 2, read=False)

    report = report_of(Answers(database), TRIAL, PromotionRule(films=10, margin=0.05))

    assert (report.films, report.not_read, report.verdicts) == (3, 3, 0)
    assert (report.challenger, report.active) == ("tiny/2.0.0", ("tiny/1.0.0",))


def test_the_report_judges_by_the_verdicts(database) -> None:
    keep(database, pairs({("++", "present"): 12, ("+-", "present"): 3, ("--", "absent"): 14}))

    report = report_of(Answers(database), TRIAL, PromotionRule(films=10, margin=0.05))

    (finding,) = report.findings
    assert report.verdicts == 29
    assert (finding.with_finding, finding.without_finding) == (15, 14)
    assert (finding.sensitivity.active_only, finding.specificity.difference.value) == (3, 0.0)
    (decided,) = report.promotion.findings
    assert (decided.with_finding, decided.without_finding) == (15, 10)
    assert report.promotion.state == "missed"


def test_a_film_that_is_read_again_is_kept_once(database) -> None:
    keep(database, [pair("++", judged=7)])
    kept = Answers(database)
    first = kept.find("7.0")
    assert first is not None

    kept.keep("7.0", first, SERVES, "")

    with database.connect() as connection:
        assert len(connection.execute(select(answers)).all()) == 1
    assert kept.find("another") is None


def test_the_latest_trial_is_that_of_the_film_read_last(database) -> None:
    assert Answers(database).latest() is None

    keep(database, [pair("++", judged=1)])

    assert Answers(database).latest() == TRIAL
