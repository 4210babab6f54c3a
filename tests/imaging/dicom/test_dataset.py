"""Reading of data sets that are not written as they state, or that stop making sense."""

import struct

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from imaging.decode import decode
from imaging.dicom.dataset import read_elements
from imaging.limits import DecodeLimits
from imaging.phantom import phantom
from schemas.errors import InvalidImageError, NotARadiographError
from tests.imaging.compressed import encapsulated_film
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


OVERLAY = Tag(0x6000, 0x3000)
LARGE = phantom(600, 500, seed=2)


@pytest.mark.parametrize("packed", [False, True])
def test_large_pixel_data_are_read_where_they_stand_in_the_file(packed) -> None:
    fragments = encapsulate([LARGE.tobytes()])
    data = encapsulated_film(fragments, JPEG2000Lossless, LARGE) if packed else dicom_bytes(dicom_dataset(LARGE))

    dataset, _ = read_elements(data, DecodeLimits(), [Tag("Modality"), Tag("PixelData")])
    value = dataset.get_item("PixelData").value

    assert bytes(value) == (fragments if packed else LARGE.tobytes())
    assert np.shares_memory(np.frombuffer(value, np.uint8), np.frombuffer(data, np.uint8))
    assert dataset.Modality == "DX"


def test_other_large_values_are_bytes() -> None:
    overlay = bytes(300_000)
    film = dicom_dataset(LARGE)
    film.add_new(OVERLAY, "OW", overlay)
    data = dicom_bytes(film)

    dataset, _ = read_elements(data, DecodeLimits(), [OVERLAY])

    assert dataset[OVERLAY].value == overlay


@pytest.mark.parametrize("rows", [599, 1])
def test_a_large_film_that_is_truncated_is_told_how_much_it_holds(rows) -> None:
    left = rows * LARGE.shape[1]
    data = dicom_bytes(dicom_dataset(LARGE))

    with pytest.raises(InvalidImageError, match=f"PixelData has {left} bytes; Rows and Columns need 300000"):
        decode(data[: left - LARGE.size])
