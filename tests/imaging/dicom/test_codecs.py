"""Frames that a codec must not see, and fragments whose offset table is wrong."""

import struct

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from imaging.decode import decode
from imaging.dicom.codecs import EncapsulatedFrame, decode_frame
from imaging.dicom.pixel_data import ImagePixel
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.compressed import ENCODERS, encapsulated_film
from tests.imaging.mutated_frames import progressive_jpeg

FILM = phantom(64, 48, seed=2)


def jpeg_ls(*presets, near=0):
    """A lossless frame with coding parameters MAXVAL, T1, T2, T3 and RESET, and NEAR in its scan header."""
    frame = ENCODERS[uid.JPEGLSLossless](FILM, 8)
    scan = frame.index(b"\xff\xda")
    segment = b"\xff\xf8" + struct.pack(">HB5H", 13, 1, *presets) if presets else b""
    spoilt = frame[:scan] + segment + frame[scan : scan + 7] + bytes([near]) + frame[scan + 8 :]
    module = ImagePixel(64, 48, 1, "MONOCHROME2", 0, 8, 8, 7, signed=False)
    return EncapsulatedFrame(encapsulate([spoilt]), uid.JPEGLSLossless, module)


@pytest.mark.parametrize("presets", [(), (0, 0, 0, 0, 0), (255, 3, 7, 21, 64)], ids=["none", "0", "written out"])
@pytest.mark.parametrize("has_charls", [True, False])
def test_jpeg_ls_with_the_default_parameters_is_decoded(presets, has_charls) -> None:
    assert np.array_equal(decode_frame(jpeg_ls(*presets), has_charls=has_charls), FILM)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_jpeg_ls_is_refused_at_once(share) -> None:
    film = phantom(256, 200, seed=2)
    frame = ENCODERS[uid.JPEGLSLossless](film, 8)
    truncated = encapsulate([frame[: int(share * len(frame))]])

    with pytest.raises(InvalidImageError, match="frame data is broken"):
        decode(encapsulated_film(truncated, uid.JPEGLSLossless, film), frame_decoder=decode_frame)


@pytest.mark.parametrize(
    ("presets", "near"),
    [
        ((0, 34, 42, 44, 5), 3),  # GDCM hangs
        ((0, 3, 7, 21, 256), 0),  # GDCM hangs
        ((0, 3, 18, 30, 64), 16),  # T1 is within NEAR
        ((256, 3, 7, 21, 64), 0),  # MAXVAL needs more bits
        ((10, 3, 7, 21, 64), 0),  # T3 is over MAXVAL
        ((0, 7, 3, 21, 64), 0),
        ((), 128),
    ],
)
def test_jpeg_ls_with_parameters_outside_their_ranges_never_reaches_its_codec(presets, near) -> None:
    with pytest.raises(InvalidImageError, match="coding parameters"):
        decode_frame(jpeg_ls(*presets, near=near), has_charls=False)
    with pytest.raises(InvalidImageError, match="JPEG-LS Lossless Image Compression frame data is broken"):
        decode_frame(jpeg_ls(*presets, near=near))


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 8), (np.uint16, 10), (np.uint16, 16)])
def test_gray_jpeg_ls_is_decoded_to_the_words_that_pydicom_gives(dtype, bits) -> None:
    words = phantom(70, 61, seed=2).astype(dtype) << max(bits - 8, 0)
    fragments = encapsulate([ENCODERS[uid.JPEGLSLossless](words, bits)])
    module = ImagePixel(70, 61, 1, "MONOCHROME2", 0, 8 * words.itemsize, bits, bits - 1, signed=False)

    decoded = decode_frame(EncapsulatedFrame(memoryview(fragments), uid.JPEGLSLossless, module))

    decoder = get_decoder(uid.JPEGLSLossless)
    expected, _ = decoder.as_array(fragments, decoding_plugin="pyjpegls", raw=True, **module.options)
    np.testing.assert_array_equal(decoded, words)
    np.testing.assert_array_equal(decoded, expected)


def table_of(*offsets):
    return b"\xfe\xff\0\xe0" + struct.pack(f"<L{len(offsets)}L", 4 * len(offsets), *offsets)


@pytest.mark.parametrize("offsets", [(), (0,), (8,), (4_000_000,), (0, 100), (0xFFFFFFFF, 0)])
@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless])
def test_all_fragments_belong_to_the_one_frame_whatever_the_offset_table_states(syntax, fragments, offsets) -> None:
    encapsulated = encapsulate([ENCODERS[syntax](FILM, 8)], fragments_per_frame=fragments, has_bot=False)
    data = table_of(*offsets) + encapsulated.removeprefix(table_of())
    module = ImagePixel(64, 48, 1, "MONOCHROME2", 0, 8, 8, 7, signed=False)

    assert np.array_equal(decode_frame(EncapsulatedFrame(data, syntax, module)), FILM)


def test_a_frame_of_far_more_bytes_than_the_film_is_refused_before_it_is_handed_on() -> None:
    module = ImagePixel(10, 10, 1, "MONOCHROME2", 0, 8, 8, 7, signed=False)

    with pytest.raises(InvalidImageError, match="has 2000000 bytes, and the film without compression 100"):
        EncapsulatedFrame(bytes(2_000_000), uid.RLELossless, module)


def test_a_progressive_jpeg_of_a_usual_number_of_scans_is_read() -> None:
    frame = encapsulate([progressive_jpeg(FILM)])
    film = decode(encapsulated_film(frame, uid.JPEGBaseline8Bit, FILM), frame_decoder=decode_frame)

    assert np.abs(film.pixels.astype(int) - FILM).max() < 30


@pytest.mark.timeout(60)
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless])
def test_a_jpeg_of_many_scans_never_reaches_its_codec(syntax) -> None:
    wide = phantom(1000, 1000, seed=2)
    frame = encapsulate([progressive_jpeg(wide, empty_scans=200_000)])

    with pytest.raises(InvalidImageError, match="more than 100 scans, and each is decoded over the whole film"):
        decode(encapsulated_film(frame, syntax, wide), frame_decoder=decode_frame)
