"""The picture lies as the film does, and states of it what the film states."""

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import JPEGBaseline8Bit

from service.results.objects import result_objects
from tests.service.results.films import analysis, film, heat_map


def made(**attributes):
    source = film(**attributes)
    return result_objects(source, analysis(source), heat_map(source))


def region(value="51185008", scheme="SCT", meaning="Thorax"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


@pytest.mark.clause("PS3.3 C.7.6.1.1.1", "a picture states the directions of its film")
@pytest.mark.parametrize(
    ("stated", "passed_on"),
    [
        (["L", "F"], ["L", "F"]),
        (["R", "F"], ["R", "F"]),
        (["H", "PL"], ["H", "PL"]),
        (["A", "F"], ["A", "F"]),
        (["l", "f"], ["L", "F"]),
        ("", None),
        (["L"], None),
        (["UP", "DOWN"], None),
    ],
)
def test_the_directions_are_those_of_the_film(stated, passed_on) -> None:
    picture = made(PatientOrientation=stated).secondary_capture

    assert (picture.PatientOrientation or None) == passed_on
    assert "PatientOrientation" in picture  # type 2C


def test_a_film_that_states_no_directions_has_a_picture_without_them() -> None:
    assert not made().secondary_capture.PatientOrientation


@pytest.mark.parametrize("part", ["CHEST", "THORAX", "HAND"])
def test_the_part_of_the_body_is_passed_on_to_images_and_presentation_states(part) -> None:
    results = made(BodyPartExamined=part)

    assert (results.secondary_capture.BodyPartExamined, results.presentation_state.BodyPartExamined) == (part, part)
    assert "BodyPartExamined" not in results.sr


@pytest.mark.parametrize(
    ("attributes", "laterality"),
    [
        ({"BodyPartExamined": ""}, None),
        ({"BodyPartExamined": "CHEST"}, "absent"),
        ({"BodyPartExamined": "CHEST", "Laterality": "L"}, "absent"),
        ({"BodyPartExamined": "HAND", "Laterality": "L"}, "L"),
        ({"BodyPartExamined": "HAND"}, None),
        ({"BodyPartExamined": "THORAX"}, None),
    ],
)
def test_laterality_is_left_out_where_the_part_is_unpaired(attributes, laterality) -> None:
    results = made(**attributes)

    for result in (results.secondary_capture, results.presentation_state):
        assert (result.Laterality if "Laterality" in result else "absent") == laterality


def test_a_picture_whose_region_is_the_chest_has_no_laterality() -> None:
    results = made(BodyPartExamined="", AnatomicRegionSequence=[region()])

    assert "Laterality" not in results.secondary_capture
    assert results.presentation_state.Laterality is None


def test_a_body_part_that_breaks_the_rule_of_its_type_is_left_out() -> None:
    assert "BodyPartExamined" not in made(BodyPartExamined="a chest, lying down").secondary_capture


def test_the_region_is_passed_on_to_the_picture_alone() -> None:
    results = made(AnatomicRegionSequence=[region()])

    (passed_on,) = results.secondary_capture.AnatomicRegionSequence
    assert (passed_on.CodeValue, passed_on.CodingSchemeDesignator, passed_on.CodeMeaning) == (
        "51185008",
        "SCT",
        "Thorax",
    )
    assert "AnatomicRegionSequence" not in results.presentation_state


@pytest.mark.parametrize("broken", [region(meaning=""), region(value="")])
def test_a_region_without_a_whole_code_is_left_out(broken) -> None:
    assert "AnatomicRegionSequence" not in made(AnatomicRegionSequence=[broken]).secondary_capture


@pytest.mark.clause("PS3.3 C.7.6.1.1.5", "what is lost stays lost")
def test_what_a_film_has_lost_its_picture_has_lost() -> None:
    picture = made(
        LossyImageCompression="01",
        LossyImageCompressionRatio=[12.5, 3],
        LossyImageCompressionMethod=["ISO_10918_1", "ISO_15444_1"],
    ).secondary_capture

    assert picture.LossyImageCompression == "01"
    assert picture.LossyImageCompressionRatio == [12.5, 3]
    assert picture.LossyImageCompressionMethod == ["ISO_10918_1", "ISO_15444_1"]


def test_a_lossy_file_that_does_not_say_so_is_lossy() -> None:
    source = film()
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    picture = result_objects(source, analysis(source), heat_map(source)).secondary_capture

    assert picture.LossyImageCompression == "01"


@pytest.mark.parametrize("attributes", [{}, {"LossyImageCompression": "00"}])
def test_a_film_that_lost_nothing_has_a_picture_that_lost_nothing(attributes) -> None:
    picture = made(**attributes).secondary_capture

    assert (picture.LossyImageCompression, "LossyImageCompressionRatio" in picture) == ("00", False)


def test_a_ratio_without_its_method_is_left_out() -> None:
    picture = made(LossyImageCompression="01", LossyImageCompressionRatio=[10]).secondary_capture

    assert (picture.LossyImageCompression, "LossyImageCompressionRatio" in picture) == ("01", False)
