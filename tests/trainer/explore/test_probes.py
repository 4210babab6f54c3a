"""A probe finds what gives a class away, and nothing where nothing does."""

import numpy as np
import pytest

from trainer.explore.facts import FilmFacts
from trainer.explore.probes import FACTS, Target, features, probe, probe_all

PLAIN = FilmFacts(100, 120, "jpeg", 8, 0.5, 0.5, 0.2, 0.0, 1.0, 0.3, color=False)


def target(count: int = 200, classes: int = 2) -> Target:
    return Target("the classes", np.arange(count) % classes, [f"p{number // 2}" for number in range(count)])


def test_what_differs_between_the_classes_alarms() -> None:
    wanted = target()
    random = np.random.default_rng(0)
    found = probe("size", (wanted.labels + random.normal(0, 0.5, 200))[:, None], wanted)

    assert found.auroc is not None
    assert found.auroc.low > 0.8
    assert found.alarm


def test_what_does_not_differ_is_left_at_chance() -> None:
    found = probe("size", np.random.default_rng(1).normal(size=(200, 1)), target())

    assert found.auroc is not None
    assert 0.3 < found.auroc.value < 0.6
    assert not found.alarm


def test_a_class_in_the_middle_of_the_others_is_found_too() -> None:
    """A straight line through the sizes would tell nothing here."""
    wanted = target()
    spread = np.where(wanted.labels == 1, 0.2, 2.0) * np.random.default_rng(2).normal(size=200)

    assert probe("size", spread[:, None], wanted).alarm


def test_a_patient_is_never_judged_by_films_of_the_same_patient() -> None:
    """Each patient has a size of their own, which tells the label only of whom one has seen."""
    labels = np.repeat(np.random.default_rng(3).integers(0, 2, 100), 4)
    sizes = np.repeat(np.random.default_rng(4).normal(size=100), 4)
    patients = [str(number) for number in np.repeat(np.arange(100), 4)]
    found = probe("size", sizes[:, None], Target("the classes", labels, patients))

    assert found.auroc is not None
    assert not found.alarm


def test_a_fact_that_is_the_same_for_every_film_tells_nothing() -> None:
    found = probe("size", np.ones((200, 2)), target())

    assert (found.auroc, found.alarm) == (None, False)


def test_three_classes_are_told_one_against_the_rest() -> None:
    wanted = target(210, 3)
    found = probe("size", (wanted.labels + np.random.default_rng(5).normal(0, 0.2, 210))[:, None], wanted)

    assert found.auroc is not None
    assert found.auroc.value > 0.9


def test_every_kind_of_fact_is_tried_and_what_gives_most_away_comes_first() -> None:
    wanted = target()
    facts = [
        FilmFacts(100 + int(label) * 50, 120, "jpeg", 8, 0.5, 0.5, 0.2, 0.0, 1.0, 0.3, color=False)
        for label in wanted.labels
    ]
    probes = probe_all(facts, wanted)

    assert {row.name for row in probes} == {*FACTS, "all of them"}
    assert {row.name for row in probes[:3]} == {"size", "aspect ratio", "all of them"}
    assert [row.auroc for row in probes[3:]] == [None] * 5


def test_facts_become_numbers_by_their_names() -> None:
    np.testing.assert_allclose(features([PLAIN], ("aspect", "jpeg", "dicom", "color")), [[1.2, 1, 0, 0]])
    assert features([PLAIN], ("mean",))[0, 0] == pytest.approx(0.5)
