"""Two bundles on the same films: against the counts of the films, and the statistics of their own package."""

import numpy as np
import pytest

from biostatistics.agreement import mcnemar_p, paired_difference
from biostatistics.delong import delong_test
from service.challenger.comparison import MOST_GROUPS, agreement, compare_finding, group_agreements
from service.challenger.pairs import Answer, Pair, Said, common_findings, judged_films
from tests.service.challenger.trials import FINDING, pair, pairs


def test_agreement_counts_the_decisions_of_both() -> None:
    films = [pair("++"), pair("++"), pair("+-"), pair("-?"), pair("--"), pair("??")]

    found = agreement(films)

    assert found.counts == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    assert (found.films, found.share.value) == (6, pytest.approx(4 / 6))
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx((4 / 6 - 12 / 36) / (1 - 12 / 36))


def test_bundles_that_decide_everything_alike_in_one_way_have_no_kappa() -> None:
    assert agreement([pair("--")] * 9).kappa is None


def test_agreement_is_shown_for_each_group_of_what_is_known() -> None:
    films = [pair("++", view="frontal", sex="F"), pair("+-", view="frontal", sex=""), pair("--", view="lateral")]

    found = {(each.attribute, each.group): each.agreement.share.value for each in group_agreements(films)}

    assert found == {
        ("view", "frontal"): 0.5,
        ("view", "lateral"): 1.0,
        ("sex", "F"): 1.0,
        ("sex", ""): 0.5,
    }


def test_of_many_stations_the_largest_are_shown() -> None:
    films = [pair("++", station=f"CR{number}") for number in range(30) for _ in range(number + 1)]

    shown = [each.group for each in group_agreements(films)]

    assert (len(shown), shown[0], shown[-1]) == (MOST_GROUPS, "CR29", "CR10")


def test_an_abstention_is_not_right() -> None:
    films = judged_films(
        list(pairs({("+?", "present"): 3, ("++", "present"): 5, ("?+", "present"): 1, ("-?", "absent"): 2})), FINDING
    )

    found = compare_finding(films)

    assert found.sensitivity is not None
    assert (found.with_finding, found.without_finding) == (9, 2)
    counts = found.sensitivity
    assert (counts.both, counts.challenger_only, counts.active_only) == (5, 1, 3)
    assert (counts.challenger.value, counts.active.value) == (pytest.approx(6 / 9), pytest.approx(8 / 9))
    assert counts.difference == paired_difference(5, 1, 3, 0)
    assert counts.p_value == mcnemar_p(1, 3)
    assert found.specificity is not None
    assert (found.specificity.active_only, found.specificity.films) == (2, 2)


def test_the_areas_are_compared_by_delong_with_the_films_of_a_study_together() -> None:
    random = np.random.default_rng(0)
    present = random.random(60) < 0.4
    scores = np.clip(random.normal(0.4 + 0.3 * present, 0.2, (2, 60)), 0, 1)
    films = [
        Pair(
            active=Answer("abstain", {FINDING: Said("abstain", float(scores[0, index]))}),
            challenger=Answer("abstain", {FINDING: Said("abstain", float(scores[1, index]))}),
            study=str(index // 2),
            truth={FINDING: "present" if present[index] else "absent"},
            judged=index + 1,
        )
        for index in range(60)
    ]

    found = compare_finding(judged_films(films, FINDING))

    assert found.auroc is not None
    expected = delong_test(present, scores[1], scores[0], patients=np.arange(60) // 2)
    assert found.auroc.comparison.difference.low == pytest.approx(expected.difference.low)
    assert found.auroc.comparison.p_value == pytest.approx(expected.p_value)


def test_films_of_one_side_have_no_area() -> None:
    found = compare_finding(judged_films(list(pairs({("++", "present"): 4})), FINDING))

    assert (found.auroc, found.specificity) == (None, None)


def test_films_are_in_the_order_of_their_first_verdicts() -> None:
    films = judged_films(
        [pair("++", "present", 3), pair("--", "absent", 1), pair("-+"), pair("+-", "present", 2)], FINDING
    )

    assert films.present.tolist() == [False, True, True]
    assert films.challenger_right.tolist() == [True, False, True]


def test_only_findings_that_both_look_for_are_compared() -> None:
    both = Said("negative", 0.1)
    film = Pair(Answer("negative", {"Effusion": both, FINDING: both}), Answer("negative", {FINDING: both}), "1")

    assert common_findings([film]) == (FINDING,)
