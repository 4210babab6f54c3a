"""Warnings about films, and the figures that monitoring follows."""

import numpy as np
import pytest

from imaging.decode import decode
from imaging.phantom import phantom
from imaging.quality import InputStatistics, input_statistics, input_warnings
from imaging.radiograph import Radiograph


def radiograph(pixels: np.ndarray, *, bits: int | None = None, shape: tuple[int, int] | None = None) -> Radiograph:
    rows, columns = shape or pixels.shape
    return Radiograph(pixels, bits or 8 * pixels.itemsize, "png", rows, columns, "MONOCHROME2", ())


FILM = phantom(256, 256, seed=1)
DEEP = FILM.astype(np.uint16) << 4


def mostly(value: int, share: float) -> np.ndarray:
    film = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    film[: int(share * 256)] = value
    return film


@pytest.mark.parametrize(
    ("film", "warnings"),
    [
        (radiograph(FILM), ()),
        (radiograph(DEEP, bits=12), ()),
        (radiograph(FILM[:224, :224]), ()),
        (radiograph(FILM[:223]), ("low_resolution",)),
        (radiograph(FILM[:, :223]), ("low_resolution",)),
        (radiograph(FILM[:100, :100], shape=(800, 800)), ()),  # a large JPEG that was decoded small
        (radiograph(FILM, shape=(500, 1000)), ()),
        (radiograph(FILM, shape=(500, 1001)), ("extreme_aspect",)),
        (radiograph(FILM, shape=(1001, 500)), ("extreme_aspect",)),
        (radiograph(FILM // 4), ("low_contrast",)),
        (radiograph(FILM // 2), ("low_contrast",)),
        (radiograph(DEEP // 2, bits=12), ("low_contrast",)),
        (radiograph(FILM // 2 + 1), ()),
        (radiograph(DEEP, bits=16), ("low_contrast",)),
        (radiograph(mostly(0, 0.38)), ()),
        (radiograph(mostly(0, 0.45)), ("mostly_one_value",)),
        (radiograph(mostly(255, 0.45)), ("mostly_one_value",)),
        (radiograph(np.full((256, 256), 128, np.uint8)), ("low_contrast", "mostly_one_value")),
        (
            radiograph(np.full((10, 90), 65535, np.uint16)),
            ("low_resolution", "extreme_aspect", "low_contrast", "mostly_one_value"),
        ),
    ],
)
def test_a_film_is_warned_about_exactly_beyond_the_thresholds(film, warnings) -> None:
    assert input_warnings(film) == warnings


def test_statistics_are_those_of_the_pixels() -> None:
    prepared = np.random.default_rng(3).random((1, 64, 64), np.float32)
    prepared[0, 4:-4, 4:-4] *= 0.5

    found = input_statistics(prepared)

    frame = [prepared[0, y, x] for y in range(64) for x in range(64) if min(y, x, 63 - y, 63 - x) < 4]
    assert found.mean == pytest.approx(prepared.astype(float).mean())
    assert found.contrast == pytest.approx(prepared.astype(float).std())
    assert found.border == pytest.approx(np.mean(frame))


def test_statistics_of_a_flat_input_are_its_value() -> None:
    assert input_statistics(np.full((1, 16, 16), 0.25, np.float32)) == InputStatistics(0.25, 0.0, 0.25)


@pytest.mark.real_data
def test_hardly_any_real_chest_film_is_warned_about(real_films) -> None:
    films = sorted((real_films / "kermany224" / "test").glob("*/*"))[::8]
    films += sorted((real_films / "originals").glob("*/*"))

    warned = [film for film in films if input_warnings(decode(film.read_bytes()))]

    assert len(films) > 100
    assert warned == []
