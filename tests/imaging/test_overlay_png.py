"""PNG files: what other readers make of them."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from imaging.overlay import encode_png

SIDES = st.integers(1, 40)
SHAPES = st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.just(3))


@settings(max_examples=50)
@given(pixels=SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_other_readers_find_every_pixel_again(pixels) -> None:
    encoded = encode_png(pixels)

    with Image.open(io.BytesIO(encoded)) as image:
        assert image.mode == ("L" if pixels.ndim == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)
    by_opencv = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(by_opencv if pixels.ndim == 2 else by_opencv[..., ::-1], pixels)


@pytest.mark.parametrize("view", [np.s_[::-1, ::2], np.s_[:, 3:]], ids=["turned", "part"])
def test_pixels_may_lie_anywhere_in_memory(view) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41), np.uint8)[view]

    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_a_smooth_picture_takes_no_more_bytes_than_opencvs() -> None:
    rows, columns = np.mgrid[:600, :500]
    pixels = np.asarray(127 + 60 * np.sin(rows / 70) + 60 * np.cos(columns / 90), np.uint8)

    assert len(encode_png(pixels)) <= 1.2 * len(cv2.imencode(".png", pixels)[1])
