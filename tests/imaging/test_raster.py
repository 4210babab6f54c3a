"""Decoding of JPEG and PNG, against one table of files."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging.decode import decode
from imaging.phantom import phantom
from schemas.errors import InvalidImageError, NotARadiographError
from tests.films import encode
from tests.imaging.files import GRAY, GRAY_ALPHA, PALETTE, RGB, chunk, pillow, png, png_of

FILM = phantom(20, 13, seed=1)
DEEP = (FILM.astype(np.uint16) << 8) | FILM[::-1]  # values that 8 bits cannot hold
COLOUR = np.stack([FILM, FILM // 2, FILM // 4], axis=-1)
LUMINANCE = COLOUR @ np.array([0.299, 0.587, 0.114])


def jpeg_with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "MARKER description"
    return pillow(Image.fromarray(FILM), "JPEG", exif=exif)


EQUAL = [DEEP] * 3  # R, G and B
ENTRIES = chunk(b"PLTE", bytes([7] * 3 + [90] * 3 + [200] * 3))
LINE = b"\0\x02\x00\x01"
OPAQUE = np.full_like(DEEP, 0xFFFF)
TRANSPARENT_VALUE = chunk(b"tRNS", struct.pack(">H", DEEP[0, 0]))
HALF_TRANSPARENT = chunk(b"tRNS", b"\xff\x80\x00")
PROGRESSIVE = pillow(Image.fromarray(FILM), "JPEG", progressive=True, quality=100)
COLOUR_JPEG = pillow(Image.fromarray(COLOUR), "JPEG", quality=100, subsampling=0)
WITHOUT_THE_VALUE = np.where(DEEP[0, 0] == DEEP, 0, DEEP)
FIFTH_OPAQUE = np.stack([FILM, np.full_like(FILM, 51)], -1)
BLACK_WHITE = np.array([[255] * 4 + [0] * 4, [0] * 4 + [255] * 4])

# name: bytes, expected pixels, tolerance in gray levels, photometric interpretation, warnings
# fmt: off
REFERENCE: dict[str, tuple[bytes, np.ndarray, float, str, tuple[str, ...]]] = {
    "jpeg gray": (encode(FILM), cv2.imdecode(np.frombuffer(encode(FILM), np.uint8), 0), 0, "MONOCHROME2", ()),
    "jpeg progressive": (PROGRESSIVE, FILM, 2, "MONOCHROME2", ()),
    "jpeg gray as YCbCr": (pillow(Image.fromarray(FILM).convert("RGB"), "JPEG", quality=100), FILM, 2, "RGB", ()),
    "jpeg colour": (COLOUR_JPEG, LUMINANCE, 3, "RGB", ("colour_image",)),
    "jpeg cmyk": (pillow(Image.fromarray(FILM).convert("CMYK"), "JPEG", quality=100), FILM, 3, "CMYK", ()),
    "png 8": (png_of(FILM, GRAY), FILM, 0, "MONOCHROME2", ()),
    "png 8 interlaced": (png_of(FILM, GRAY, interlaced=True), FILM, 0, "MONOCHROME2", ()),
    "png 16": (png_of(DEEP, GRAY), DEEP, 0, "MONOCHROME2", ()),
    "png 16 interlaced": (png_of(DEEP, GRAY, interlaced=True), DEEP, 0, "MONOCHROME2", ()),
    "png 16 with a transparent value":
        (png_of(DEEP, GRAY, extra=TRANSPARENT_VALUE), WITHOUT_THE_VALUE, 0, "MONOCHROME2", ()),
    "png 1": (png(2, 8, 1, GRAY, b"\0\xf0\0\x0f"), BLACK_WHITE, 0, "MONOCHROME2", ()),
    "png 2": (png(1, 4, 2, GRAY, b"\0\x1b"), np.array([[0, 85, 170, 255]]), 0, "MONOCHROME2", ()),
    "png 4": (png(1, 4, 4, GRAY, b"\0\x01\xef"), np.array([[0, 17, 238, 255]]), 0, "MONOCHROME2", ()),
    "png rgb": (png_of(COLOUR, RGB), LUMINANCE, 1, "RGB", ("colour_image",)),
    "png rgb 16": (png_of(np.stack(EQUAL, -1), RGB), FILM, 0, "RGB", ("reduced_depth",)),
    "png palette": (png(1, 3, 8, PALETTE, LINE, extra=ENTRIES), np.array([[200, 7, 90]]), 0, "PALETTE COLOR", ()),
    "png palette with alpha":
        (png(1, 3, 8, PALETTE, LINE, extra=ENTRIES + HALF_TRANSPARENT), np.array([[0, 7, 45]]), 0, "PALETTE COLOR", ()),
    "png gray and alpha": (png_of(FIFTH_OPAQUE, GRAY_ALPHA), FILM / 5, 1, "MONOCHROME2", ()),
    "png gray and alpha 16": (png_of(np.stack([DEEP, OPAQUE], -1), GRAY_ALPHA), FILM, 0, "RGB", ("reduced_depth",)),
}
# fmt: on


@pytest.mark.parametrize("name", REFERENCE)
def test_every_kind_of_file_gives_the_pixels_of_the_reference_table(name) -> None:
    data, expected, tolerance, photometric_interpretation, warnings = REFERENCE[name]
    bits = 16 if expected.dtype == np.uint16 else 8

    radiograph = decode(data)

    assert np.abs(radiograph.pixels.astype(float) - expected).max() <= tolerance
    assert radiograph.pixels.shape == expected.shape
    assert radiograph.pixels.dtype == (np.uint16 if bits > 8 else np.uint8)
    assert radiograph.pixels.flags.c_contiguous
    assert (radiograph.bits, radiograph.largest_value) == (bits, 2**bits - 1)
    assert (radiograph.rows, radiograph.columns) == expected.shape
    assert radiograph.format == name.split()[0]
    assert radiograph.photometric_interpretation == photometric_interpretation
    assert radiograph.warnings == warnings


# Exif tag 0x0112 by where the stored row 0 and column 0 belong: the stored pictures of [[1, 2, 3], [4, 5, 6]].
STORED_BY_ORIENTATION = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


@pytest.mark.parametrize("orientation", STORED_BY_ORIENTATION)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_film_is_turned_upright_by_its_exif_orientation(orientation, dtype) -> None:
    stored = np.array(STORED_BY_ORIENTATION[orientation], dtype)
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)

    radiograph = decode(png_of(stored, GRAY, extra=chunk(b"eXIf", tiff)))

    assert radiograph.pixels.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert radiograph.pixels.flags.c_contiguous
    assert (radiograph.rows, radiograph.columns) == (2, 3)


def test_an_orientation_outside_the_standard_changes_nothing() -> None:
    assert decode(jpeg_with_exif(9)).pixels.shape == FILM.shape


def test_nothing_of_exif_survives() -> None:
    assert "MARKER" not in repr(decode(jpeg_with_exif(1)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_does_not_cost_the_film() -> None:
    data = jpeg_with_exif(6)
    broken = data.replace(b"Exif\0\0MM\0*\0\0\0\x08\0\x02", b"Exif\0\0MM\0*\0\0\0\x08\0\xff")

    assert broken != data
    assert decode(broken).rows in FILM.shape


def sized(rows: int, columns: int) -> bytes:
    return encode(np.zeros((rows, columns), np.uint8))


@pytest.mark.parametrize(
    ("rows", "columns", "min_side", "expected"),
    [
        (900, 1000, None, (900, 1000)),
        (896, 1001, 224, (448, 501)),  # half leaves exactly twice the side
        (895, 1001, 224, (895, 1001)),
        (1792, 1800, 224, (448, 450)),
        (3600, 3584, 224, (450, 448)),
        (9000, 100, 32, (9000, 100)),
    ],
)
def test_a_large_jpeg_is_decoded_small_only_while_twice_the_side_remains(rows, columns, min_side, expected) -> None:
    radiograph = decode(sized(rows, columns), min_side=min_side)

    assert radiograph.pixels.shape == expected
    assert (radiograph.rows, radiograph.columns) == (rows, columns)


def test_a_jpeg_decoded_small_shows_the_same_film() -> None:
    film = phantom(512, 640, seed=3)

    small = decode(encode(film), min_side=64).pixels

    average = film.reshape(128, 4, 160, 4).mean(axis=(1, 3))
    assert np.abs(small - average).mean() < 1


def test_a_png_ignores_the_smallest_side() -> None:
    assert decode(png_of(FILM, GRAY), min_side=2).pixels.shape == FILM.shape


def test_orientation_and_reduced_size_go_together() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = pillow(Image.fromarray(phantom(300, 200, seed=1)), "JPEG", exif=exif)

    radiograph = decode(data, min_side=50)

    assert radiograph.pixels.shape == (100, 150)
    assert (radiograph.rows, radiograph.columns) == (200, 300)


@pytest.mark.parametrize("name", ["jpeg", "png"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_invalid(name, share) -> None:
    film = phantom(200, 200, seed=1)
    data = encode(film) if name == "jpeg" else png_of(film, GRAY)

    with pytest.raises(InvalidImageError, match=f"the {name.upper()} data is broken"):
        decode(data[: int(len(data) * share)])


def test_an_animation_is_no_radiograph() -> None:
    frames = [Image.fromarray(FILM), Image.fromarray(FILM[::-1])]

    with pytest.raises(NotARadiographError, match="2 pictures"):
        decode(pillow(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    with pytest.raises(NotARadiographError, match="2 pictures"):
        decode(pillow(frames[0], "MPO", save_all=True, append_images=frames[1:]))


@pytest.mark.real_data
def test_films_as_published_decode_to_what_opencv_decodes(real_films) -> None:
    films = sorted((real_films / "kermany224" / "test").glob("*/*"))[::60]

    assert len(films) > 10
    for film in films:
        radiograph = decode(film.read_bytes(), declared_type="image/jpeg")
        assert np.array_equal(radiograph.pixels, cv2.imread(str(film), cv2.IMREAD_UNCHANGED))
        assert radiograph.warnings == ()


@pytest.mark.real_data
def test_photographs_are_noticed_by_their_colour(real_films) -> None:
    photographs = sorted((real_films / "ood" / "photos_fruit").iterdir())

    assert all("colour_image" in decode(photograph.read_bytes()).warnings for photograph in photographs)
