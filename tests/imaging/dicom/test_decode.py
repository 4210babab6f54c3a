"""Which DICOM objects are films, and how the others are refused."""

import struct
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPIPHTJ2KReferenced,
)

from imaging.decode import DecodeLimits, decode
from imaging.phantom import phantom
from schemas.errors import CxrError, ImageTooLargeError, InvalidImageError, NotARadiographError, UnsupportedImageError
from tests.imaging.files import dicom_bytes, dicom_dataset

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
FILM = phantom(12, 9, seed=2)


def decoded(stored: np.ndarray, **attributes: Any) -> np.ndarray:
    return decode(dicom_bytes(dicom_dataset(stored, **attributes))).pixels


@pytest.mark.parametrize(
    ("attributes", "warnings"),
    [
        ({"BurnedInAnnotation": "YES"}, ("burned_in_annotation",)),
        ({"BurnedInAnnotation": "NO"}, ()),
        ({"ViewPosition": "LL"}, ("not_frontal",)),
        ({"ViewPosition": "AP"}, ()),
        ({"ViewPosition": ["LL", "AP"]}, ("not_frontal",)),
        ({"ViewPosition": ""}, ()),
        ({"BodyPartExamined": "HIP"}, ("body_part_mismatch",)),
        ({"BodyPartExamined": "Thorax"}, ()),
        ({"BodyPartExamined": ""}, ()),
        ({"PresentationIntentType": "FOR PROCESSING"}, ("for_processing",)),
        ({"PresentationLUTShape": "INVERSE"}, ("polarity_contradiction",)),
        ({"PresentationLUTShape": "IDENTITY"}, ()),
        ({"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}, ()),
        ({"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"}, ("polarity_contradiction",)),
        (
            {"ViewPosition": "RL", "BodyPartExamined": "SKULL", "BurnedInAnnotation": "YES"},
            ("burned_in_annotation", "not_frontal", "body_part_mismatch"),
        ),
    ],
)
def test_what_the_attributes_say_against_a_frontal_chest_film_is_a_warning(attributes, warnings) -> None:
    assert decode(dicom_bytes(dicom_dataset(FILM, **attributes))).warnings == warnings


@pytest.mark.parametrize(
    ("age", "years"),
    [("030Y", 30), ("018M", 1.5), ("012W", 0.23), ("005D", 0.0137), ("4Y", 4), ("000Y", 0), ("130Y", 130)],
)
def test_the_age_that_the_header_states_is_read_in_years(age, years) -> None:
    radiograph = decode(dicom_bytes(dicom_dataset(FILM, PatientAge=age)))

    assert radiograph.header.age_years == pytest.approx(years, rel=0.01)
    assert radiograph.warnings == ()
    assert str(years) not in repr(radiograph.header)  # a log of it would be one of the patient


@pytest.mark.parametrize("age", [b"30", b"Y", b"-04Y", b"3.5Y", b"999Y", b"131Y", b"O30Y", b"030Y\\31Y", b"\xff\xfe"])
def test_an_odd_age_is_not_used_and_noted(age) -> None:
    radiograph = decode(dicom_bytes(dicom_dataset(FILM, PatientAge="PLACEDAGE!")).replace(b"PLACEDAGE!", age.ljust(10)))

    assert radiograph.header.age_years is None
    assert radiograph.warnings == ("age_unreadable",)


@pytest.mark.parametrize("age", [None, "", "    "])
def test_a_film_without_an_age_states_none(age) -> None:
    radiograph = decode(dicom_bytes(dicom_dataset(FILM, **({} if age is None else {"PatientAge": age}))))

    assert (radiograph.header.age_years, radiograph.warnings) == (None, ())


@pytest.mark.parametrize(
    ("view", "frontal"),
    [("PA", True), ("ap", True), ("LL", False), ("OBLIQUE", False), ("", None), ("RLD", False), ("STANDING", None)],
)
def test_whether_the_header_states_a_frontal_view_is_read(view, frontal) -> None:
    assert decode(dicom_bytes(dicom_dataset(FILM, ViewPosition=view))).header.frontal is frontal


@pytest.mark.parametrize("element", [0x0010, 0x3000])
@pytest.mark.parametrize("group", [0x6000, 0x601E])
def test_an_overlay_is_not_drawn_and_noted(group, element) -> None:
    dataset = dicom_dataset(FILM)
    dataset.add_new((group, element), "US" if element == 0x0010 else "OW", 12 if element == 0x0010 else b"\0\0")
    radiograph = decode(dicom_bytes(dataset))

    assert radiograph.warnings == ("overlay",)
    assert np.array_equal(radiograph.pixels, FILM)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_a_film_is_inverted_once_where_photometric_interpretation_or_presentation_says_so(
    photometric, shape, inverted
) -> None:
    shown = decoded(
        FILM, PhotometricInterpretation=photometric, **({} if shape is None else {"PresentationLUTShape": shape})
    )

    assert np.array_equal(shown, 255 - FILM if inverted else FILM)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": "CT"}, "Modality is not one of CR, DX"),
        ({"Modality": ""}, "Modality is not one of CR, DX"),
        ({"Modality": None}, "Modality is not one of CR, DX"),
        ({"PixelData": None}, "holds no PixelData"),
        ({"NumberOfFrames": 2}, "has 2 frames"),
        ({"PhotometricInterpretation": "RGB"}, "PhotometricInterpretation and SamplesPerPixel are neither"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PhotometricInterpretation and SamplesPerPixel are neither"),
        ({"SamplesPerPixel": 3}, "PhotometricInterpretation and SamplesPerPixel are neither"),
        ({"SamplesPerPixel": 4}, "PhotometricInterpretation and SamplesPerPixel are neither"),
    ],
)
def test_another_kind_of_object_is_no_radiograph(attributes, message) -> None:
    with pytest.raises(NotARadiographError, match=message):
        decoded(FILM, **attributes)


@pytest.mark.parametrize("attributes", [{"BitsAllocated": 32}, {"BitsAllocated": 1}, {"BitsStored": 9}])
def test_other_depths_are_unsupported(attributes) -> None:
    with pytest.raises(UnsupportedImageError, match="BitsAllocated must be 8 or 16"):
        decoded(FILM, **attributes)


@pytest.mark.parametrize(
    "attributes",
    [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 2_000_000_000}, {"Rows": 5000, "Columns": 9000}],
)
def test_a_lying_size_is_refused_before_the_pixels_are_touched(attributes) -> None:
    with pytest.raises(ImageTooLargeError, match="at most 40000000 are accepted"):
        decoded(FILM, **attributes)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (DeflatedExplicitVRLittleEndian, "Deflated Explicit VR Little Endian"),
        (MPEG2MPML, "MPEG2 Main Profile"),
        (JPIPHTJ2KReferenced, "JPIP HTJ2K Referenced"),
        ("1.2.3.4.5", "an unknown transfer syntax"),
        ("1.2.840.10008.5.1.4.1.1.1", "an unknown transfer syntax"),
    ],
)
def test_another_transfer_syntax_is_refused_by_name_before_the_data_set_is_read(syntax, name) -> None:
    data = dicom_bytes(dicom_dataset(FILM))
    meta_end = data.index(b"\x08\0\x16\0")
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid

    with pytest.raises(UnsupportedImageError, match=f"written in {name}.*; send it uncompressed"):
        decode(data[:132] + meta + b"\xff" * 1000)
    with pytest.raises(UnsupportedImageError):
        decode(data[:132] + meta + data[meta_end:])


