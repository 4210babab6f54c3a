"""What a film states of patient, study and display is in its results as it was, through the service to an archive."""

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tests.imaging.files import dicom_bytes
from tests.service.dicomweb.films import film_dataset, stow
from tests.waiting import until

pytestmark = pytest.mark.anyio

LONG_ACCESSION = "2026-11-29-00012345"


def with_bytes(dataset, **values):
    """A film whose elements hold these bytes, whatever pydicom thinks of them."""
    for keyword, (vr, value) in values.items():
        whole = value + b" " * (len(value) % 2)
        dataset._dict[Tag(keyword)] = RawDataElement(
            Tag(keyword), vr, len(whole), whole, 0, is_implicit_VR=False, is_little_endian=True
        )
    dataset.set_original_encoding(
        is_implicit_vr=False, is_little_endian=True
    )  # else pydicom reads and writes them anew
    return dicom_bytes(dataset)


def stored_bytes(result, keyword):
    """The bytes of an element as they stand in a result's file."""
    element = result.get_item(keyword)
    if isinstance(element, RawDataElement):
        return (element.value or b"").rstrip(b" \0")
    raise AssertionError(keyword)


async def results_of(serve_dicomweb, archive, content):
    async with serve_dicomweb(pacs_url=archive.url) as client:
        assert (await client.post("/dicomweb/studies", **stow(content))).status_code == 200
        await until(lambda: len(archive.instances) == 3, timeout_s=30)
    return archive.instances


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("PatientID", "LO", rb"CLINIC\12345"),
        ("IssuerOfPatientID", "LO", rb"A\B"),
        ("AccessionNumber", "SH", rb"RIS\777"),
        ("AccessionNumber", "SH", LONG_ACCESSION.encode()),
        ("StudyID", "SH", rb"S\1"),
        ("StudyID", "SH", b"a study of seventeen+"),
        ("PatientName", "PN", rb"DOE\JANE"),
        ("ReferringPhysicianName", "PN", rb"HOUSE\GREGORY"),
        ("StudyDescription", "LO", rb"THORAX PA\LAT"),
    ],
)
async def test_a_value_is_passed_on_byte_for_byte(serve_dicomweb, archive, keyword, vr, value) -> None:
    content = with_bytes(film_dataset(), **{keyword: (vr, value)})

    for result in await results_of(serve_dicomweb, archive, content):
        assert stored_bytes(result, keyword) == value, result.Modality


@pytest.mark.parametrize(
    ("charset", "name", "read"),
    [
        (None, "Müller^Jürgen".encode("latin-1"), "Müller^Jürgen"),
        ("ISO_IR 192", "山田^太郎".encode(), "山田^太郎"),
        ("ISO_IR 192", "Müller".encode("latin-1"), "Müller"),
        ("ISO_IR 144", "Иванов".encode("iso8859-5"), "Иванов"),
    ],
)
async def test_a_name_in_any_character_set_or_an_undeclared_one_arrives(
    serve_dicomweb, archive, charset, name, read
) -> None:
    dataset = film_dataset()
    if charset is not None:
        dataset.SpecificCharacterSet = charset
    dataset.PatientName = "Q" * len(name)
    content = dicom_bytes(dataset).replace(b"Q" * len(name), name)

    for result in await results_of(serve_dicomweb, archive, content):
        assert stored_bytes(result, "PatientName") == read.encode(), result.Modality


@pytest.mark.parametrize(
    ("attributes", "window", "function"),
    [
        (
            {"WindowCenter": ("DS", b"127.5000000000001"), "WindowWidth": ("DS", b"255.0000000000001")},
            (127.5000000000001, 255.0000000000001),
            None,
        ),
        (
            {"WindowCenter": ("DS", b"0.5"), "WindowWidth": ("DS", b"0.5"), "VOILUTFunction": ("CS", b"LINEAR_EXACT")},
            (0.5, 0.5),
            "LINEAR_EXACT",
        ),
        (
            {"WindowCenter": ("DS", b"100"), "WindowWidth": ("DS", b"0.25"), "VOILUTFunction": ("CS", b"SIGMOID")},
            (100, 0.25),
            "SIGMOID",
        ),
    ],
)
async def test_a_window_is_passed_on(serve_dicomweb, archive, attributes, window, function) -> None:
    made = await results_of(serve_dicomweb, archive, with_bytes(film_dataset(), **attributes))
    (state,) = [each for each in made if each.Modality == "PR"]

    (shown,) = state.SoftcopyVOILUTSequence
    assert (float(shown.WindowCenter), float(shown.WindowWidth)) == pytest.approx(window, rel=1e-12)
    assert shown.get("VOILUTFunction") == function
    assert all(len(str(value)) <= 16 for value in (shown.WindowCenter, shown.WindowWidth))


@pytest.mark.parametrize(
    ("attributes", "slope", "intercept"),
    [({"RescaleSlope": ("DS", b"2")}, 2, 0), ({"RescaleIntercept": ("DS", b"-5")}, 1, -5)],
)
async def test_a_slope_or_an_intercept_alone_is_passed_on(
    serve_dicomweb, archive, attributes, slope, intercept
) -> None:
    made = await results_of(serve_dicomweb, archive, with_bytes(film_dataset(), **attributes))
    (state,) = [each for each in made if each.Modality == "PR"]

    assert (state.RescaleSlope, state.RescaleIntercept) == (slope, intercept)


async def test_pixels_that_are_no_squares_are_shown_as_the_film_shows_them(serve_dicomweb, archive) -> None:
    made = await results_of(serve_dicomweb, archive, with_bytes(film_dataset(), PixelAspectRatio=("IS", rb"2\1")))
    (state,) = [each for each in made if each.Modality == "PR"]

    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == [2, 1]


@pytest.mark.parametrize(
    ("attributes", "offset", "hour"),
    [({"TimezoneOffsetFromUTC": "+0530"}, "+0530", None), ({}, None, None)],
)
async def test_every_result_states_the_time_zone_of_its_times(
    serve_dicomweb, archive, attributes, offset, hour
) -> None:
    for result in await results_of(serve_dicomweb, archive, dicom_bytes(film_dataset(**attributes))):
        stated = result.TimezoneOffsetFromUTC
        assert stated == offset if offset else len(stated) == 5
