"""What a film costs in memory: no more than it asked the budget for, and nothing once it is done."""

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging.decode import DecodeLimits, decode
from imaging.memory.allocator import give_back_freed_memory
from imaging.phantom import phantom
from imaging.preprocess import prepare
from imaging.quality import input_warnings
from imaging.radiograph import Radiograph
from schemas.preprocess import PreprocessSpec
from tests.imaging.files import GRAY, GRAY_ALPHA, PALETTE, RGB, chunk, dicom_bytes, dicom_dataset, png_of
from tests.imaging.large_films import NATIVE, PICTURES, RGBA

ROWS, COLUMNS = 4000, 2500
MEGAPIXELS = ROWS * COLUMNS / 1e6
BANDS_MB = 24
"""What a conversion takes in addition, whatever the film's size."""
SPEC = PreprocessSpec(size=224)
KINDS = PICTURES | NATIVE


def memory_mb(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def read(data: bytes, limits: DecodeLimits) -> None:
    radiograph = decode(data, limits=limits, min_side=SPEC.size)
    prepare(radiograph, SPEC)
    input_warnings(radiograph)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", KINDS)
def test_a_film_takes_the_memory_that_it_asked_for_and_gives_it_back(name) -> None:
    data = KINDS[name](ROWS, COLUMNS)
    asked = []
    read(KINDS[name](300, 250), DecodeLimits())  # loads what decodes it
    give_back_freed_memory()
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest memory so far

    read(data, DecodeLimits(reserve=asked.append))

    taken = memory_mb("VmHWM") - before
    give_back_freed_memory()
    assert len(asked) == 1
    assert taken < asked[0] / 1e6 + BANDS_MB
    assert asked[0] / 1e6 <= 9 * MEGAPIXELS
    assert memory_mb("VmRSS") - before < BANDS_MB


def lines(rows: int, columns: int, channels: int) -> np.ndarray:
    """Some megapixels whose lines all differ, so that a band in a wrong place is seen."""
    film = phantom(rows, columns, seed=3)
    return np.stack([np.roll(film, 7 * channel, axis=0) for channel in range(channels)], axis=-1)


PIXELS = lines(1700, 1300, 4)
ENTRIES = chunk(b"PLTE", PIXELS[:256, 0, :3].tobytes()) + chunk(b"tRNS", PIXELS[:256, 1, 0].tobytes())


@pytest.mark.parametrize(
    "data",
    [
        png_of(PIXELS[..., 0], GRAY),
        png_of(PIXELS[..., 0], GRAY, extra=chunk(b"tRNS", b"\0" + PIXELS[9, 9, :1].tobytes())),
        png_of(PIXELS[..., 0], PALETTE, extra=ENTRIES),
        png_of(PIXELS[..., :2], GRAY_ALPHA),
        png_of(PIXELS[..., :3], RGB),
        png_of(PIXELS, RGBA),
    ],
    ids=["gray", "transparent value", "palette", "gray and alpha", "rgb", "rgba"],
)
def test_gray_by_bands_is_the_gray_of_the_whole_picture(data, tmp_path) -> None:
    (tmp_path / "film.png").write_bytes(data)
    whole: Image.Image = Image.open(tmp_path / "film.png")
    if whole.has_transparency_data:
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, (0, 0, 0, 255)), whole.convert("RGBA"))

    assert np.array_equal(decode(data).pixels, np.array(whole.convert("RGB").convert("L")))


def test_a_windowed_dicom_film_by_bands_has_every_line_in_its_place() -> None:
    stored = (PIXELS[..., 0].astype(np.uint16) << 4) + PIXELS[..., 1] % 16
    window = {"WindowCenter": 2048, "WindowWidth": 4096}

    shown = decode(dicom_bytes(dicom_dataset(stored, bits_stored=12, **window))).pixels

    brightness = ((stored - 2047.5) / 4095 + 0.5).clip(0, 1)
    assert np.array_equal(shown, (65535 * brightness).round())


@pytest.mark.parametrize("intensity", ["full_range", "percentile"])
def test_a_film_of_20_megapixels_is_prepared_as_if_in_one_piece(intensity) -> None:
    pixels = np.asarray(cv2.resize(phantom(1000, 800, seed=4), (4004, 5003)), np.uint8)
    film = Radiograph(pixels, 8, "png", 5003, 4004, "MONOCHROME2", ())
    low, high = (0, 255) if intensity == "full_range" else np.quantile(pixels, [0.005, 0.995], method="inverted_cdf")
    whole = ((pixels - np.float32(low)) / np.float32(high - low)).clip(0, 1).astype(np.float32)
    expected = cv2.resize(whole, (224, 224), interpolation=cv2.INTER_AREA)

    prepared = prepare(film, PreprocessSpec(size=224, intensity=intensity))

    assert np.abs(prepared[0] - expected).max() < 1e-6
