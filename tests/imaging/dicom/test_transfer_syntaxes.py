"""One film in every transfer syntax and depth is one network input."""

import hashlib

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.errors import InvalidImageError, UnsupportedImageError
from schemas.preprocess import PreprocessSpec
from tests.imaging.compressed import (
    ENCODERS,
    HTJ2K_FRAME,
    HTJ2K_PIXELS_SHA256,
    HTJ2K_SHAPE,
    compressed_film,
    encapsulated_film,
    run_lengths,
)
from tests.imaging.files import dicom_bytes, dicom_dataset

FILM = phantom(64, 48, seed=4, opacity=0.6)
SPEC = PreprocessSpec(size=32)
NATIVE = [syntax for syntax, row in TRANSFER_SYNTAXES.items() if row.codec is None]
HTJ2K = [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K]
SEQUENTIAL = [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit]


def largest_loss(syntax, bits):
    """What a syntax may cost a pixel of [0, 1] at the quality of the encoders here: steps of 1, near 2, half the
    size."""
    losses = {
        uid.JPEGBaseline8Bit: 2 / 2**bits,
        uid.JPEGExtended12Bit: 2 / 2**bits,
        uid.JPEGLSNearLossless: 2 / 2**bits,
        uid.JPEG2000: 0.02,
    }
    return losses.get(syntax, 0) + 1 / 65535