def test_file_meta_information_without_a_syntax_is_invalid() -> None:
    data = dicom_bytes(dicom_dataset(FILM))

    with pytest.raises(InvalidImageError, match="states no TransferSyntaxUID"):
        decode(data[:132] + data[data.index(b"\x08\0\x16\0") :])
    with pytest.raises(InvalidImageError, match="states no TransferSyntaxUID"):
        decode(data[:132])


@pytest.mark.parametrize("missing", [1, 50, 108])
def test_a_truncated_film_is_invalid(missing) -> None:
    with pytest.raises(InvalidImageError, match=r"truncated|uncompressed bytes"):
        decode(dicom_bytes(dicom_dataset(FILM))[:-missing])


def test_encapsulated_pixels_in_an_uncompressed_syntax_are_invalid() -> None:
    dataset = dicom_dataset(FILM)
    data = dicom_bytes(dataset)
    fragment = b"\xfe\xff\0\xe0" + struct.pack("<I", FILM.size) + FILM.tobytes() + b"\xfe\xff\xdd\xe0\0\0\0\0"
    start = data.index(b"\xe0\x7f\x10\0")

    with pytest.raises(InvalidImageError, match="must hold uncompressed bytes"):
        decode(data[:start] + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + fragment)


@pytest.mark.timeout(60)
def test_a_sequence_of_endless_items_is_refused_soon() -> None:
    data = dicom_bytes(dicom_dataset(FILM))
    start = data.index(b"\x08\0\x16\0")
    endless = b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\0\0\0\0" * 300_000

    with pytest.raises(ImageTooLargeError, match="too many parts"):
        decode(data[:start] + endless + data[start:])


