"""What uncompressed pixels hold: values above BitsStored, padding, and bytes in words of another order."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.compressed import encapsulated_film, run_lengths
from tests.imaging.files import dicom_bytes, dicom_dataset

FILM = phantom(12, 10, seed=2)
DEEP = FILM.astype(np.uint16) << 4  # 12 bits are used


def pixels_of(dataset, syntax=ExplicitVRLittleEndian):
    return decode(dicom_bytes(dataset, syntax)).pixels


def whole_words(words, bits_stored, **attributes):
    """A film whose words stand in the file as they are, whatever BitsStored states."""
    return dicom_dataset(words, bits_stored=bits_stored, PixelData=words.tobytes(), **attributes)


@pytest.mark.parametrize("bits_stored", [8, 10, 11])
def test_values_above_bits_stored_are_refused_and_not_cut(bits_stored) -> None:
    with pytest.raises(InvalidImageError, match=f"values above BitsStored, which is {bits_stored}; export"):
        pixels_of(whole_words(DEEP, bits_stored))

    assert pixels_of(whole_words(DEEP, 12)).tolist() == DEEP.tolist()


def test_values_above_bits_stored_are_refused_in_run_lengths_and_in_bytes_too() -> None:
    packed = encapsulated_film(encapsulate([run_lengths(DEEP, 16)]), RLELossless, DEEP, bits_stored=10)

    with pytest.raises(InvalidImageError, match="values above BitsStored, which is 10"):
        decode(packed, frame_decoder=decode_frame)
    with pytest.raises(InvalidImageError, match="values above BitsStored, which is 6"):
        pixels_of(whole_words(FILM, 6))


def test_the_sign_may_fill_the_bits_above_the_stored_ones() -> None:
    signed = DEEP.astype(np.int16) - 2048

    assert pixels_of(whole_words(signed, 12)).tolist() == DEEP.tolist()
    assert pixels_of(dicom_dataset(signed, bits_stored=12)).tolist() == DEEP.tolist()
    mixed = np.where(np.arange(signed.size).reshape(signed.shape) % 2, signed, signed & 4095)
    assert pixels_of(whole_words(mixed, 12)).tolist() == DEEP.tolist()
    with pytest.raises(InvalidImageError, match="values above BitsStored"):
        pixels_of(whole_words(signed, 10))


def test_the_bits_of_an_overlay_that_the_file_states_are_ignored() -> None:
    dataset = whole_words(DEEP | (DEEP & 1 << 11) << 4, 12)
    with pytest.raises(InvalidImageError, match="without graphics in its pixels"):
        pixels_of(dataset)

    dataset.add_new((0x6000, 0x0010), "US", FILM.shape[0])
    assert pixels_of(dataset).tolist() == DEEP.tolist()


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("words", "bits_stored", "vr", "padding"),
    [
        (np.array([[63536, 0, 7, 65535]], np.uint16), 16, "SS", -2000),
        (np.array([[63536, 0, 7, 4095]], np.uint16), 12, "SS", -2000),
        (np.array([[65535, 0, 7, 4095]], np.uint16), 12, "US", 65535),
        (np.array([[-32768, -2048, 7, 2047]], np.int16), 12, "SS", -32768),
        (np.array([[-2000, -2048, 7, 2047]], np.int16), 16, "US", 63536),
    ],
)
def test_padding_is_recognised_whatever_its_vr_and_the_stored_bits(words, bits_stored, vr, padding, polarity) -> None:
    dataset = whole_words(words, bits_stored, PhotometricInterpretation=polarity)
    plain = pixels_of(whole_words(words[:, 1:], bits_stored, PhotometricInterpretation=polarity))
    dataset.add_new("PixelPaddingValue", vr, padding)
    pixels = pixels_of(dataset)

    assert pixels[0, 0] == 0
    assert pixels[:, 1:].tolist() == plain.tolist()


@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_bytes_in_big_endian_words_come_out_in_their_order(vr) -> None:
    dataset = dicom_dataset(FILM)
    stored = FILM.tobytes()
    dataset.PixelData = stored if vr == "OB" else np.frombuffer(stored, "<u2").astype(">u2").tobytes()
    dataset["PixelData"].VR = vr

    assert pixels_of(dataset, ExplicitVRBigEndian).tolist() == FILM.tolist()


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colour_bytes_in_big_endian_words_come_out_in_their_order(photometric) -> None:
    colours = np.stack([FILM, FILM // 2, 255 - FILM], axis=-1)
    dataset = dicom_dataset(FILM, PhotometricInterpretation=photometric, SamplesPerPixel=3)
    dataset.PlanarConfiguration = 0
    dataset.PixelData = colours.tobytes()
    little = pixels_of(dataset)
    dataset.PixelData = np.frombuffer(colours.tobytes(), "<u2").astype(">u2").tobytes()
    dataset["PixelData"].VR = "OW"

    assert pixels_of(dataset, ExplicitVRBigEndian).tolist() == little.tolist()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(("bits_stored", "high_bit"), [(9, 11), (12, 11), (12, 15), (11, 14), (15, 14), (16, 15)])
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_each_word_is_shown_by_its_stored_bits_alone(polarity, bits_stored, high_bit, syntax) -> None:
    words = np.arange(2**16, dtype=np.uint16).reshape(256, 256) & (2 ** (high_bit + 1) - 1)
    film = whole_words(words, bits_stored, HighBit=high_bit, PhotometricInterpretation=polarity)
    largest = 2**bits_stored - 1
    stored = words >> (high_bit + 1 - bits_stored) & largest

    shown = pixels_of(film, syntax)

    assert shown.tolist() == (stored if polarity == "MONOCHROME2" else largest - stored).tolist()


def test_stored_values_that_are_shown_as_they_are_take_no_memory_of_their_own() -> None:
    data = dicom_bytes(dicom_dataset(phantom(600, 500, seed=2).astype(np.uint16) << 4, bits_stored=12))

    assert np.shares_memory(decode(data).pixels, np.frombuffer(data, np.uint8))