def stored_at(bits, *, signed):
    """The film at another depth, and the attributes that bring it back to the same brightness."""
    stored = FILM.astype(np.int32) << (bits - 8)
    window = {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    if signed:
        stored -= 2 ** (bits - 1)
        window |= {"RescaleSlope": 1, "RescaleIntercept": 2 ** (bits - 1)}
    return stored.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"), window


def written(transfer_syntax, bits, *, signed):
    stored, attributes = stored_at(bits, signed=signed)
    if TRANSFER_SYNTAXES[transfer_syntax].codec is None:
        return dicom_bytes(dicom_dataset(stored, bits_stored=bits, **attributes), transfer_syntax)
    return compressed_film(stored, transfer_syntax, bits_stored=bits, **attributes)


REFERENCE = FILM.astype(np.float64) / 256
"""What every combination must show: LINEAR_EXACT maps [0, 2**bits) to [0, 1)."""

COMBINATIONS = [
    (syntax, bits, signed)
    for syntax in (*NATIVE, *ENCODERS)
    for bits in (8, 10, 12, 15, 16)
    for signed in (False, True)
    # PS3.5 A.4.1, 8.2.1: sequential JPEG is unsigned, with 8 or 12 bits
    if not (syntax in SEQUENTIAL and (signed or bits > 12))
    if not (syntax == uid.JPEGBaseline8Bit and bits > 8)
    # an encoder that changes two's complement by 2 may turn the lowest value into the highest
    if not (syntax == uid.JPEGLSNearLossless and signed)
]


@pytest.mark.parametrize(("syntax", "bits", "signed"), COMBINATIONS)
def test_a_film_gives_one_tensor_in_every_syntax_at_every_depth_signed_or_not(syntax, bits, signed) -> None:
    radiograph = decode(written(syntax, bits, signed=signed), frame_decoder=decode_frame)
    shown = radiograph.pixels / 65535
    reference = decode(written(uid.ExplicitVRLittleEndian, 8, signed=False))

    assert shown == pytest.approx(REFERENCE, abs=largest_loss(syntax, bits))
    if TRANSFER_SYNTAXES[syntax].lossless:
        assert np.array_equal(prepare(radiograph, SPEC), prepare(reference, SPEC))


@pytest.mark.parametrize("syntax", HTJ2K)
def test_a_published_high_throughput_frame_has_its_pixels_in_every_syntax_that_may_hold_it(syntax) -> None:
    film = encapsulated_film(encapsulate([HTJ2K_FRAME]), syntax, np.zeros(HTJ2K_SHAPE, np.uint8))
    pixels = decode(film, frame_decoder=decode_frame).pixels

    assert hashlib.sha256(pixels.tobytes()).hexdigest() == HTJ2K_PIXELS_SHA256
    assert pixels[0, :6].tolist() == [116, 117, 116, 118, 119, 119]


@pytest.mark.parametrize("pixels", [FILM[:-1], FILM.ravel(), FILM.astype(np.uint32), np.stack([FILM] * 3, axis=-1)])
def test_pixels_of_another_shape_or_width_are_refused_whoever_decoded_them(pixels) -> None:
    with pytest.raises(InvalidImageError, match="another size or depth"):
        decode(compressed_film(FILM, uid.JPEGLossless), frame_decoder=lambda _: pixels)


def test_every_syntax_of_the_table_is_covered() -> None:
    assert {*NATIVE, *ENCODERS, *HTJ2K} == set(TRANSFER_SYNTAXES)


@pytest.mark.parametrize("syntax", ENCODERS)
def test_without_a_frame_decoder_a_compressed_film_is_refused_by_the_name_of_its_syntax(syntax) -> None:
    with pytest.raises(UnsupportedImageError, match="is compressed by"):
        decode(compressed_film(FILM, syntax))


@pytest.mark.parametrize("syntax", ENCODERS)
def test_a_frame_of_another_size_than_the_data_set_states_is_invalid(syntax) -> None:
    frame = ENCODERS[syntax](FILM, 8)

    for other in (FILM[:32], FILM[:, :32], np.tile(FILM, (2, 2))):
        with pytest.raises(InvalidImageError):
            decode(encapsulated_film(encapsulate([frame]), syntax, other), frame_decoder=decode_frame)


@pytest.mark.parametrize("syntax", [*ENCODERS, *HTJ2K])
@pytest.mark.parametrize("fragments", [b"", b"rubbish", encapsulate([b"\0\0"]), encapsulate([b"\xff\xd8\xff\xd9" * 9])])
def test_fragments_that_hold_no_frame_are_invalid(syntax, fragments) -> None:
    with pytest.raises(InvalidImageError):
        decode(encapsulated_film(fragments, syntax, FILM), frame_decoder=decode_frame)


def test_uncompressed_pixels_in_a_compressed_syntax_are_invalid() -> None:
    data = dicom_bytes(dicom_dataset(FILM)).replace(
        uid.ExplicitVRLittleEndian.encode() + b"\0", b"1.2.840.10008.1.2.5\0", 1
    )

    with pytest.raises(InvalidImageError, match="encapsulated fragments"):
        decode(data, frame_decoder=decode_frame)


def test_run_lengths_of_a_film_whose_values_do_not_start_at_the_lowest_bit_are_shifted_as_uncompressed_ones_are() -> (
    None
):
    stored = FILM.astype(np.uint16) << 4
    film = encapsulated_film(
        encapsulate([run_lengths(stored, 16)]), uid.RLELossless, stored, bits_stored=12, HighBit=11
    )
    raised = encapsulated_film(
        encapsulate([run_lengths(stored << 4, 16)]), uid.RLELossless, stored, bits_stored=12, HighBit=15
    )

    expected = decode(dicom_bytes(dicom_dataset(stored, bits_stored=12))).pixels
    for data in (film, raised):
        assert np.array_equal(decode(data, frame_decoder=decode_frame).pixels, expected)


def test_only_the_frame_and_its_numbers_are_handed_to_the_frame_decoder() -> None:
    frames = []

    def watch(frame):
        frames.append(frame)
        return FILM

    decode(compressed_film(FILM, uid.JPEGLossless, StudyDescription="MARKER"), frame_decoder=watch)

    assert len(frames) == 1
    assert "marker" not in repr(frames).lower()
    assert (frames[0].module.rows, frames[0].module.columns, frames[0].module.bits_stored) == (64, 48, 8)


DEEP = FILM.astype(np.uint16) << 8
BY_VALUE = [syntax for syntax in ENCODERS if syntax not in (uid.RLELossless, *SEQUENTIAL)]


@pytest.mark.parametrize("syntax", BY_VALUE)
def test_a_frame_of_more_bits_than_the_data_set_allocates_is_invalid(syntax) -> None:
    film = encapsulated_film(encapsulate([ENCODERS[syntax](DEEP, 16)]), syntax, FILM)

    with pytest.raises(InvalidImageError, match="samples of 16 bits"):
        decode(film, frame_decoder=decode_frame)


@pytest.mark.parametrize("syntax", BY_VALUE)
def test_values_above_bits_stored_are_invalid_where_nothing_was_lost_and_white_where_an_encoder_overshot(
    syntax,
) -> None:
    film = encapsulated_film(encapsulate([ENCODERS[syntax](DEEP, 16)]), syntax, DEEP, bits_stored=12)

    if TRANSFER_SYNTAXES[syntax].lossless:
        with pytest.raises(InvalidImageError, match="values above BitsStored"):
            decode(film, frame_decoder=decode_frame)
    else:
        assert (decode(film, frame_decoder=decode_frame).pixels[FILM > 32] == 4095).all()


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("syntax", ENCODERS)
def test_a_truncated_frame_is_invalid_and_not_filled_with_gray(syntax, share) -> None:
    frame = ENCODERS[syntax](FILM, 8)
    film = encapsulated_film(encapsulate([frame[: 2 * int(share * len(frame) / 2)]]), syntax, FILM)

    with pytest.raises(InvalidImageError):
        decode(film, frame_decoder=decode_frame)


@pytest.mark.parametrize("missing", [8, 9, 300])
def test_a_truncated_file_of_a_compressed_film_is_invalid(missing) -> None:
    with pytest.raises(InvalidImageError):
        decode(compressed_film(FILM, uid.JPEGLossless)[:-missing], frame_decoder=decode_frame)
