"""A radiograph becomes the network's input by one path, measured against brute force."""

import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torchvision.transforms.v2 import CenterCrop, Resize

from imaging.decode import decode
from imaging.phantom import phantom
from imaging.preprocess import Placement, placement, prepare
from imaging.radiograph import UPRIGHT, Radiograph, Turn
from schemas.preprocess import ClaheSpec, PreprocessSpec
from tests.films import encode


def radiograph(pixels: np.ndarray, *, bits: int | None = None) -> Radiograph:
    rows, columns = pixels.shape
    return Radiograph(pixels, bits or 8 * pixels.itemsize, "png", rows, columns, "MONOCHROME2", ())


def random_film(rows: int, columns: int, dtype: type = np.uint16) -> np.ndarray:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max, (rows, columns), dtype, endpoint=True)


@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
@pytest.mark.parametrize(("shape"), [(32, 32), (200, 100), (31, 500), (1, 1), (1, 900), (700, 3)])
def test_the_input_is_one_contiguous_square_in_the_unit_range(shape, resize) -> None:
    prepared = prepare(radiograph(random_film(*shape)), PreprocessSpec(size=32, resize=resize))

    assert (prepared.shape, prepared.dtype) == ((1, 32, 32), np.float32)
    assert prepared.flags.c_contiguous
    assert prepared.min() >= 0
    assert prepared.max() <= 1 + 1e-6


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_film_of_the_networks_size_is_exactly_its_pixels(dtype, largest) -> None:
    film = random_film(48, 48, dtype)

    prepared = prepare(radiograph(film), PreprocessSpec(size=48))

    assert np.array_equal(prepared[0], film.astype(np.float32) / np.float32(largest))


@pytest.mark.parametrize("factor", [2, 3, 5, 9])
def test_shrinking_by_a_whole_factor_is_the_area_average(factor) -> None:
    film = random_film(64 * factor, 64 * factor)

    prepared = prepare(radiograph(film), PreprocessSpec(size=64))

    average = film.astype(np.float64).reshape(64, factor, 64, factor).mean(axis=(1, 3)) / 65535
    assert np.abs(prepared[0] - average).max() < 5e-7


def area_weights(source: int, target: int) -> np.ndarray:
    """Which share of each source pixel falls into each target pixel, [target, source]."""
    weights = np.zeros((target, source))
    for row in range(target):
        start = row * source / target
        end = (row + 1) * source / target
        for column in range(source):
            weights[row, column] = max(0.0, min(end, column + 1) - max(start, column))
    return weights * target / source


def linear_weights(source: int, target: int) -> np.ndarray:
    """Interpolation between the two nearest pixel centres, [target, source]."""
    weights = np.zeros((target, source))
    for row in range(target):
        position = (row + 0.5) * source / target - 0.5
        left = int(np.floor(position))
        weights[row, min(max(left, 0), source - 1)] += 1 - (position - left)
        weights[row, min(max(left + 1, 0), source - 1)] += position - left
    return weights


@pytest.mark.parametrize("shape", [(150, 91), (150, 40), (40, 150), (40, 33), (64, 150), (150, 64)])
def test_each_axis_is_averaged_where_it_shrinks_and_interpolated_where_it_grows(shape) -> None:
    film = random_film(*shape)

    prepared = prepare(radiograph(film), PreprocessSpec(size=64))

    down, across = ((area_weights if side > 64 else linear_weights)(side, 64) for side in shape)
    assert np.abs(prepared[0] - down @ (film / 65535) @ across.T).max() < 2e-6


@pytest.mark.parametrize("shape", [(150, 91), (40, 150), (64, 64)])
def test_linear_interpolation_takes_the_neighbours_alone_as_networks_trained_with_opencv_saw_them(shape) -> None:
    film = random_film(*shape)

    prepared = prepare(radiograph(film), PreprocessSpec(size=64, interpolation="linear"))

    down, across = (linear_weights(side, 64) for side in shape)
    assert np.abs(prepared[0] - down @ (film / 65535) @ across.T).max() < 2e-6


def test_nearest_interpolation_takes_the_pixel_whose_centre_is_nearest() -> None:
    film = random_film(192, 64)

    prepared = prepare(radiograph(film), PreprocessSpec(size=64, interpolation="nearest"))

    assert np.abs(prepared[0] - film[1::3] / 65535).max() < 1e-6


