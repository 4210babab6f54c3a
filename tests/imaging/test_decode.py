"""Decoding of JPEG and PNG, and what every format shares."""

import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging.decode import DecodeLimits, decode, sniff
from imaging.phantom import phantom
from schemas.errors import ImageTooLargeError, InvalidImageError, NotARadiographError, UnsupportedImageError
from tests.films import encode
from tests.imaging.files import GRAY, GRAY_ALPHA, PALETTE, RGB, chunk, dicom_bytes, dicom_dataset, png, png_of

FILM = phantom(20, 13, seed=1)
DEEP = (FILM.astype(np.uint16) << 8) | FILM[::-1]  # values that 8 bits cannot hold
COLOUR = np.stack([FILM, FILM // 2, FILM // 4], axis=-1)
LUMINANCE = COLOUR @ np.array([0.299, 0.587, 0.114])


def pillow(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def jpeg_with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "MARKER description"
    return pillow(Image.fromarray(FILM), "JPEG", exif=exif)


# name: bytes, expected pixels, tolerance in gray levels, bits, photometric interpretation, warnings
REFERENCE: dict[str, tuple[bytes, np.ndarray, float, int, str, tuple[str, ...]]] = {
    "jpeg gray": (encode(FILM), cv2.imdecode(np.frombuffer(encode(FILM), np.uint8), 0), 0, 8, "MONOCHROME2", ()),
    "jpeg progressive": (
        pillow(Image.fromarray(FILM), "JPEG", progressive=True, quality=100),
        FILM,
        2,
        8,
        "MONOCHROME2",
        (),
    ),
    "jpeg gray stored as YCbCr": (
        pillow(Image.fromarray(FILM).convert("RGB"), "JPEG", quality=100),
        FILM,
        2,
        8,
        "RGB",
        (),
    ),
    "jpeg colour": (
        pillow(Image.fromarray(COLOUR), "JPEG", quality=100, subsampling=0),
        LUMINANCE,
        3,
        8,
        "RGB",
        ("colour_image",),
    ),
    "jpeg cmyk": (
        pillow(Image.fromarray(np.stack([FILM] * 3, -1)).convert("CMYK"), "JPEG", quality=100),
        FILM,
        3,
        8,
        "CMYK",
        (),
    ),
    "png 8": (png_of(FILM, GRAY), FILM, 0, 8, "MONOCHROME2", ()),
    "png 8 interlaced": (png_of(FILM, GRAY, interlaced=True), FILM, 0, 8, "MONOCHROME2", ()),
    "png 16": (png_of(DEEP, GRAY), DEEP, 0, 16, "MONOCHROME2", ()),
    "png 16 interlaced": (png_of(DEEP, GRAY, interlaced=True), DEEP, 0, 16, "MONOCHROME2", ()),
    "png 16 with a transparent value": (
        png_of(DEEP, GRAY, extra=chunk(b"tRNS", struct.pack(">H", DEEP[0, 0]))),
        np.where(DEEP[0, 0] == DEEP, 0, DEEP),
        0,
        16,
        "MONOCHROME2",
        (),
    ),
    "png 1": (
        png(2, 8, 1, GRAY, b"\0\xf0\0\x0f"),
        np.array([[255] * 4 + [0] * 4, [0] * 4 + [255] * 4]),
        0,
        8,
        "MONOCHROME2",
        (),
    ),
    "png 2": (png(1, 4, 2, GRAY, b"\0\x1b"), np.array([[0, 85, 170, 255]]), 0, 8, "MONOCHROME2", ()),
    "png 4": (png(1, 4, 4, GRAY, b"\0\x01\xef"), np.array([[0, 17, 238, 255]]), 0, 8, "MONOCHROME2", ()),
    "png rgb": (png_of(COLOUR, RGB), LUMINANCE, 1, 8, "RGB", ("colour_image",)),
    "png rgb 16": (png_of(np.stack([DEEP] * 3, -1), RGB), DEEP >> 8, 0, 8, "RGB", ("reduced_depth",)),
    "png palette": (
        png(1, 3, 8, PALETTE, b"\0\x02\x00\x01", extra=chunk(b"PLTE", bytes([7] * 3 + [90] * 3 + [200] * 3))),
        np.array([[200, 7, 90]]),
        0,
        8,
        "PALETTE COLOR",
        (),
    ),
    "png palette with transparent entry": (
        png(
            1,
            3,
            8,
            PALETTE,
            b"\0\x02\x00\x01",
            extra=chunk(b"PLTE", bytes([7] * 3 + [90] * 3 + [200] * 3)) + chunk(b"tRNS", b"\xff\x80\x00"),
        ),
        np.array([[0, 7, 45]]),
        0,
        8,
        "PALETTE COLOR",
        (),
    ),
    "png gray and alpha": (
        png_of(np.stack([FILM, np.full_like(FILM, 51)], -1), GRAY_ALPHA),
        FILM / 5,
        1,
        8,
        "MONOCHROME2",
        (),
    ),
    "png gray and alpha 16": (
        png_of(np.stack([DEEP, np.full_like(DEEP, 0xFFFF)], -1), GRAY_ALPHA),
        DEEP >> 8,
        0,
        8,
        "RGB",  # as Pillow reads it
        ("reduced_depth",),
    ),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_every_kind_of_file_gives_the_pixels_of_the_reference_table(name):
    data, expected, tolerance, bits, photometric_interpretation, warnings = REFERENCE[name]

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
def test_a_film_is_turned_upright_by_its_exif_orientation(orientation, dtype):
    stored = np.array(STORED_BY_ORIENTATION[orientation], dtype)
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)

    radiograph = decode(png_of(stored, GRAY, extra=chunk(b"eXIf", tiff)))

    assert radiograph.pixels.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert radiograph.pixels.flags.c_contiguous
    assert (radiograph.rows, radiograph.columns) == (2, 3)


def test_an_orientation_outside_the_standard_changes_nothing():
    assert decode(jpeg_with_exif(9)).pixels.shape == FILM.shape


def test_nothing_of_exif_survives():
    assert "MARKER" not in repr(decode(jpeg_with_exif(1)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_does_not_cost_the_film():
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
def test_a_large_jpeg_is_decoded_small_only_while_twice_the_side_remains(rows, columns, min_side, expected):
    radiograph = decode(sized(rows, columns), min_side=min_side)

    assert radiograph.pixels.shape == expected
    assert (radiograph.rows, radiograph.columns) == (rows, columns)


def test_a_jpeg_decoded_small_shows_the_same_film():
    film = phantom(512, 640, seed=3)

    small = decode(encode(film), min_side=64).pixels

    average = film.reshape(128, 4, 160, 4).mean(axis=(1, 3))
    assert np.abs(small - average).mean() < 1


def test_a_png_ignores_the_smallest_side():
    assert decode(png_of(FILM, GRAY), min_side=2).pixels.shape == FILM.shape


def test_orientation_and_reduced_size_go_together():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = pillow(Image.fromarray(phantom(300, 200, seed=1)), "JPEG", exif=exif)

    radiograph = decode(data, min_side=50)

    assert radiograph.pixels.shape == (100, 150)
    assert (radiograph.rows, radiograph.columns) == (200, 300)


FORMATS = {
    "jpeg": (encode(FILM), "image/jpeg"),
    "png": (png_of(FILM, GRAY), "image/png"),
    "dicom": (dicom_bytes(dicom_dataset(FILM)), "application/dicom"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_content_names_the_format(name):
    data, media_type = FORMATS[name]

    assert sniff(data) == name
    for declared in (None, media_type, media_type.upper() + "; x=1", "application/octet-stream"):
        assert decode(data, declared_type=declared).format == name


@pytest.mark.parametrize("name", FORMATS)
def test_a_declared_type_that_the_content_contradicts_is_refused(name):
    data, media_type = FORMATS[name]

    for other in {known for _, known in FORMATS.values()} - {media_type}:
        with pytest.raises(UnsupportedImageError, match=f"declared type is {other}, but the content is {name}"):
            decode(data, declared_type=other)


def test_a_declared_type_outside_the_contract_is_refused_without_being_repeated():
    with pytest.raises(UnsupportedImageError, match="declare one of these") as caught:
        decode(encode(FILM), declared_type="text/marker")

    assert "marker" not in str(caught.value)


@pytest.mark.parametrize("data", [b"# A text", b"GIF89a" + bytes(200), b"\xff\xd8", bytes(200), b"\x89PNG", b"II*\0"])
def test_other_content_is_unsupported(data):
    with pytest.raises(UnsupportedImageError, match="neither JPEG nor PNG nor a DICOM file"):
        decode(data)


def test_no_content_is_invalid():
    with pytest.raises(InvalidImageError, match="empty"):
        decode(b"")


@pytest.mark.parametrize("name", ["jpeg", "png"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_invalid(name, share):
    film = phantom(200, 200, seed=1)
    data = encode(film) if name == "jpeg" else png_of(film, GRAY)

    with pytest.raises(InvalidImageError, match=f"the {name.upper()} data is broken"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (10, 4_000_001),  # over our limit
        (10_000, 10_000),  # Pillow warns
        (50_000, 50_000),  # Pillow refuses
    ],
)
def test_more_pixels_than_the_limit_are_refused_by_the_header(rows, columns):
    with pytest.raises(ImageTooLargeError, match="pixels"):
        decode(png(rows, columns, 8, GRAY, b""))


def test_the_limits_are_the_callers():
    with pytest.raises(ImageTooLargeError, match="20 x 13 pixels in 1 frames; at most 259"):
        decode(encode(FILM), limits=DecodeLimits(max_pixels=259))

    assert decode(encode(FILM), limits=DecodeLimits(max_pixels=260)).rows == 20


def jpeg_of_many_scans() -> bytes:
    data = pillow(Image.fromarray(phantom(64, 64, seed=1)), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + 200 * last_scan + data[-2:]


INTRICATE: dict[str, Callable[[], bytes]] = {
    "scans": jpeg_of_many_scans,
    "jpeg segments": lambda: encode(FILM)[:2] + b"\xff\xfe\0\x02" * 200_000 + encode(FILM)[2:],
    "png chunks": lambda: png_of(FILM, GRAY, extra=200_000 * chunk(b"zzZz")),
}


@pytest.mark.parametrize("name", INTRICATE)
@pytest.mark.timeout(10)
def test_a_small_file_of_endless_parts_is_refused_soon(name):
    with pytest.raises(ImageTooLargeError, match=r"scans|too many parts"):
        decode(INTRICATE[name]())


def test_an_animation_is_no_radiograph():
    frames = [Image.fromarray(FILM), Image.fromarray(FILM[::-1])]

    with pytest.raises(NotARadiographError, match="2 pictures"):
        decode(pillow(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    with pytest.raises(NotARadiographError, match="2 pictures"):
        decode(pillow(frames[0], "MPO", save_all=True, append_images=frames[1:]))


@pytest.mark.real_data
def test_films_as_published_decode_to_what_opencv_decodes(real_films):
    films = sorted((real_films / "kermany224" / "test").glob("*/*"))[::60]

    assert len(films) > 10
    for film in films:
        radiograph = decode(film.read_bytes(), declared_type="image/jpeg")
        assert np.array_equal(radiograph.pixels, cv2.imread(str(film), cv2.IMREAD_UNCHANGED))
        assert radiograph.warnings == ()


@pytest.mark.real_data
def test_photographs_are_noticed_by_their_colour(real_films):
    photographs = sorted((real_films / "ood" / "photos_fruit").iterdir())

    assert all("colour_image" in decode(photograph.read_bytes()).warnings for photograph in photographs)
