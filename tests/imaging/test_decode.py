"""What decoding asks of every file, whatever its format."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from imaging.decode import DecodeLimits, decode, sniff
from imaging.phantom import phantom
from schemas.errors import ImageTooLargeError, InvalidImageError, UnsupportedImageError
from tests.films import encode
from tests.imaging.files import GRAY, chunk, dicom_bytes, dicom_dataset, pillow, png, png_of

FILM = phantom(20, 13, seed=1)
DEEP = (FILM.astype(np.uint16) << 8) | FILM[::-1]  # values that 8 bits cannot hold
COLOUR = np.stack([FILM, FILM // 2, FILM // 4], axis=-1)
LUMINANCE = COLOUR @ np.array([0.299, 0.587, 0.114])


FORMATS = {
    "jpeg": (encode(FILM), "image/jpeg"),
    "png": (png_of(FILM, GRAY), "image/png"),
    "dicom": (dicom_bytes(dicom_dataset(FILM)), "application/dicom"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_content_names_the_format(name) -> None:
    data, media_type = FORMATS[name]

    assert sniff(data) == name
    for declared in (None, media_type, media_type.upper() + "; x=1", "application/octet-stream"):
        assert decode(data, declared_type=declared).format == name


@pytest.mark.parametrize("name", FORMATS)
def test_a_declared_type_that_the_content_contradicts_is_refused(name) -> None:
    data, media_type = FORMATS[name]

    for other in {known for _, known in FORMATS.values()} - {media_type}:
        with pytest.raises(UnsupportedImageError, match=f"declared type is {other}, but the content is {name}"):
            decode(data, declared_type=other)


def test_a_declared_type_outside_the_contract_is_refused_without_being_repeated() -> None:
    with pytest.raises(UnsupportedImageError, match="declare one of these") as caught:
        decode(encode(FILM), declared_type="text/marker")

    assert "marker" not in str(caught.value)


@pytest.mark.parametrize("data", [b"# A text", b"GIF89a" + bytes(200), b"\xff\xd8", bytes(200), b"\x89PNG", b"II*\0"])
def test_other_content_is_unsupported(data) -> None:
    with pytest.raises(UnsupportedImageError, match="neither JPEG nor PNG nor a DICOM file"):
        decode(data)


def test_no_content_is_invalid() -> None:
    with pytest.raises(InvalidImageError, match="empty"):
        decode(b"")


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (10, 4_000_001),  # over our limit
        (10_000, 10_000),  # Pillow warns
        (50_000, 50_000),  # Pillow refuses
    ],
)
def test_more_pixels_than_the_limit_are_refused_by_the_header(rows, columns) -> None:
    with pytest.raises(ImageTooLargeError, match="pixels"):
        decode(png(rows, columns, 8, GRAY, b""))


def test_the_limits_are_the_callers() -> None:
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
@pytest.mark.timeout(60)
def test_a_small_file_of_endless_parts_is_refused_soon(name) -> None:
    with pytest.raises(ImageTooLargeError, match=r"scans|too many parts"):
        decode(INTRICATE[name]())
