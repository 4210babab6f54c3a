"""Groups of films have figures of their own, where there are enough films to have any."""

from pathlib import Path

import numpy as np
import pytest

from biostatistics.delong import delong_interval
from biostatistics.intervals import wilson_interval
from schemas.estimate import Estimate
from schemas.model.calibration import OperatingPoint
from trainer.films.film import Film
from trainer.judging.subgroups import ScoredFilms, attributes_of, subgroup_metrics

UNKNOWN = Estimate(value=0.5, low=0, high=1)
TWO = ("NORMAL", "PNEUMONIA")
FILMS = 200


def point(finding="PNEUMONIA", threshold=0.4):
    return OperatingPoint(
        finding=finding,
        threshold=threshold,
        target_sensitivity=0.96,
        sensitivity=UNKNOWN,
        specificity=UNKNOWN,
        data="validation",
    )


def films(seed=0):
    random = np.random.default_rng(seed)
    truth = np.arange(FILMS) % 2
    positive = np.clip(random.normal(0.35 + 0.3 * truth, 0.2), 0, 1)
    return truth, np.stack([1 - positive, positive], axis=1), [f"p{number // 2}" for number in range(FILMS)]


def measured(attributes, *, points=None, classes=TWO, data=None):
    truth, probabilities, patients = data or films()
    scored = ScoredFilms(classes, truth, probabilities, np.array(patients))
    return subgroup_metrics(scored, points or (point(),), attributes)


def by_value(rows):
    return {row.value: row for row in rows}


def test_a_group_has_the_figures_of_its_films_alone() -> None:
    truth, probabilities, patients = films()
    women = np.arange(FILMS) % 5 < 2
    called = probabilities[:, 1] >= 0.4

    rows = by_value(measured([{"sex": "F" if woman else "M"} for woman in women]))

    assert set(rows) == {"F", "M"}
    for value, members in (("F", women), ("M", ~women)):
        row = rows[value]
        positive = members & (truth == 1)
        negative = members & (truth == 0)
        assert (row.column, row.finding, row.note) == ("sex", "PNEUMONIA", "")
        assert (row.films, row.positives) == (members.sum(), positive.sum())
        assert row.patients == len({patients[film] for film in np.flatnonzero(members)})
        assert row.sensitivity == wilson_interval(int(called[positive].sum()), int(positive.sum()))
        assert row.specificity == wilson_interval(int((~called[negative]).sum()), int(negative.sum()))
        assert row.auroc == delong_interval(
            truth[members] == 1, probabilities[members, 1], patients=np.array(patients)[members]
        )


def test_a_group_of_fewer_than_twenty_films_has_counts_and_no_figures() -> None:
    rows = by_value(measured([{"view": "AP" if number < 19 else "PA"} for number in range(FILMS)]))

    assert (rows["AP"].films, rows["AP"].note) == (19, "fewer than 20 films")
    assert rows["AP"].auroc is rows["AP"].sensitivity is rows["AP"].specificity is None
    assert rows["PA"].auroc is not None


