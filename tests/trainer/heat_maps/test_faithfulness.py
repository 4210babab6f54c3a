"""Maps that mark what the network needs beat a random order; maps that mark anything else do not."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from schemas.model.decision import softmax
from trainer.heat_maps.faithfulness import STEPS, ExplainedNetwork, area, insertion_deletion
from trainer.networks.gradcam import explain
from trainer.networks.network import Network

SIDE = 32


class CornerNetwork(Network):
    """Says how bright the left upper quarter of a film is, whatever the rest."""

    def __init__(self) -> None:
        super().__init__("stem", (0.0,), (1.0,))
        self.stem = nn.AvgPool2d(4)
        self.classifier = nn.Linear(16, 2)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.stack([-torch.ones(16), torch.ones(16)]))
            self.classifier.bias.zero_()

    def features(self, image: Tensor) -> Tensor:
        return self.stem(image) - 0.5

    def pool(self, features: Tensor) -> Tensor:
        return features[:, 0, :4, :4].flatten(1)


def films(count=8):
    dark = np.random.default_rng(0).uniform(0.3, 0.4, (count, 1, SIDE, SIDE)).astype(np.float32)
    dark[:, :, :16, :16] += 0.5
    return dark


def quarter(rows, columns):
    maps = np.zeros((8, 8, 8), np.float32)
    maps[:, rows, columns] = 1
    return maps


def judged(maps):
    return insertion_deletion(ExplainedNetwork(CornerNetwork(), softmax), films(), maps, np.ones(8, np.int64))


def test_the_maps_of_what_the_network_reads_insert_and_delete_at_once() -> None:
    right = judged(quarter(slice(0, 4), slice(0, 4)))

    assert area(right.insertion).min() > area(right.random_insertion).max()
    assert area(right.deletion).max() < area(right.random_deletion).min()
    assert right.gaps.min() > 0.3


def test_the_maps_of_what_the_network_never_reads_are_worse_than_a_random_order() -> None:
    assert judged(quarter(slice(4, 8), slice(4, 8))).gaps.max() < 0


def test_random_maps_are_on_average_no_better_than_a_random_order() -> None:
    gaps = judged(np.random.default_rng(5).random((8, 8, 8), np.float32)).gaps

    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(8)


def test_a_map_without_heat_marks_nothing() -> None:
    assert judged(np.zeros((8, 8, 8), np.float32)).gaps.tolist() == [0] * 8


def test_both_orders_begin_and_end_with_the_same_films() -> None:
    curves = judged(quarter(slice(0, 4), slice(0, 4)))

    assert curves.insertion.shape == (8, STEPS + 1)
    np.testing.assert_array_equal(curves.insertion[:, [0, -1]], curves.random_insertion[:, [0, -1]])
    np.testing.assert_array_equal(curves.deletion[:, [0, -1]], curves.random_deletion[:, [0, -1]])
    np.testing.assert_array_equal(curves.insertion[:, -1], curves.deletion[:, 0])  # the film itself


def test_the_area_is_that_of_the_trapezoids() -> None:
    assert area(np.linspace(0, 1, STEPS + 1)[None])[0] == pytest.approx(0.5)
    assert area(np.ones((1, STEPS + 1)))[0] == pytest.approx(1)


def test_the_film_of_a_network_that_reads_one_corner_is_explained_by_that_corner() -> None:
    maps = explain(CornerNetwork(), films(), np.ones(8, np.int64))

    assert maps[:, :4, :4].sum() > 0
    assert judged(maps).gaps.min() > 0.3
