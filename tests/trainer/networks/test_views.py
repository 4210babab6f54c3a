"""Views move, turn and enlarge films as they say; a network's logits are averaged over them."""

import cv2
import numpy as np
import pytest
import torch

from imaging.phantom import phantom
from trainer.networks.designs import ConvolutionalDesign
from trainer.networks.inference import outputs
from trainer.networks.network import ConvolutionalNetwork
from trainer.networks.views import FILM, PERTURBATIONS, View, choose_views

SIDE = 64


def films(count=2):
    drawn = np.stack([phantom(SIDE, SIDE, seed=seed) for seed in range(count)])
    return (drawn[:, None] / 255).astype(np.float32)


def seen(view, images):
    return view.of(torch.from_numpy(images)).numpy()


def warped(image, matrix):
    return cv2.warpAffine(image, np.asarray(matrix, np.float64), (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def test_the_film_itself_is_not_resampled() -> None:
    images = torch.from_numpy(films())

    assert FILM.of(images) is images


def test_a_shift_moves_to_the_right_and_down_and_leaves_black() -> None:
    image = films(1)

    moved = seen(View(shift_x=0.25, shift_y=0.125), image)[0, 0]

    np.testing.assert_allclose(moved[8:, 16:], image[0, 0, :-8, :-16], atol=1e-5)
    assert moved[:8].max() == moved[:, :16].max() == 0


@pytest.mark.parametrize(
    "view",
    [
        View(rotation_deg=20),
        View(scale=1.3),
        View(scale=0.8),
        View(rotation_deg=-6, scale=1.2),
        View(0.1, -0.05, 9, 0.9),
    ],
)
def test_a_view_is_opencvs_affine_map_about_the_centre(view) -> None:
    image = films(1)
    middle = (SIDE - 1) / 2
    # OpenCV turns counter-clockwise for positive angles.
    matrix = cv2.getRotationMatrix2D((middle, middle), -view.rotation_deg, view.scale)
    matrix[:, 2] += SIDE * np.array([view.shift_x, view.shift_y])

    ours = seen(view, image)[0, 0]
    theirs = warped(image[0, 0], matrix)

    inner = np.s_[6:-6, 6:-6]  # at the film's edge the two fill differently
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=0.03)  # OpenCV rounds places to 1/32 pixel
    assert np.abs(ours[inner] - image[0, 0][inner]).max() > 0.1


def test_views_are_the_film_and_its_perturbations_at_every_scale() -> None:
    assert choose_views(0, (1.0,)) == (FILM,)
    assert choose_views(2, (1.0,)) == (FILM, *PERTURBATIONS[:2])
    assert choose_views(1, (1.0, 1.2)) == (
        FILM,
        PERTURBATIONS[0],
        View(scale=1.2),
        View(rotation_deg=3, scale=1.2),
    )


def test_perturbations_cancel_in_pairs() -> None:
    for first, second in zip(PERTURBATIONS[::2], PERTURBATIONS[1::2], strict=True):
        assert (first.shift_x, first.shift_y, first.rotation_deg) == (
            -second.shift_x,
            -second.shift_y,
            -second.rotation_deg,
        )


def test_logits_and_embeddings_are_the_means_over_the_views() -> None:
    torch.manual_seed(0)
    network = ConvolutionalNetwork(2, 0.2, ConvolutionalDesign((4, 8), 6, norm=False, attention=False))
    images = films(5)
    views = choose_views(2, (1.0, 1.25))
    alone = [outputs(network, seen(view, images)) for view in views]

    logits, embeddings = outputs(network, images, views=views, batch_size=2)

    torch.testing.assert_close(logits, torch.stack([part[0] for part in alone]).mean(0))
    torch.testing.assert_close(embeddings, torch.stack([part[1] for part in alone]).mean(0))
    assert not torch.allclose(logits, alone[0][0])