def test_cubic_interpolation_stays_between_black_and_white() -> None:
    film = np.where(random_film(150, 150) > 32768, np.uint16(65535), np.uint16(0))

    prepared = prepare(radiograph(film), PreprocessSpec(size=64, interpolation="cubic"))

    assert (prepared.min(), prepared.max()) == (0, 1)


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((100, 200), Placement(top=25, left=0, rows=50, columns=100)),
        ((200, 100), Placement(top=0, left=25, rows=100, columns=50)),
        ((100, 100), Placement(top=0, left=0, rows=100, columns=100)),
        ((3, 1000), Placement(top=49, left=0, rows=1, columns=100)),
    ],
)
def test_padding_centres_the_film_and_keeps_its_aspect(shape, place) -> None:
    white = radiograph(np.full(shape, 255, np.uint8))

    prepared = prepare(white, PreprocessSpec(size=100, resize="pad"))[0]

    expected = np.zeros((100, 100))
    expected[place.top : place.top + place.rows, place.left : place.left + place.columns] = 1
    rows, columns = shape
    assert placement(rows, columns, PreprocessSpec(size=100, resize="pad")) == place
    assert np.abs(prepared - expected).max() < 1e-6


@pytest.mark.parametrize("shape", [(300, 256), (256, 300), (301, 256), (256, 303), (256, 256)])
def test_a_crop_takes_what_torchvision_takes(shape) -> None:
    film = random_film(*shape)

    prepared = prepare(radiograph(film), PreprocessSpec(size=224, resize="crop", shorter_side=256))

    expected = CenterCrop(224)(torch.from_numpy(film.astype(np.float32) / 65535)[None]).numpy()
    assert np.abs(prepared - expected).max() < 1e-6


@pytest.mark.parametrize("shape", [(1013, 1500), (1500, 1013), (40, 61), (1999, 1200)])
@pytest.mark.parametrize("shorter_side", [None, 73])
def test_a_film_is_resized_to_torchvisions_size_before_its_crop(shape, shorter_side) -> None:
    spec = PreprocessSpec(size=64, resize="crop", shorter_side=shorter_side)

    rows, columns = shape
    place = placement(rows, columns, spec)

    assert (place.rows, place.columns) == tuple(Resize(shorter_side or 64)(torch.zeros(1, *shape)).shape[1:])


def test_contrast_is_equalised_in_the_crop_alone() -> None:
    clahe = ClaheSpec(clip_limit=2.0, grid=2)
    film = random_film(64, 150)
    cropped = prepare(radiograph(film[:, 43:107]), PreprocessSpec(size=64, clahe=clahe))

    prepared = prepare(radiograph(film), PreprocessSpec(size=64, resize="crop", clahe=clahe))

    assert np.array_equal(prepared, cropped)


@pytest.mark.parametrize("wrong", [{"resize": "squash"}, {"resize": "crop", "size": 300}])
def test_a_shorter_side_without_a_crop_that_fits_is_refused(wrong) -> None:
    with pytest.raises(ValidationError, match="shorter_side 256 belongs to resize crop"):
        PreprocessSpec(**{"size": 224, "shorter_side": 256, **wrong})


def test_the_aspect_is_the_sources_even_when_a_large_jpeg_was_decoded_small() -> None:
    film = decode(encode(np.full((388, 801), 255, np.uint8)), min_side=32)

    prepared = prepare(film, PreprocessSpec(size=32, resize="pad"))[0]

    assert film.pixels.shape == (97, 201)  # of which the aspect alone would give 15 rows
    assert (prepared > 0.5).any(axis=1).sum() == 16


def test_a_small_film_is_averaged_in_one_step_to_the_last_bit_and_a_large_one_by_rows_first() -> None:
    """The figures of cards are about these bits."""
    small, large = phantom(224, 200, seed=2), phantom(1500, 1200, seed=2)
    at_once = [
        cv2.resize(film.astype(np.float32) / np.float32(255), (96, 96), interpolation=cv2.INTER_AREA)
        for film in (small, large)
    ]
    prepared = [prepare(radiograph(film), PreprocessSpec(size=96))[0] for film in (small, large)]

    assert np.array_equal(prepared[0], at_once[0])
    assert prepared[1] == pytest.approx(at_once[1], abs=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1201, 1003), (1024, 1280), (2500, 512), (150, 9000)])
