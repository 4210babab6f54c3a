"""Films as portable graymaps: every gray level, at most so many pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from imaging.graymap import LONGEST_SIDE, graymap
from imaging.phantom import phantom
from imaging.radiograph import Radiograph


def radiograph(pixels, *, bits, shape=None):
    rows, columns = shape or pixels.shape
    return Radiograph(pixels, bits, "png", rows, columns, "MONOCHROME2", ())


def read(body):
    return np.asarray(Image.open(io.BytesIO(body)))


def test_an_eight_bit_film_is_one_byte_a_pixel() -> None:
    film = phantom(50, 40, seed=1)
    body = graymap(radiograph(film, bits=8))

    assert body.startswith(b"P5\n40 50\n255\n")
    assert len(body) == len(b"P5\n40 50\n255\n") + 50 * 40
    assert (read(body) == film).all()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_deep_film_keeps_every_level_with_the_more_significant_byte_first(bits) -> None:
    film = (np.arange(600, dtype=np.uint32) * (2**bits - 1) // 599).astype(np.uint16).reshape(20, 30)
    body = graymap(radiograph(film, bits=bits))
    head = f"P5\n30 20\n{2**bits - 1}\n".encode()

    assert body.startswith(head)
    assert (np.frombuffer(body[len(head) :], ">u2").reshape(20, 30) == film).all()


@pytest.mark.parametrize(("rows", "columns", "size"), [(4096, 1024, (512, 2048)), (1500, 3000, (2048, 1024))])
def test_a_large_film_is_shrunk_to_the_longest_side_with_its_aspect_and_mean(rows, columns, size) -> None:
    film = np.random.default_rng(1).integers(0, 65535, (rows, columns), np.uint16)
    shrunk = read(graymap(radiograph(film, bits=16)))

    assert LONGEST_SIDE == 2048
    assert shrunk.shape == size[::-1]
    assert shrunk.mean() == pytest.approx(film.mean(), rel=0.01)


def test_a_jpeg_that_was_decoded_at_reduced_size_is_not_enlarged() -> None:
    body = graymap(radiograph(phantom(100, 75, seed=1), bits=8, shape=(800, 600)))

    assert body.startswith(b"P5\n75 100\n255\n")
