"""The rule of promotion: it looks once, at films that were fixed beforehand, and how often it is wrong."""

import numpy as np
import pytest

from schemas.evidence.challenger import PromotionRule
from service.challenger.pairs import Pair
from service.challenger.promotion import standing
from tests.service.challenger.trials import answer, pair, pairs

RULE = PromotionRule(films=100, margin=0.05)


def test_a_challenger_that_is_as_good_on_enough_films_is_promoted() -> None:
    found = standing(list(pairs({("++", "present"): 100, ("--", "absent"): 100})), RULE)

    assert (found.state, found.reasons) == ("met", ())
    assert [(each.with_finding, each.without_finding) for each in found.findings] == [(100, 100)]


def test_too_few_verdicts_of_one_side_say_how_many_are_missing() -> None:
    found = standing(list(pairs({("++", "present"): 99, ("--", "absent"): 300})), RULE)

    assert found.state == "waiting"
    assert found.reasons == ("PNEUMONIA: verdicts on 99 films with it and 300 without; the rule takes 100 of each",)


def test_without_films_there_is_nothing_to_decide() -> None:
    assert standing([], RULE).state == "waiting"


@pytest.mark.parametrize(
    ("films", "figure"),
    [
        ({("+-", "present"): 12, ("++", "present"): 88, ("--", "absent"): 100}, "sensitivity"),
        ({("++", "present"): 100, ("-+", "absent"): 12, ("--", "absent"): 88}, "specificity"),
        ({("++", "present"): 100, ("-?", "absent"): 12, ("--", "absent"): 88}, "specificity"),
    ],
)
def test_a_challenger_that_is_worse_on_one_side_is_not_promoted(films, figure) -> None:
    found = standing(list(pairs(films)), RULE)

    assert found.state == "missed"
    assert found.reasons[0].startswith(f"PNEUMONIA: {figure} differs by -0.120 [")
    assert found.reasons[0].endswith("and might be lower by more than 0.05")


def test_a_better_order_of_the_films_does_not_make_up_for_a_worse_one() -> None:
    films = [
        Pair(answer("+", 0.9), answer("+", 0.2 + 0.6 * (index % 2)), "", truth={"PNEUMONIA": "present"}, judged=index)
        for index in range(1, 201)
    ]
    films += [
        Pair(answer("-", 0.1), answer("-", 0.3), "", truth={"PNEUMONIA": "absent"}, judged=index)
        for index in range(201, 401)
    ]

    found = standing(films, PromotionRule(films=200, margin=0.05))

    assert found.state == "missed"
    assert [reason.split(":")[1].split()[0] for reason in found.reasons] == ["AUROC"]


def test_later_films_change_nothing_once_the_rule_has_decided() -> None:
    films = list(pairs({("+-", "present"): 12, ("++", "present"): 88, ("--", "absent"): 100}))
    later = [pair("-+", "present", 1000 + number) for number in range(500)]

    assert standing(films + later, RULE) == standing(films, RULE)
    assert standing([*later, *films], RULE) == standing(films, RULE)


@pytest.mark.simulation
@pytest.mark.parametrize("worse", [0.05, 0.08])
def test_a_challenger_that_is_worse_by_the_margin_is_seldom_promoted(worse) -> None:
    """Of 400 trials in which its sensitivity is lower by the margin or more, at most one in forty, and chance."""
    random = np.random.default_rng(1)
    promoted = 0
    for _ in range(400):
        present = random.random(100) < 0.95 - worse
        active = random.random(100) < 0.95
        films = [
            pair(("+" if serves else "-") + ("+" if reads else "-"), "present", index + 1)
            for index, (serves, reads) in enumerate(zip(active, present, strict=True))
        ]
        films += [pair("--", "absent", 101 + index) for index in range(100)]
        promoted += standing(films, RULE).state == "met"

    assert promoted / 400 <= 0.025 + 0.016