@pytest.mark.parametrize("turn", [UPRIGHT, Turn(transposed=True, left_right=True)])
def test_rows_are_averaged_as_those_of_the_whole_film_to_the_last_bit(shape, dtype, turn) -> None:
    rows, columns = shape
    film = random_film(rows, columns, dtype)
    whole = turn.upright(film).astype(np.float32, order="C")

    prepared = prepare(replace(radiograph(film), turn=turn), PreprocessSpec(size=224, resize="squash"))

    by_rows = cv2.resize(whole, (whole.shape[1], min(224, whole.shape[0])), interpolation=cv2.INTER_AREA)
    averaged = cv2.resize(by_rows, (min(224, whole.shape[1]), by_rows.shape[0]), interpolation=cv2.INTER_AREA)
    squared = cv2.resize(averaged, (224, 224), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(prepared[0], squared / np.float32(np.iinfo(dtype).max))


def test_a_large_film_is_never_held_in_floats() -> None:
    film = radiograph(random_film(2000, 2000))

    tracemalloc.start()
    prepare(film, PreprocessSpec(size=256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 2 * film.pixels.size


def test_a_deep_film_is_not_squeezed_through_eight_bits() -> None:
    steps = np.tile(np.arange(2000, 2032, dtype=np.uint16), (32, 1))

    prepared = prepare(radiograph(steps, bits=12), PreprocessSpec(size=32))

    assert len(np.unique(prepared)) == 32
    assert prepared[0, 0, 0] == np.float32(2000) / np.float32(4095)


def test_percentile_intensity_stretches_the_film_to_its_own_range() -> None:
    film = np.tile(np.arange(1000, 2000, dtype=np.uint16), (1000, 1))
    film[0, 0], film[0, 1] = 0, 65535  # a dead and a burnt pixel move nothing

    prepared = prepare(radiograph(film), PreprocessSpec(size=1000, intensity="percentile"))[0]

    low, high = np.percentile(film, [0.5, 99.5])
    assert np.abs(prepared - ((film - low) / (high - low)).clip(0, 1)).max() < 2e-3
    assert (prepared[0, 0], prepared[0, 1]) == (0, 1)


def test_a_film_of_one_value_has_no_percentiles_and_becomes_black() -> None:
    prepared = prepare(radiograph(np.full((40, 40), 77, np.uint8)), PreprocessSpec(size=32, intensity="percentile"))

    assert not prepared.any()


@pytest.mark.parametrize("grid", [1, 4, 8])
def test_clahe_is_opencvs_on_the_resized_film(grid) -> None:
    film = phantom(64, 64, seed=4)
    spec = PreprocessSpec(size=64, clahe=ClaheSpec(clip_limit=2.0, grid=grid))

    prepared = prepare(radiograph(film), spec)

    expected = cv2.createCLAHE(2.0, (grid, grid)).apply(film)
    assert np.abs(prepared[0] - expected / 255).max() < 1e-6


def test_clahe_limits_the_contrast_of_noise_in_deep_films_too() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.002, (224, 224))
    film = (noise * 65535).round().astype(np.uint16)

    prepared = prepare(radiograph(film), PreprocessSpec(size=224, clahe=ClaheSpec()))

    assert 0.002 < prepared.std() < 0.01


def test_clahe_leaves_the_padding_black() -> None:
    film = np.full((50, 100), 200, np.uint8)

    prepared = prepare(radiograph(film), PreprocessSpec(size=100, resize="pad", clahe=ClaheSpec()))[0]

    assert not prepared[:25].any()
    assert not prepared[75:].any()


@pytest.mark.real_data
def test_reduced_decoding_changes_real_films_by_less_than_a_gray_level(real_films) -> None:
    films = sorted((real_films / "originals").glob("*/*"))

    for film in films[::4]:
        data = film.read_bytes()
        small, whole = (prepare(decode(data, min_side=side), PreprocessSpec(size=224)) for side in (224, None))
        assert np.abs(small - whole).mean() < 1 / 255
