"""Distances to the training films, and arrays that do not fit."""

import numpy as np
import pytest

from schemas.errors import BundleError
from schemas.model.familiarity import Familiarity, Space, unfamiliarity


def arrays(**changes):
    """Two classes at 0 and 4 on the first of three axes; the third is never used."""
    made = {
        "center": np.array([1.0, 1.0, 1.0]),
        "projection": np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        "class_means": np.array([[0.0, 0.0], [4.0, 0.0]]),
        "components": np.eye(3, 2),
        "thumbnail_center": np.zeros(2),
        "thumbnail_projection": np.array([[1.0], [0.0]]),
        "thumbnail_class_means": np.zeros((2, 1)),
        "thumbnail_components": np.array([[1.0], [0.0]]),
        "scales": np.ones((2, 4)),
    } | changes
    return {name: array for name, array in made.items() if array is not None}


EMBEDDING = np.array([[3.0, 4.0, 6.0]], np.float32)
THUMBNAIL = np.array([[0.5, 2.0]])


def test_the_distances_are_the_whitened_one_to_each_class_and_the_length_of_what_is_left_over() -> None:
    distances = Familiarity.from_arrays(arrays()).distances(EMBEDDING, THUMBNAIL)

    # centred (2, 3, 5), whitened (4, 3): 5 from the first class and 3 from the second, over the root of 2
    assert distances[0] == pytest.approx(np.array([[5 / 2**0.5, 5, 0.5, 2], [3 / 2**0.5, 5, 0.5, 2]]))


def test_the_score_is_the_largest_distance_in_units_of_its_scale() -> None:
    scales = np.array([[1.0, 10, 1, 1], [1, 1, 1, 0.25]])

    scores = Familiarity.from_arrays(arrays(scales=scales)).scores(EMBEDDING, THUMBNAIL)

    assert scores[0] == pytest.approx([5 / 2**0.5, 8])


def test_a_film_is_judged_by_the_cutoff_of_the_class_that_it_is_nearest_to() -> None:
    scores = np.array([[3.0, 3.0], [1.0, 9.0]])

    assert unfamiliarity(scores, np.array([2.0, 4.0])).tolist() == [0.75, 0.5]


def test_where_nothing_is_left_over_and_thumbnails_are_alike_there_is_one_distance() -> None:
    optional = [name for name in arrays() if name.startswith("thumbnail_") or name == "components"]
    plain = Familiarity.from_arrays(arrays(**dict.fromkeys(optional), scales=np.ones((2, 1))))

    assert plain.scores(EMBEDDING, THUMBNAIL)[0] == pytest.approx([5 / 2**0.5, 3 / 2**0.5])


@pytest.mark.parametrize(
    "changes",
    [
        {"center": np.zeros(4)},
        {"projection": np.zeros(3)},
        {"projection": np.zeros((3, 0)), "class_means": np.zeros((2, 0)), "components": np.zeros((3, 0))},
        {"components": np.eye(3)},
        {"class_means": np.zeros((2, 3))},
        {"thumbnail_class_means": np.zeros((3, 1))},
        {"thumbnail_projection": None},
        {"scales": None},
        {"center": None},
        {"scales": np.ones((2, 3))},
        {"scales": np.zeros((2, 4))},
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes) -> None:
    with pytest.raises(BundleError, match="export the bundle again"):
        Familiarity.from_arrays(arrays(**changes))


def test_a_space_without_components_has_one_distance() -> None:
    space = Space(np.zeros(1), np.ones((1, 1)), np.zeros((2, 1)))

    assert space.distances(np.array([[3.0]])).tolist() == [[[3.0], [3.0]]]
