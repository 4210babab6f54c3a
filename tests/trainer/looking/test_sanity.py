"""Maps that depend on what was learned change with it; the similarities are those of their definitions."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch import Tensor, nn

from tests.export.untrained import phantoms, settled
from trainer.looking.sanity import map_sanity, rank_correlations, structural_similarities
from trainer.networks.build import build_network
from trainer.networks.ensemble import EnsembleNetwork
from trainer.networks.network import Network

SIDE = 64


def drawn(seed: int, count: int = 6, cells: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.5, 1, (count, cells, cells)).astype(np.float32)


class EdgeDetector(Network):
    """A network whose only channel is the film itself: its maps show the film, whatever its weights are."""

    def __init__(self) -> None:
        super().__init__("stem", (0.0,), (1.0,))
        self.stem = nn.AvgPool2d(8)
        self.classifier = nn.Linear(1, 2)
        nn.init.constant_(self.classifier.weight, 1.0)

    def features(self, image: Tensor) -> Tensor:
        return self.stem(self.normalise(image))

    def pool(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


def small(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return settled(build_network("cnn4", classes=2, size=SIDE), phantoms(8, SIDE))


def test_the_maps_of_a_network_change_when_its_last_layers_are_random() -> None:
    found = map_sanity(small(), phantoms(12, SIDE), np.ones(12, np.int64))

    assert found is not None
    assert [row.layers for row in found.rows] == ["last layer", "last quarter", "last half", "all layers"]
    assert [row.count for row in found.rows] == [1, 2, 5, 10]
    assert all(row.rank_correlation.value < 0.6 for row in found.rows)


def test_maps_that_show_the_film_stay_what_they_are() -> None:
    found = map_sanity(EdgeDetector().eval(), phantoms(12, SIDE), np.ones(12, np.int64))

    assert found is not None
    assert all(row.rank_correlation.value == pytest.approx(1) for row in found.rows)
    assert all(row.ssim.value == pytest.approx(1) for row in found.rows)


def test_the_network_is_left_as_it_was() -> None:
    network = small()
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    map_sanity(network, phantoms(4, SIDE), np.zeros(4, np.int64))

    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())
    assert not network.training


def test_a_mean_of_networks_is_randomised_member_by_member() -> None:
    network = EnsembleNetwork([small(0), small(1)], [1.0, 1.0], size=SIDE)
    found = map_sanity(network, phantoms(8, SIDE), np.ones(8, np.int64))

    assert found is not None
    assert [row.count for row in found.rows] == [2, 4, 10, 20]
    assert found.rows[0].rank_correlation.value < 0.8


def test_maps_without_any_heat_are_not_judged() -> None:
    network = EdgeDetector()
    with torch.no_grad():
        network.get_parameter("classifier.weight").neg_()

    assert map_sanity(network.eval(), phantoms(4, SIDE), np.ones(4, np.int64)) is None


def test_the_rank_correlation_is_spearmans() -> None:
    one, other = drawn(0), drawn(1)
    other[1, :3] = 0  # ties, as a rectified map has them
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]

    assert rank_correlations(one, other) == pytest.approx(expected)
    assert rank_correlations(one, one) == pytest.approx([1] * 6)
    assert rank_correlations(one, np.zeros_like(one)) == pytest.approx([0] * 6)


def test_cells_that_heat_cannot_reach_do_not_make_two_maps_alike() -> None:
    one, other = drawn(0), drawn(1)
    reached = np.zeros(one.shape, bool)
    reached[:, 2:5, 2:5] = True
    outside = ~reached
    one[outside] = other[outside] = 0
    expected = [spearmanr(a[own], b[own]).statistic for a, b, own in zip(one, other, reached, strict=True)]

    assert rank_correlations(one, other, reached) == pytest.approx(expected)
    assert rank_correlations(one, other).mean() > np.mean(expected) + 0.2


def test_the_structural_similarity_is_one_of_equals_and_falls_with_noise() -> None:
    one = drawn(0)
    noisy = [structural_similarities(one, one + share * drawn(2)).mean() for share in (0, 0.2, 1)]

    assert noisy[0] == pytest.approx(1)
    assert noisy[0] > noisy[1] > noisy[2] > -1
    assert structural_similarities(one, 3 * one) == pytest.approx([1] * 6)
    assert structural_similarities(one, np.zeros_like(one)).tolist() == [0] * 6


def test_the_structural_similarity_is_that_of_its_formula() -> None:
    one, other = (cv2.resize(drawn(seed, 1)[0], (64, 64)) for seed in (3, 4))
    one, other = one / one.max(), other / other.max()
    smooth = partial(gaussian_filter, sigma=1.5, mode="mirror", truncate=6)
    mean, mean_other = smooth(one), smooth(other)
    both = smooth(one * one) + smooth(other * other) - mean**2 - mean_other**2
    covariance = smooth(one * other) - mean * mean_other
    luminance = (2 * mean * mean_other + 1e-4) / (mean**2 + mean_other**2 + 1e-4)
    expected = (luminance * (2 * covariance + 9e-4) / (both + 9e-4)).mean()

    assert structural_similarities(one[None], other[None])[0] == pytest.approx(expected, abs=0.005)