@pytest.mark.timeout(60)
def test_a_deeply_nested_sequence_is_invalid() -> None:
    data = dicom_bytes(dicom_dataset(FILM))
    start = data.index(b"\x08\0\x16\0")
    nested = (b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * 20_000

    with pytest.raises(InvalidImageError, match="nested too deeply"):
        decode(data[:start] + nested + data[start:])


def test_nothing_of_the_patient_reaches_the_radiograph_or_an_error() -> None:
    films = [dicom_dataset(FILM, StudyDescription="MARKER", Modality=modality) for modality in ("DX", "MARKER")]
    films.append(dicom_dataset(FILM, PhotometricInterpretation="MARKER"))
    films.append(dicom_dataset(FILM, BodyPartExamined="MARKER", ViewPosition="MARKER"))

    said = []
    for film in films:
        try:
            said.append(repr(decode(dicom_bytes(film))))
        except CxrError as error:
            said.append(str(error))

    assert len(said) == 4
    assert not any("marker" in text.lower() for text in said)


EXPECTED_OF_BUNDLED_FILES = {
    "RG1_UNCI.dcm": None,
    "image_dfl.dcm": UnsupportedImageError,
    "MR_small_RLE.dcm": NotARadiographError,
    "SC_rgb_jpeg_dcmtk.dcm": NotARadiographError,
    "no_meta.dcm": UnsupportedImageError,
    "CT_small.dcm": NotARadiographError,
    "MR_truncated.dcm": NotARadiographError,
    "rtplan.dcm": NotARadiographError,
    "test-SR.dcm": NotARadiographError,
    "waveform_ecg.dcm": NotARadiographError,
    "badVR.dcm": NotARadiographError,
    "SC_ybr_full_422_uncompressed.dcm": NotARadiographError,
    "emri_small.dcm": NotARadiographError,
    "meta_missing_tsyntax.dcm": InvalidImageError,
}


@pytest.mark.parametrize("name", EXPECTED_OF_BUNDLED_FILES)
def test_every_published_object_gets_a_film_or_its_error(name) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    expected = EXPECTED_OF_BUNDLED_FILES[name]
    with open(path, "rb") as stream:  # noqa: PTH123 get_testdata_file gives a string
        data = stream.read()

    if expected is None:
        assert decode(data).rows == 1955
    else:
        with pytest.raises(expected):
            decode(data, limits=DecodeLimits())


@pytest.mark.real_data
def test_no_published_object_of_another_kind_is_answered(real_films) -> None:
    objects = sorted((real_films / "ood" / "dicom").iterdir())

    assert objects
    for path in objects:
        with pytest.raises((UnsupportedImageError, NotARadiographError, InvalidImageError)):
            decode(path.read_bytes())
