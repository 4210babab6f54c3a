"""The tables of the guide and of the network of adults: who tests, what is known of a film, what looks like lungs."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.adults.split import split_of
from benchmarks.adults.table import OPACITY, adult_row, boxes_of
from benchmarks.guide.masks import pair_of_lungs

ROW = {
    "image": "images/1.jpg",
    "patient": "7",
    "age": "60",
    "sex": "F",
    "view": "AP",
    "labels": "Effusion|Mass",
    "rsna_class": "",
    "rsna_boxes": "",
    "nih_boxes": "",
}


def test_a_patient_has_one_split_for_ever_and_a_fifth_of_them_tests() -> None:
    counts = Counter(split_of(str(number)) for number in range(2000))

    assert (split_of("1"), split_of("7")) == ("val", "train")
    assert counts["test"] == pytest.approx(400, abs=60)
    assert counts["val"] == pytest.approx(400, abs=60)


def test_opacity_is_what_radiologists_saw_and_else_known_of_films_without_findings_alone() -> None:
    seen = [
        adult_row({**ROW, "rsna_class": name, "labels": labels})[OPACITY]
        for name, labels in (
            ("Lung Opacity", "Mass"),
            ("Normal", "Mass"),
            ("No Lung Opacity / Not Normal", "Mass"),
            ("", "Mass"),
            ("", "No Finding"),
        )
    ]
    assert seen == ["1", "0", "0", "", "0"]


def test_a_finding_of_the_lungs_that_the_radiologists_class_contradicts_is_not_known() -> None:
    plain = adult_row(ROW)
    contradicted = adult_row({**ROW, "rsna_class": "Normal", "labels": "Effusion|Cardiomegaly"})

    assert (plain["Effusion"], plain["Edema"]) == ("1", "0")
    assert (contradicted["Effusion"], contradicted["Edema"], contradicted["Cardiomegaly"]) == ("", "0", "1")


def test_boxes_of_the_challenge_are_of_opacity_and_those_of_other_findings_are_left_out() -> None:
    nih = '[["Effusion", 0.1, 0.2, 0.3, 0.4], ["Mass", 0, 0, 1, 1]]'
    assert boxes_of({**ROW, "nih_boxes": nih, "rsna_boxes": "[[0.5, 0.5, 0.1, 0.1]]"}) == [
        ["Effusion", 0.1, 0.2, 0.3, 0.4],
        [OPACITY, 0.5, 0.5, 0.1, 0.1],
    ]


def lungs(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    seen = np.zeros((100, 100), bool)
    for top, left, height, width in boxes:
        seen[top : top + height, left : left + width] = True
    return seen


def test_gas_beside_a_pair_of_lungs_is_dropped() -> None:
    pair = pair_of_lungs(lungs((20, 10, 50, 30), (20, 60, 50, 30), (80, 60, 8, 8)))

    assert pair is not None
    assert pair.sum() == 2 * 50 * 30


@pytest.mark.parametrize(
    "seen",
    [
        lungs(),
        lungs((20, 10, 50, 30)),
        lungs((20, 10, 50, 30), (35, 60, 20, 26)),  # one far smaller
        lungs((0, 60, 40, 30), (50, 60, 40, 30)),  # above one another
        lungs((0, 0, 90, 45), (0, 55, 90, 45)),  # too large
    ],
)
def test_what_is_no_pair_of_lungs_is_no_mask(seen) -> None:
    assert pair_of_lungs(seen) is None
