"""Heat maps over films: where the heat is drawn, and what stays untouched."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from imaging.overlay import HeatMap, overlay_jpeg, overlay_png, render, shown
from imaging.phantom import phantom
from imaging.radiograph import Radiograph
from schemas.preprocess import PreprocessSpec

SQUASH = PreprocessSpec(size=224)
PAD = PreprocessSpec(size=224, resize="pad")
CROP = PreprocessSpec(size=224, resize="crop", shorter_side=256)
FILM = phantom(300, 600, seed=1)


def radiograph(pixels: np.ndarray, *, shape: tuple[int, int] | None = None) -> Radiograph:
    rows, columns = shape or pixels.shape
    return Radiograph(pixels, 8 * pixels.itemsize, "png", rows, columns, "MONOCHROME2", ())


def point(row: int, column: int, *, rows: int = 7, columns: int = 7) -> np.ndarray:
    cam = np.zeros((rows, columns), np.float32)
    cam[row, column] = 3.5
    return cam


def gray(rendered: HeatMap) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(rendered.heatmap_png, np.uint8), cv2.IMREAD_UNCHANGED)


def colour(rendered: HeatMap) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(rendered.overlay_png, np.uint8), cv2.IMREAD_UNCHANGED)


def hottest(rendered: HeatMap) -> tuple[float, float]:
    """Middle of the hottest pixels as (x, y) in [0, 1]."""
    heat = gray(rendered)
    rows, columns = np.nonzero(heat == heat.max())
    return (columns.mean() + 0.5) / heat.shape[1], (rows.mean() + 0.5) / heat.shape[0]


@pytest.mark.parametrize(
    ("decoded", "source", "expected"),
    [
        ((300, 600), (300, 600), (300, 600)),
        ((1500, 2000), (1500, 2000), (768, 1024)),
        ((500, 250), (1999, 1000), (500, 250)),  # decoded at a quarter
        ((28, 28), (28, 28), (28, 28)),
        ((1, 3000), (1, 3000), (1, 1024)),
    ],
)
@pytest.mark.parametrize("spec", [SQUASH, PAD, CROP], ids=["squash", "pad", "crop"])
def test_both_pictures_have_the_sources_aspect_and_are_no_larger_than_needed(decoded, source, expected, spec) -> None:
    rendered = render(point(3, 3), radiograph(np.zeros(decoded, np.uint8), shape=source), spec)

    assert gray(rendered).shape == expected
    assert gray(rendered).dtype == np.uint8
    assert colour(rendered).shape == (*expected, 3)


def test_a_map_without_heat_gives_the_plain_film() -> None:
    rendered = render(np.zeros((7, 7), np.float32), radiograph(FILM), SQUASH)

    assert np.array_equal(colour(rendered), np.stack([FILM] * 3, axis=-1))
    assert not gray(rendered).any()
    assert rendered.center_of_mass is None
    assert rendered.concentration == 0


def test_cold_regions_show_the_film_untouched_and_hot_ones_are_coloured() -> None:
    overlay = colour(render(point(3, 5), radiograph(FILM), SQUASH)).astype(int)

    untouched = overlay[:, :200]
    assert np.array_equal(untouched, np.stack([FILM[:, :200]] * 3, axis=-1))
    spot = overlay[150, 5 * 600 // 7 + 40]
    assert spot.max() - spot.min() > 60


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 6), (6, 0), (3, 3), (5, 1)])
def test_squashed_films_get_their_heat_where_the_network_saw_it(row, column) -> None:
    rendered = render(point(row, column), radiograph(FILM), SQUASH)

    x, y = (column + 0.5) / 7, (row + 0.5) / 7
    assert hottest(rendered) == pytest.approx((x, y), abs=0.08)
    assert gray(rendered).max() >= 250


@pytest.mark.parametrize(
    ("cell", "film_x", "film_y"),
    [((7, 7), 0.536, 0.571), ((4, 0), 0.036, 0.143), ((9, 13), 0.964, 0.857), ((6, 3), 0.25, 0.429)],
)
def test_padded_films_get_their_heat_at_the_place_inside_the_padding(cell, film_x, film_y) -> None:
    # the film fills the middle half of a square of 14 cells: rows 3.5 to 10.5
    rendered = render(point(*cell, rows=14, columns=14), radiograph(FILM), PAD)

    assert hottest(rendered) == pytest.approx((film_x, film_y), abs=0.04)


@pytest.mark.parametrize(
    ("cell", "film_x", "film_y"),
    [((3, 3), 0.5, 0.5), ((0, 0), 0.3125, 0.125), ((6, 0), 0.3125, 0.875), ((0, 6), 0.6875, 0.125)],
)
def test_cropped_films_get_their_heat_within_the_crop_and_none_outside(cell, film_x, film_y) -> None:
    # 7/8 of the shorter side of 300 pixels: rows 18.75 to 281.25, columns 168.75 to 431.25
    rendered = render(point(*cell), radiograph(FILM), CROP)

    heat = gray(rendered)
    assert hottest(rendered) == pytest.approx((film_x, film_y), abs=0.06)
    assert not heat[:18].any()
    assert not heat[:, :168].any()
    assert not heat[:, 432:].any()


@pytest.mark.parametrize("spec", [SQUASH, PAD, CROP])
def test_pixels_that_are_no_squares_are_drawn_as_such_with_the_heat_at_its_place(spec) -> None:
    squares = radiograph(FILM)
    tall = replace(squares, pixel_aspect=2.0)

    drawn, plain = (render(point(3, 5), film, spec) for film in (tall, squares))

    assert colour(drawn).shape == (600, 600, 3)
    assert hottest(drawn) == pytest.approx(hottest(plain), abs=0.02)


def test_heat_on_the_padding_alone_is_not_on_the_film() -> None:
    rendered = render(point(0, 3, rows=14, columns=14), radiograph(FILM), PAD)

    assert rendered.center_of_mass is None
    assert rendered.concentration == 1
    assert np.array_equal(colour(rendered), np.stack([FILM] * 3, axis=-1))


@pytest.mark.parametrize("spec", [SQUASH, PAD], ids=["squash", "pad"])
def test_even_heat_is_centred_and_flat(spec) -> None:
    rendered = render(np.full((7, 7), 0.2, np.float32), radiograph(FILM), spec)

    assert rendered.center_of_mass == pytest.approx((0.5, 0.5))
    assert rendered.concentration == pytest.approx(0.1)
    assert (gray(rendered) == 255).all()


def test_a_point_is_concentrated_at_its_place() -> None:
    rendered = render(point(1, 5), radiograph(FILM), SQUASH)

    assert rendered.concentration == 1
    assert rendered.center_of_mass == pytest.approx((5.5 / 7, 1.5 / 7), abs=0.01)


def test_concentration_is_the_share_of_the_strongest_tenth_of_cells() -> None:
    cam = np.zeros((5, 4), np.float32)
    cam.ravel()[:4] = [4, 3, 2, 1]

    assert render(cam, radiograph(FILM), SQUASH).concentration == pytest.approx(0.7)


def test_the_scale_of_the_map_does_not_matter() -> None:
    cam = np.random.default_rng(1).random((7, 7), np.float32)

    one, other = (render(np.float32(factor) * cam, radiograph(FILM), SQUASH) for factor in (1e-6, 1e3))

    assert np.abs(gray(one).astype(int) - gray(other)).max() <= 1


def test_the_film_is_shown_as_the_network_sees_it() -> None:
    dark = FILM // 8
    spec = PreprocessSpec(size=224, intensity="percentile")

    overlay = colour(render(np.zeros((7, 7), np.float32), radiograph(dark), spec))

    assert overlay.max() == 255
    assert overlay.min() == 0


def test_a_deep_film_is_shown_over_its_whole_range() -> None:
    deep = FILM.astype(np.uint16) * 257

    overlay = colour(render(np.zeros((7, 7), np.float32), radiograph(deep), SQUASH))

    assert np.array_equal(overlay[..., 0], FILM)


def test_colours_are_blended_as_opaque_as_they_are_hot() -> None:
    cam = np.random.default_rng(0).random((8, 8), np.float32)

    rendered = render(cam, radiograph(FILM), SQUASH)

    heat = gray(rendered)
    opacity = 0.5 * heat[..., None] / 255
    expected = FILM[..., None] * (1 - opacity) + cv2.applyColorMap(heat, cv2.COLORMAP_PLASMA) * opacity
    assert np.abs(colour(rendered) - expected).max() <= 2


@pytest.mark.parametrize("spec", [SQUASH, PAD, CROP], ids=["squash", "pad", "crop"])
def test_a_map_is_enlarged_as_opencv_does(spec) -> None:
    cam = np.random.default_rng(2).random((8, 8), np.float32)
    square = radiograph(phantom(400, 400, seed=1))

    heat = gray(render(cam, square, spec))

    side = 400 if spec is not CROP else 350
    enlarged = np.maximum(cv2.resize(cam, (side, side), interpolation=cv2.INTER_CUBIC), 0)
    margin = (400 - side) // 2
    inner = heat[margin : margin + side, margin : margin + side]
    assert np.abs(inner - 255 * enlarged / enlarged.max()).max() <= 1


def test_the_overlay_alone_is_that_beside_the_heat_map() -> None:
    cam = np.random.default_rng(0).random((8, 8), np.float32)
    film = shown(radiograph(FILM), SQUASH)
    whole = render(cam, radiograph(FILM), SQUASH).overlay_png

    jpeg = overlay_jpeg(film, cam, SQUASH)

    assert overlay_png(film, cam, SQUASH) == whole
    decoded = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int) for data in (whole, jpeg)]
    assert np.abs(decoded[0] - decoded[1]).mean() < 3
    assert len(jpeg) < len(whole) / 3
