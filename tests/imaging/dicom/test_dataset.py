"""Reading of data sets that are not written as they state, or that stop making sense."""

import struct

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.decode import decode
from imaging.phantom import phantom
from schemas.errors import InvalidImageError, NotARadiographError
from tests.imaging.files import dicom_bytes, dicom_dataset, lookup_table

FILM = phantom(12, 10, seed=2)
DEEP = FILM.astype(np.uint16) << 4


def stating(syntax, written_in, **attributes):
    """A film in one syntax under the file meta information of another."""
    dataset = dicom_dataset(DEEP, bits_stored=12, **attributes)
    identity = b"\x08\0\x16\0"  # SOPClassUID, the first element of the data set
    meta = dicom_bytes(dataset, syntax).partition(identity)[0]
    return meta + identity + dicom_bytes(dataset, written_in).partition(identity)[2]


@pytest.mark.parametrize(
    ("syntax", "written_in"),
    [(ImplicitVRLittleEndian, ExplicitVRLittleEndian), (ExplicitVRLittleEndian, ImplicitVRLittleEndian)],
)
def test_a_film_is_read_as_it_is_written_and_not_as_it_states(syntax, written_in) -> None:
    radiograph = decode(stating(syntax, written_in, VOILUTSequence=lookup_table(0, 12, list(range(4096)))))
    honest = decode(stating(written_in, written_in, VOILUTSequence=lookup_table(0, 12, list(range(4096)))))

    assert radiograph.pixels.tolist() == honest.pixels.tolist()
    assert radiograph.warnings == ("transfer_syntax_contradiction",)
    assert honest.warnings == ()


def with_modality(element, syntax=ExplicitVRLittleEndian):
    """The film with these bytes as its element Modality."""
    data = dicom_bytes(dicom_dataset(FILM), syntax)
    honest = b"\x08\0\x60\0CS\x02\0DX"
    assert honest in data
    return data.replace(honest, element)


@pytest.mark.parametrize(
    "element",
    [
        b"\x08\0\x60\0QQ\0\0\x02\0\0\0DX",  # no such VR
        b"\x08\0\x60\0UT\x02\0DX",  # a VR of another form
        b"\x08\0\x60\0CS\xff\xffDX",  # a length beyond the file
        b"\x08\0\x60\0CS\x09\0DX",  # a length into the next element
    ],
)
def test_a_film_whose_pixels_cannot_be_reached_is_told_which_element_is_wrong(element) -> None:
    with pytest.raises(InvalidImageError, match=r"cannot be read beyond element \(0008,0060\), whose VR or length"):
        decode(with_modality(element))


def test_a_bad_vr_that_does_not_stop_the_reading_costs_nothing() -> None:
    data = dicom_bytes(dicom_dataset(FILM))

    assert decode(data.replace(b"\x10\0\x20\0LO", b"\x10\0\x20\0QQ")).pixels.tolist() == FILM.tolist()


def test_an_object_without_pixels_whose_elements_are_not_in_order_is_told_so_too() -> None:
    data = dicom_bytes(dicom_dataset(FILM, PixelData=None, PatientName="A"))
    name = b"\x10\0\x10\0PN\x02\0A "
    assert data.count(name) == 1

    with pytest.raises(NotARadiographError, match="holds no PixelData"):
        decode(data.replace(name, b"") + name)


def test_an_object_without_pixels_is_told_so() -> None:
    with pytest.raises(NotARadiographError, match="holds no PixelData"):
        decode(dicom_bytes(dicom_dataset(FILM, PixelData=None)))


def test_words_of_big_endian_films_are_still_read_by_their_syntax() -> None:
    data = dicom_bytes(dicom_dataset(DEEP, bits_stored=12), ExplicitVRBigEndian)

    assert struct.pack(">H", int(DEEP[0, 0])) in data
    assert decode(data).pixels.tolist() == DEEP.tolist()
