"""Heat against regions equals a count by hand; the controls show what a map gains over none."""

import numpy as np
import pytest

from trainer.looking.heat import MarkedMaps, region_heat

SIDE = 64


def left(count: int, share: float = 0.5) -> np.ndarray:
    """The left part of every film as its region."""
    regions = np.zeros((count, SIDE, SIDE), bool)
    regions[:, :, : round(share * SIDE)] = True
    return regions


def one_hot(columns: list[int], cells: int = 8) -> np.ndarray:
    """Maps with heat in one cell of the middle row each."""
    maps = np.zeros((len(columns), cells, cells), np.float32)
    maps[np.arange(len(columns)), cells // 2, columns] = 1
    return maps


def figures(maps, regions, patients=None):
    names = patients or [str(index) for index in range(len(maps))]
    return region_heat(MarkedMaps("lungs", "PNEUMONIA", maps, regions, names))


def test_heat_everywhere_alike_has_a_ratio_of_one_and_no_gain_over_its_controls() -> None:
    found = figures(np.ones((12, 7, 7), np.float32), left(12, 0.25))

    assert found.area == pytest.approx(0.25)
    assert found.heat.value == pytest.approx(0.25, abs=1e-6)
    for pointing in (found.maps, found.centre_prior, found.mirrored):
        assert pointing.ratio.value == pytest.approx(1, abs=1e-6)


def test_heat_inside_alone_has_the_ratio_of_the_whole_to_the_region() -> None:
    found = figures(one_hot([1] * 12), left(12))

    assert found.heat.value == 1
    assert found.maps.ratio.value == pytest.approx(2)
    assert found.maps.inside.value == 1
    assert found.mirrored.ratio.value == found.mirrored.inside.value == 0


def test_hottest_points_are_counted_inside_and_within_fifteen_of_224_pixels() -> None:
    # Cells are 8 pixels wide: their middles lie at 28, 36 and 52; the region ends at 34, the tolerance is 4.3 pixels.
    found = figures(one_hot([3] * 5 + [4] * 4 + [6] * 3), left(12, 34 / SIDE))

    assert found.maps.inside.value == pytest.approx(5 / 12)
    assert found.maps.near.value == pytest.approx(9 / 12)
    assert found.maps.inside.low < 5 / 12 < found.maps.inside.high


def test_the_centre_prior_is_the_mean_of_all_maps_for_every_film() -> None:
    # Each film's map follows its own region, left or right; their mean follows none.
    regions = np.concatenate([left(10), ~left(10)])
    found = figures(one_hot([1] * 10 + [6] * 10), regions)

    assert found.maps.inside.value == 1
    assert found.centre_prior.ratio.value == pytest.approx(1)
    assert found.centre_prior.inside.value == pytest.approx(0.5)


def test_a_map_without_heat_is_a_miss_and_has_no_share() -> None:
    maps = one_hot([1] * 15)
    maps[:3] = 0
    found = figures(maps, left(15))

    assert (found.films, found.empty) == (15, 3)
    assert found.heat.value == 1
    assert found.maps.inside.value == pytest.approx(12 / 15)


def test_the_hottest_point_of_a_corner_cell_is_inside_the_film() -> None:
    # The enlarged map is flat from the cell's middle to the film's corner.
    maps = np.zeros((12, 8, 8), np.float32)
    maps[:, 0, 0] = 1
    regions = np.zeros((12, SIDE, SIDE), bool)
    regions[:, :5, :5] = True

    assert figures(maps, regions).maps.inside.value == 1


def test_films_of_one_patient_count_as_one_draw() -> None:
    maps = one_hot([1] * 10 + [6] * 10)
    apart = figures(maps, left(20)).maps.ratio
    together = figures(maps, left(20), ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + ["d"] * 5).maps.ratio

    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low


def test_of_fewer_than_ten_maps_with_heat_nothing_is_claimed() -> None:
    maps = one_hot([1] * 12)
    maps[:3] = 0

    assert figures(maps, left(12)) is None
