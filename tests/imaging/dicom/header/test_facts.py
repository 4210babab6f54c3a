"""What a header states, by which attribute, and what of it never stands in a log."""

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from imaging.decode import decode
from imaging.phantom import phantom
from tests.imaging.files import dicom_bytes, dicom_dataset

FILM = phantom(12, 9, seed=2)


def coded(value, meaning="", **more):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning or "meaning"
    for keyword, sequence in more.items():
        setattr(item, keyword, sequence)
    return [item]


def radiograph(**attributes):
    return decode(dicom_bytes(dicom_dataset(FILM, **attributes)))


def stated(aspect, **attributes):
    return [(each.value, each.by) for each in radiograph(**attributes).header.stated(aspect)]


@pytest.mark.parametrize(
    ("attributes", "views"),
    [
        ({"ViewPosition": "PA"}, [("frontal", "ViewPosition")]),
        ({"ViewPosition": "", "ViewCodeSequence": coded("399348003")}, [("frontal", "ViewCodeSequence")]),
        ({"ViewPosition": None, "ViewCodeSequence": coded("399173006")}, [("lateral", "ViewCodeSequence")]),
        (
            {"ViewCodeSequence": coded("399067008")},
            [("frontal", "ViewPosition"), ("lateral", "ViewCodeSequence")],
        ),
        (
            {"ViewPosition": "", "ViewCodeSequence": coded("399348003", ViewModifierCodeSequence=coded("399196006"))},
            [("other", "ViewCodeSequence")],
        ),
        (
            {"ViewPosition": "", "ViewCodeSequence": coded("399348003", ViewModifierCodeSequence=coded("X", "erect"))},
            [("frontal", "ViewCodeSequence")],
        ),
        ({"ViewPosition": ["PA", "LAT"]}, [("lateral", "ViewPosition")]),
        ({"PatientOrientation": ["P", "F"]}, [("frontal", "ViewPosition"), ("lateral", "PatientOrientation")]),
        ({"ViewPosition": "STANDING"}, []),
    ],
)
def test_each_attribute_states_a_view_of_its_own(attributes, views) -> None:
    assert stated("view", **attributes) == views


def test_one_view_that_is_not_frontal_is_enough() -> None:
    assert radiograph(ViewCodeSequence=coded("399067008")).header.frontal is False
    assert "not_frontal" in radiograph(ViewCodeSequence=coded("399067008")).warnings


@pytest.mark.parametrize(
    ("attributes", "projections"),
    [
        ({"ViewPosition": "PA"}, [("PA", "ViewPosition")]),
        ({"ViewPosition": None, "ViewCodeSequence": coded("399348003")}, [("AP", "ViewCodeSequence")]),
        ({"ViewPosition": "FRONTAL"}, []),
    ],
)
def test_the_way_of_the_beam_is_read(attributes, projections) -> None:
    assert stated("projection", **attributes) == projections


@pytest.mark.parametrize(
    ("attributes", "parts"),
    [
        ({"BodyPartExamined": "TORAX"}, [("chest", "BodyPartExamined")]),
        ({"BodyPartExamined": "HIP"}, [("other", "BodyPartExamined")]),
        (
            {"BodyPartExamined": None, "AnatomicRegionSequence": coded("816094009", "Chest")},
            [("chest", "AnatomicRegionSequence")],
        ),
        (
            {"AnatomicRegionSequence": coded("12611008", "Tibia")},
            [("chest", "BodyPartExamined"), ("other", "AnatomicRegionSequence")],
        ),
        ({"BodyPartExamined": "UNKNOWN"}, []),
    ],
)
def test_word_and_code_of_the_body_part_are_read(attributes, parts) -> None:
    assert stated("body_part", **attributes) == parts


@pytest.mark.parametrize(
    ("attributes", "years", "by"),
    [
        ({"PatientAge": "067Y", "PatientBirthDate": "20200101", "StudyDate": "20260101"}, 67, "PatientAge"),
        ({"PatientBirthDate": "19590101", "StudyDate": "20260101"}, 67, "PatientBirthDate"),
        ({"PatientAge": "old", "PatientBirthDate": "20220101", "StudyDate": "20260101"}, 4, "PatientBirthDate"),
        ({"PatientBirthDate": "19590101"}, None, "PatientBirthDate"),
        ({"PatientBirthDate": "1959", "StudyDate": "today"}, None, "PatientBirthDate"),
    ],
)
def test_the_age_is_counted_from_the_birth_date_where_no_age_is_stated(attributes, years, by) -> None:
    header = radiograph(**attributes).header

    assert (header.age_years, header.age_by) == (years, by)


def test_for_what_a_film_was_written_is_stated_by_itself_or_by_its_class() -> None:
    for_processing = {"SOPClassUID": DigitalXRayImageStorageForProcessing}

    assert stated("presentation_intent") == [("FOR PRESENTATION", "SOPClassUID")]
    assert stated("presentation_intent", **for_processing) == [("FOR PROCESSING", "SOPClassUID")]
    assert "for_processing" in radiograph(**for_processing).warnings
    assert stated("presentation_intent", Modality="CR", SOPClassUID="1.2.840.10008.5.1.4.1.1.1") == []


def test_no_value_of_a_patient_stands_in_what_a_log_would_show() -> None:
    header = radiograph(PatientSex="F", PatientBirthDate="19590101", StudyDate="20260101").header

    assert header.stated("sex")[0].value == "F"
    assert not {"1959", "67", "'F'"} & set(repr(header).replace("(", " ").replace(",", " ").split())
    assert "1959" not in repr(header)
    assert "67" not in repr(header)


def test_attributes_that_cannot_be_read_refuse_no_film() -> None:
    content = dicom_bytes(
        dicom_dataset(FILM, PatientBirthDate="19590101", StudyDate="20260101", PatientOrientation=["L", "F"])
    )
    damaged = content.replace(b"19590101", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8")

    assert decode(damaged).header.age_years is None
