"""What a network behind a guide sees: the lungs, wherever and however large they lie on the film, and nothing else."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from imaging.thumbnail import lungs_box
from schemas.model.guide import Shown
from trainer.learning.options import LearnOptions
from trainer.learning.strategies import apply_strategy
from trainer.networks.build import build_network
from trainer.networks.designs import FILM_SIDE
from trainer.networks.gradcam import explain
from trainer.networks.lungs.guide import LUNGS_SIDE, SIDE, GuideNetwork, Sight
from trainer.networks.lungs.guided import MAP_SIDE, GuidedNetwork, placed

CROP = 48


class DarkIsLung(GuideNetwork):
    """Takes what is darker than 0.45 for lungs; the trait says whether the film's left half is the brighter one."""

    def forward(self, film: torch.Tensor) -> Sight:
        small = functional.avg_pool2d(film, FILM_SIDE // LUNGS_SIDE)[:, 0]
        difference = film[..., : FILM_SIDE // 2].mean((1, 2, 3)) - film[..., FILM_SIDE // 2 :].mean((1, 2, 3))
        return Sight(60 * (0.45 - small), torch.stack([difference, -difference], 1))


def guided(*, arch: str = "cnn_baseline", shows: Shown = "lungs") -> GuidedNetwork:
    torch.manual_seed(0)
    network = build_network(arch, classes=2, size=CROP, guide=DarkIsLung([2], shows=shows))
    assert isinstance(network, GuidedNetwork)
    return network.eval()


def lungs(place: tuple[int, int] = (60, 50), size: tuple[int, int] = (150, 140)) -> np.ndarray:
    """Two dark lungs with stripes on a brighter film: [S, S] in [0, 1]."""
    film = np.full((FILM_SIDE, FILM_SIDE), 0.8, np.float32)
    rows, columns = size
    part = np.full((rows, columns), 0.8, np.float32)
    stripes = 0.15 + 0.15 * (np.sin(np.linspace(0, 12, rows)) > 0)
    part[:, : columns * 2 // 5] = stripes[:, None]
    part[:, columns * 3 // 5 :] = stripes[:, None]
    film[place[0] : place[0] + rows, place[1] : place[1] + columns] = part
    return film


def seen(network: GuidedNetwork, film: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network.view(torch.from_numpy(film[None, None].copy())).image[0, 0].numpy()


def test_a_film_that_is_stretched_or_moved_looks_the_same_to_the_network() -> None:
    network = guided()
    plain = seen(network, lungs())
    for other in (lungs(place=(30, 90)), lungs(size=(110, 140)), lungs(size=(150, 100))):
        assert np.abs(seen(network, other) - plain).mean() < 0.03


def test_what_lies_outside_of_the_lungs_and_does_not_change_their_box_is_not_seen() -> None:
    network = guided()
    marked = lungs()
    marked[5:25, 5:60] = 0.95  # a marker in the corner
    assert np.array_equal(seen(network, marked) == 0.5, seen(network, lungs()) == 0.5)
    assert np.abs(seen(network, marked) - seen(network, lungs())).max() < 1e-3
    between = seen(network, lungs())[CROP // 2, CROP // 2]
    assert between == pytest.approx(0.5)


def test_a_guide_can_show_the_whole_box_with_what_lies_between_the_lungs() -> None:
    whole, alone = (seen(guided(shows=shows), lungs()) for shows in ("box", "lungs"))
    middle = slice(CROP // 2 - 1, CROP // 2 + 1)
    assert np.abs(whole[:, middle] - 0.5).mean() > 0.1
    assert np.abs(alone[:, middle] - 0.5).mean() < 0.02
    assert whole[CROP // 2, CROP // 4] == alone[CROP // 2, CROP // 4]


def test_the_box_is_the_one_that_the_thumbnail_is_taken_from() -> None:
    network = guided()
    for film in (lungs(), lungs(place=(20, 10), size=(100, 120)), np.full_like(lungs(), 0.9)):
        with torch.no_grad():
            view = network.view(torch.from_numpy(film[None, None].copy()))
        assert view.box[0].numpy() == pytest.approx(lungs_box(view.sight.lungs.sigmoid()[0].numpy()), abs=1e-5)


def test_intensities_are_relative_so_that_exposure_is_no_finding() -> None:
    network = guided()
    darker = 0.1 + 0.7 * lungs()
    assert np.abs(seen(network, darker) - seen(network, lungs())).mean() < 0.01


def test_a_film_without_lungs_gives_a_view_that_is_finite() -> None:
    assert np.isfinite(seen(guided(), np.full((FILM_SIDE, FILM_SIDE), 0.9, np.float32))).all()


def test_the_guide_neither_learns_nor_counts_its_batches() -> None:
    network = build_network("cnn_baseline", classes=2, size=CROP, guide=GuideNetwork([2, 3]))
    before = {key: value.clone() for key, value in network.state_dict().items() if key.startswith("guide.")}
    apply_strategy(network, LearnOptions(), epoch=0)
    optimizer = torch.optim.SGD([weight for weight in network.parameters() if weight.requires_grad], lr=1.0)
    films = torch.from_numpy(np.stack([lungs(), lungs(size=(100, 100))])[:, None])
    network(films).square().sum().backward()
    optimizer.step()
    after = network.state_dict()
    assert before
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert any(weight.grad is not None for weight in network.learner.parameters())


def test_views_vary_in_training_alone() -> None:
    network = guided().train()
    films = torch.from_numpy(lungs()[None, None])
    torch.manual_seed(1)
    assert not torch.equal(network.view(films).image, network.view(films).image)
    network.eval()
    assert torch.equal(network.view(films).image, network.view(films).image)


def test_a_map_lies_on_the_film_where_the_network_saw_it() -> None:
    box = torch.tensor([[0.5, -0.25, 0.25, 0.5]])  # to the right, a little above the middle
    hot = torch.zeros(1, 4, 4)
    hot[0, 0, 3] = 1  # the upper right corner of the box: x .6875, y -.625 on the film
    on_film = placed(hot, box)[0].numpy()
    row, column = np.unravel_index(on_film.argmax(), on_film.shape)
    assert ((column + 0.5) / MAP_SIDE * 2 - 1, (row + 0.5) / MAP_SIDE * 2 - 1) == pytest.approx(
        (0.6875, -0.625), abs=0.13
    )
    centres = (np.arange(MAP_SIDE) + 0.5) / MAP_SIDE * 2 - 1
    outside = (np.abs(centres - 0.5) > 0.25)[None, :] | (np.abs(centres + 0.25) > 0.5)[:, None]
    assert not on_film[outside].any()


def test_heat_lies_on_what_was_shown_alone() -> None:
    film = torch.from_numpy(lungs()[None, None].copy())
    everywhere = torch.ones(1, 4, 4)
    with torch.no_grad():
        heat, whole = (guided(shows=shows).on_film(everywhere, film)[0].numpy() for shows in ("lungs", "box"))
    middle = (MAP_SIDE // 2, 50 * MAP_SIDE // FILM_SIDE + 140 * MAP_SIDE // FILM_SIDE // 2)  # between the two lungs
    lung = (MAP_SIDE // 2, (50 + 28) * MAP_SIDE // FILM_SIDE)
    assert (heat[middle], heat[lung], whole[middle], whole[lung]) == pytest.approx((0, 1, 1, 1), abs=1e-3)


def test_heat_maps_of_a_network_behind_a_guide_are_empty_outside_of_the_lungs_box() -> None:
    network = guided()
    film = cv2.GaussianBlur(lungs(place=(20, 20), size=(110, 110)), (0, 0), 2)
    maps = explain(network, np.asarray(film[None, None], np.float32), np.array([1]))
    assert maps.shape == (1, MAP_SIDE, MAP_SIDE)
    assert not maps[0, 3 * MAP_SIDE // 4 :].any()
    assert SIDE * 2 == FILM_SIDE
