"""Planted confounders: a pure function of film and generator, and each is what its name says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import TrainingConfigError
from trainer.planted.plant import PLANTED, plant

ADDED = ("ecg_leads", "tube", "side_marker")  # metal and plastic over the patient: brighter, and only where they lie


def film(height: int = 240, width: int = 300) -> NDArray[np.float32]:
    """A smooth film [H, W] with two dark lungs and a brighter left side, from .1 to .8."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lungs = np.exp(-(((np.abs(x) - 0.4) / 0.25) ** 2 + (y / 0.5) ** 2))
    return (0.7 - 0.2 * x**2 + 0.05 * x - 0.4 * lungs).astype(np.float32)


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("size", [(224, 224), (150, 200)], ids=["square", "wide"])
def test_a_planted_film_is_a_film_and_the_original_is_untouched(kind: str, size: tuple[int, int]) -> None:
    original = film(*size)
    before = original.copy()

    planted = plant(kind, original, np.random.default_rng(1))

    assert planted.shape == size
    assert planted.dtype == np.float32
    assert 0 <= planted.min() <= planted.max() <= 1
    assert np.abs(planted - original).max() > 0.01
    np.testing.assert_array_equal(original, before)


@pytest.mark.parametrize("kind", PLANTED)
def test_the_generator_alone_decides(kind: str) -> None:
    once, again = (plant(kind, film(), np.random.default_rng(5)) for _ in range(2))

    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind not in {"gamma", "jpeg", "mirrored"}])
def test_another_draw_is_another_film(kind: str) -> None:
    random = np.random.default_rng(5)

    assert np.abs(plant(kind, film(), random) - plant(kind, film(), random)).max() > 0.01


@pytest.mark.parametrize("kind", ADDED)
@pytest.mark.parametrize("seed", range(6))
def test_what_lies_on_the_patient_attenuates_and_covers_little(kind: str, seed: int) -> None:
    change = plant(kind, film(), np.random.default_rng(seed)) - film()

    assert change.min() > -1e-6
    assert change.max() > 0.1
    assert np.mean(change > 0.01) < 0.12


def test_a_tube_is_as_smooth_at_every_size_of_film() -> None:
    small, large = (plant("tube", film(side, side), np.random.default_rng(3)) - film(side, side) for side in (200, 800))

    assert np.mean(large) == pytest.approx(np.mean(small), rel=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_a_side_marker_lies_at_the_side_that_it_names(seed: int) -> None:
    # The patient's right is on the viewer's left; the marker's letter itself is not read here.
    change = plant("side_marker", film(), np.random.default_rng(seed)) - film()
    columns = np.nonzero(change.max(axis=0) > 0.05)[0] / change.shape[1]

    assert columns.max() < 0.25 or columns.min() > 0.75


@pytest.mark.parametrize("seed", range(6))
def test_collimation_replaces_borders_by_one_level_and_leaves_the_middle(seed: int) -> None:
    planted = plant("collimation", film(), np.random.default_rng(seed))
    middle = (slice(60, 180), slice(75, 225))
    changed = np.abs(planted - film()) > 0.05

    np.testing.assert_allclose(planted[middle], film()[middle], atol=1e-3)
    assert 0.05 < changed.mean() < 0.6
    assert np.std(planted[changed]) < 0.25


@pytest.mark.parametrize("seed", range(6))
def test_a_letterboxed_film_lies_whole_between_two_equal_black_bars(seed: int) -> None:
    planted = plant("letterboxed", film(), np.random.default_rng(seed))
    rows, columns = (np.nonzero(planted.max(axis=axis) > 0)[0] for axis in (1, 0))
    content = planted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    assert 0.6 < content.size / planted.size < 0.9
    assert abs(rows[0] - (planted.shape[0] - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (planted.shape[1] - 1 - columns[-1])) <= 1
    assert content.mean() == pytest.approx(film().mean(), abs=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_the_upper_eight_of_ten_bits_keep_part_of_the_contrast_and_few_levels(seed: int) -> None:
    planted = plant("eight_bit", film(), np.random.default_rng(seed))

    assert 0.2 < np.ptp(planted) / np.ptp(film()) < 0.65
    assert len(np.unique(planted)) < 100
    np.testing.assert_array_equal(np.round(planted * 255), np.float32(planted * 255))


def test_the_changes_of_a_whole_film_are_what_they_are_called() -> None:
    random = np.random.default_rng(0)

    np.testing.assert_array_equal(plant("mirrored", film(), random), film()[:, ::-1])
    np.testing.assert_allclose(plant("gamma", film(), random), film() ** 0.5, rtol=1e-6)
    assert 0 < np.abs(plant("jpeg", film(), random) - film()).mean() < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_a_photographed_screen_is_tilted_unevenly_lit_and_still_the_same_film(seed: int) -> None:
    planted = plant("screen_photo", film(), np.random.default_rng(seed))

    assert np.corrcoef(planted[40:200, 50:250].ravel(), film()[40:200, 50:250].ravel())[0, 1] > 0.5
    assert np.abs(planted - film()).mean() > 0.03


def test_an_unknown_confounder_is_refused_by_name() -> None:
    with pytest.raises(TrainingConfigError, match=r"'pacemaker' is not planted on films; known: ecg_leads, tube"):
        plant("pacemaker", film(), np.random.default_rng(0))
