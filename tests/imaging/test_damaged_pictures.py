"""JPEG and PNG files of which a part is damaged: metadata cost no film, and what is shown is never guessed."""

import struct

import numpy as np
import pytest
from PIL import Image

from imaging.decode import decode
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.films import encode
from tests.imaging.files import GRAY, chunk, pillow, png_of

FILM = phantom(20, 13, seed=1)


def orientation_of(kind: int, count: int, value: bytes) -> bytes:
    """A JPEG whose EXIF orientation is a field of this type; up to 4 bytes stand in it, more after it."""
    inline = value if len(value) <= 4 else struct.pack(">I", 26)
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHI", 0x0112, kind, count) + inline.ljust(4, b"\0") + bytes(4)
    return pillow(Image.fromarray(FILM), "JPEG", exif=b"Exif\0\0" + tiff + (value if len(value) > 4 else b""))


@pytest.mark.parametrize(
    "data",
    [
        orientation_of(5, 1, struct.pack(">II", 6, 0)),
        orientation_of(2, 2, b"x\0"),
        orientation_of(3, 2, struct.pack(">HH", 6, 6)),
        orientation_of(3, 1, struct.pack(">H", 9)),
    ],
    ids=["rational of 0", "text", "two values", "outside"],
)
def test_an_orientation_that_cannot_be_read_is_left_out_and_named(data) -> None:
    radiograph = decode(data)

    assert radiograph.pixels.shape == FILM.shape
    assert radiograph.warnings == ("orientation_unreadable",)


@pytest.mark.parametrize(
    ("data", "rows"), [(orientation_of(5, 1, struct.pack(">II", 6, 1)), 13), (orientation_of(3, 1, bytes(2)), 20)]
)
def test_an_orientation_of_another_type_or_none_is_read_without_a_warning(data, rows) -> None:
    radiograph = decode(data)

    assert (radiograph.rows, radiograph.warnings) == (rows, ())


def with_wrong_checksum(kind: bytes, data: bytes) -> bytes:
    return chunk(kind, data)[:-1] + bytes([chunk(kind, data)[-1] ^ 1])


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iCCP", b"gAMA", b"eXIf", b"prVt"])
def test_damaged_metadata_of_a_png_are_left_out_and_named(kind) -> None:
    radiograph = decode(png_of(FILM, GRAY, extra=with_wrong_checksum(kind, b"Comment\0MARKER")))

    assert np.array_equal(radiograph.pixels, FILM)
    assert radiograph.warnings == ("damaged_metadata",)


@pytest.mark.parametrize("kind", [b"tRNS", b"PLTE", b"acTL"])
def test_damage_to_what_a_png_shows_is_refused_by_the_name_of_the_chunk(kind) -> None:
    with pytest.raises(InvalidImageError, match=f"the checksum of its chunk {kind.decode()} is wrong"):
        decode(png_of(FILM, GRAY, extra=with_wrong_checksum(kind, b"\0\x07")))


@pytest.mark.parametrize("missing", [2, 40])
def test_a_jpeg_without_its_end_is_refused_as_truncated(missing) -> None:
    with pytest.raises(InvalidImageError, match="the JPEG data is broken: it is truncated"):
        decode(encode(FILM)[:-missing])