def test_a_group_of_one_class_has_the_figure_that_it_can_have() -> None:
    subtypes = [{"subtype": ("bacteria", "virus")[number % 4 // 2]} if number % 2 else {} for number in range(FILMS)]

    rows = by_value(measured(subtypes))

    for subtype in ("bacteria", "virus"):
        assert rows[subtype].sensitivity is not None
        assert rows[subtype].auroc is rows[subtype].specificity is None
        assert rows[subtype].note == "no film without PNEUMONIA"
    assert rows["not stated"].specificity is not None
    assert rows["not stated"].sensitivity is None
    assert rows["not stated"].note == "no film with PNEUMONIA"


@pytest.mark.parametrize(
    ("age", "band"),
    [
        ("0", "0-1"),
        ("1.9", "0-1"),
        ("2", "2-11"),
        ("17", "12-17"),
        ("18", "18-39"),
        ("64.9", "40-64"),
        ("65", "65 and over"),
        ("102", "65 and over"),
        ("-3", "-3"),
        ("nan", "nan"),
        ("about 50", "about 50"),
        (" ", "not stated"),
    ],
)
def test_ages_are_grouped_in_bands_and_what_is_no_age_stays_as_it_is(age, band) -> None:
    rows = measured([{"age": "30"} if number else {"age": age} for number in range(FILMS)])

    assert {row.value for row in rows} | {"18-39"} == {band, "18-39"}


def test_bands_of_ages_stand_in_the_order_of_age_and_the_unknown_last() -> None:
    ages = ("70", "3", "", "30", "0.5")

    rows = measured([{"age": ages[number % 5]} for number in range(FILMS)])

    assert [row.value for row in rows] == ["0-1", "2-11", "18-39", "65 and over", "not stated"]


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        [{}] * FILMS,
        [{"source": "one hospital"}] * FILMS,
        [{"accession": str(number)} for number in range(FILMS)],
    ],
    ids=["no attributes", "empty attributes", "one value", "a value for each film"],
)
def test_what_tells_no_groups_apart_makes_none(attributes) -> None:
    assert measured(attributes) == ()


def test_an_attribute_that_the_label_decides_makes_no_groups() -> None:
    assert measured([{"finding": TWO[number % 2].lower()} for number in range(FILMS)]) == ()


def test_films_are_known_by_their_attributes_and_the_germ_that_kermanys_names_state() -> None:
    names = {"person7_virus_12.jpeg": {"sex": "F"}, "person9_bacteria_1.jpeg": {}, "IM-0115-0001.jpeg": {"age": "3"}}
    films = [Film(Path(name), "PNEUMONIA", name, None, "0" * 64, known) for name, known in names.items()]

    assert attributes_of(films) == [{"sex": "F", "germ": "virus"}, {"germ": "bacteria"}, {"age": "3"}]


def test_every_finding_has_a_row_in_every_group() -> None:
    truth = np.arange(FILMS) % 3
    probabilities = np.random.default_rng(1).dirichlet((1, 1, 1), FILMS)
    points = (point("COVID", 0.2), point("TB", 0.3))
    sexes = [{"sex": "FM"[number % 2], "view": ("AP", "PA")[number % 4 // 2]} for number in range(FILMS)]

    rows = measured(
        sexes,
        points=points,
        classes=("COVID", "NORMAL", "TB"),
        data=(truth, probabilities, [str(number) for number in range(FILMS)]),
    )

    assert [(row.column, row.value, row.finding) for row in rows] == [
        (column, value, finding)
        for column, values in (("sex", "FM"), ("view", ("AP", "PA")))
        for value in values
        for finding in ("COVID", "TB")
    ]


@pytest.mark.simulation
def test_the_intervals_of_groups_hold_the_truth_as_often_as_they_promise() -> None:
    held = {"auroc": [], "sensitivity": []}
    wide = np.random.default_rng(2).normal(0.35 + 0.3 * (np.arange(400_000) % 2), 0.2)
    true_sensitivity = np.mean(wide[1::2] >= 0.4)
    true_area = 0.8556  # of two normal distributions 1.5 standard deviations apart: Phi(1.5 / sqrt 2)
    for seed in range(150):
        random = np.random.default_rng(100 + seed)
        truth = np.arange(FILMS) % 2
        positive = random.normal(0.35 + 0.3 * truth, 0.2)
        rows = measured(
            [{"sex": "FM"[number // 2 % 2]} for number in range(FILMS)],
            data=(truth, np.stack([1 - positive, positive], axis=1), [str(number) for number in range(FILMS)]),
        )
        for row in rows:
            held["auroc"].append(row.auroc.low <= true_area <= row.auroc.high)
            held["sensitivity"].append(row.sensitivity.low <= true_sensitivity <= row.sensitivity.high)

    assert np.mean(held["auroc"]) == pytest.approx(0.95, abs=0.035)
    assert np.mean(held["sensitivity"]) == pytest.approx(0.95, abs=0.035)


def test_groups_of_films_whose_patients_are_unknown_count_no_patients() -> None:
    truth, probabilities, patients = films()
    scored = ScoredFilms(TWO, truth, probabilities, np.array(patients), patients_known=False)

    rows = subgroup_metrics(scored, (point(),), [{"sex": "FM"[number % 3 > 0]} for number in range(FILMS)])

    assert {row.patients for row in rows} == {None}
