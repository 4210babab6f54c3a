"""The findings as TID 1500, read back by highdicom."""

import io
from datetime import timedelta

import pytest
from highdicom.sr import srread
from pydicom import dcmwrite

from schemas.api import DISCLAIMER
from service.results.objects import result_objects
from tests.service.results.films import ALONE, SHA256, analysis, film, heat_map, several


def read_back(source, record):
    stream = io.BytesIO()
    dcmwrite(stream, result_objects(source, record, None).sr, enforce_file_format=True)
    stream.seek(0)
    return srread(stream)


@pytest.mark.clause("PS3.16 TID-1500", "the report is a measurement report, complete and unverified")
def test_the_report_is_a_measurement_report_that_no_one_has_verified() -> None:
    report = read_back(film(), analysis(film()))

    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    template = report.ContentTemplateSequence[0]
    assert (template.TemplateIdentifier, template.MappingResource) == ("1500", "DCMR")
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    # What OHIF looks for: the containers by their codes.
    names = [item.ConceptNameCodeSequence[0].CodeValue for item in report.ContentSequence]
    assert names[-3:] == ["111028", "126010", "C0034375"]


@pytest.mark.clause("PS3.16 TID-1501", "each finding has a group with probability, operating point and decision")
@pytest.mark.clause("IHE AIR 6.5.3", "a finding is listed where it is present, with its presence in public codes")
def test_a_finding_has_its_probability_operating_point_and_decision() -> None:
    report = read_back(film(), analysis(film()))

    (group,) = report.content.get_image_measurement_groups()
    assert group.finding_type.value == "233604007"
    figures = {figure.name.meaning: (figure.value, figure.unit.value) for figure in group.get_measurements()}
    assert figures == {
        "Probability": (0.958765, "1"),
        "Decision threshold": (0.31, "1"),
        "Sensitivity at the threshold": (0.962, "1"),
        "Specificity at the threshold": (0.91, "1"),
        "Distance to the training films": (0.97, "1"),
    }
    said = {said.name.value: said.value.meaning for said in group.get_qualitative_evaluations()}
    assert said == {
        "705057003": "Present",
        "246103008": "High",
        "FAMILIARITY": "Like the training films",
    }
    (image,) = group.source_images
    assert image.referenced_sop_instance_uid == "1.2.3.4.5"


def test_every_finding_has_a_group_and_the_negative_class_none() -> None:
    record = analysis(film(), {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4})

    groups = read_back(film(), record).content.get_image_measurement_groups()

    assert [group.tracking_identifier for group in groups] == [
        "BACTERIAL_PNEUMONIA by chest-xray",
        "VIRAL_PNEUMONIA by chest-xray",
    ]
    assert len({group.tracking_uid for group in groups}) == 2


def test_a_finding_that_is_judged_by_itself_has_its_own_decision_band_and_figures() -> None:
    groups = read_back(film(), several(film())).content.get_image_measurement_groups()
    said = [{each.name.value: each.value.meaning for each in group.get_qualitative_evaluations()} for group in groups]
    figures = [{each.name.meaning: each.value for each in group.get_measurements()} for group in groups]

    assert [group.finding_type and group.finding_type.meaning for group in groups] == ["Pleural effusion", None, None]
    assert [each["705057003"] for each in said] == ["Present", "Indeterminate", "Absent"]
    assert [said[1]["8186001"], said[2]["36118008"]] == ["Indeterminate", "Absent"]
    assert [each["246103008"] for each in said] == ["High", "Low", "High"]
    assert [each["Probability"] for each in figures] == list(ALONE.values())
    assert len({group.tracking_uid for group in groups}) == 3


def test_what_a_guide_saw_is_a_comment() -> None:
    (group, *_) = read_back(film(), several(film())).content.get_image_measurement_groups()
    texts = [item.get("TextValue") for item in group[0].ContentSequence]

    assert "The film looks like: population adult (0.97), view frontal (0.99)" in texts


@pytest.mark.clause("PS3.16 TID-4019", "the algorithm is identified")
def test_the_algorithm_is_identified_by_name_version_and_digest() -> None:
    (group,) = read_back(film(), analysis(film(), warnings=("overlay",))).content.get_image_measurement_groups()

    texts = {}
    for item in group[0].ContentSequence:
        texts.setdefault(item.ConceptNameCodeSequence[0].CodeMeaning, []).append(item.get("TextValue"))
    assert texts["Algorithm Name"] == ["chest-xray"]
    assert texts["Algorithm Version"] == ["1.2.0"]
    assert texts["Algorithm Parameters"][:3] == [f"bundle sha256 {SHA256}", "architecture resnet18", "calibrated yes"]
    assert texts["Comment"] == [DISCLAIMER, "PNEUMONIA reached its operating point.", "The film: overlay"]


def test_a_reduced_precision_is_named_beside_the_digest_of_its_graph() -> None:
    record = analysis(film())
    record = record.model_copy(update={"model": record.model.model_copy(update={"precision": "int8"})})

    (group,) = read_back(film(), record).content.get_image_measurement_groups()

    texts = [item.get("TextValue") for item in group[0].ContentSequence]
    assert f"int8 graph sha256 {SHA256}" in texts


def test_a_film_that_was_not_checked_is_not_said_to_be_like_the_training_films() -> None:
    record = analysis(film(), in_distribution=None, out_of_distribution_score=None)

    (group,) = read_back(film(), record).content.get_image_measurement_groups()

    said = {said.name.value: said.value.meaning for said in group.get_qualitative_evaluations()}
    assert said["FAMILIARITY"] == "Not Attempted"
    assert "Distance to the training films" not in {figure.name.meaning for figure in group.get_measurements()}


@pytest.mark.clause("PS3.16 TID-1600", "the image library names the film")
@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_the_image_library_names_the_film(modality) -> None:
    report = read_back(film(Modality=modality), analysis(film(Modality=modality)))

    library = report.ContentSequence[-3]
    (image,) = library.ContentSequence[0].ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.5"
    values = [item.get("MeasuredValueSequence") for item in image.ContentSequence]
    assert image.ContentSequence[0].ConceptCodeSequence[0].CodeValue == modality
    assert [value[0].NumericValue for value in values[1:]] == [300, 200]


def as_note(record):
    return record.model_copy(update={"delivery": ("note",)})


def test_a_note_names_decision_and_reason_of_each_finding_and_holds_no_figure_of_the_film() -> None:
    recommendation = "No answer: the film looks like one of an adult (population: adult, .97), and so on."
    abstained = [finding.model_copy(update={"decision": "abstain"}) for finding in several(film()).prediction.findings]
    changes = {
        "decision": "abstain",
        "abstention_reasons": ("outside_population",),
        "recommendation": recommendation,
        "findings": tuple(abstained),
    }
    report = read_back(film(), as_note(several(film(), **changes)))
    groups = report.content.get_image_measurement_groups()
    texts = [str(each.value) for each in report.iterall() if each.keyword == "TextValue"]

    assert [[each.value.value for each in group.get_qualitative_evaluations()] for group in groups] == [
        ["82334004", "82334004", "OUTSIDE"]
    ] * 3
    assert [group.get_measurements() for group in groups] == [[]] * 3
    assert "No answer: the film looks like one of an adult, and so on." in texts
    assert "The film looks like: population adult, view frontal" in texts
    assert texts.count(DISCLAIMER) == 1
    assert not [text for text in texts if "0.9" in text or ".97" in text or "0.45" in text]


def test_a_note_and_the_whole_report_of_a_film_are_two_instances_of_one_series() -> None:
    note, whole = (read_back(film(), record) for record in (as_note(analysis(film())), analysis(film())))

    assert note.SOPInstanceUID != whole.SOPInstanceUID
    assert note.SeriesInstanceUID == whole.SeriesInstanceUID


def test_the_whole_report_of_a_film_without_an_answer_codes_the_reasons() -> None:
    record = analysis(film(), decision="abstain", abstention_reasons=("unfamiliar",))
    (group,) = read_back(film(), record).content.get_image_measurement_groups()

    said = {said.name.value: said.value.value for said in group.get_qualitative_evaluations()}
    assert said["NO_ANSWER"] == "UNFAMILIAR"


@pytest.mark.clause("PS3.16 TID-1501", "the heat map is the visual explanation of its finding")
def test_the_heat_map_is_the_visual_explanation_of_the_finding_that_it_explains() -> None:
    made = result_objects(film(), several(film(), explained="Cardiomegaly"), heat_map(film()))

    explanations = [
        [item.ReferencedSOPSequence[0] for item in group.ContentSequence if _concept(item) == "130401"]
        for group in made.sr.ContentSequence[-2].ContentSequence
    ]
    assert [len(each) for each in explanations] == [0, 1, 0]
    assert explanations[1][0].ReferencedSOPInstanceUID == made.secondary_capture.SOPInstanceUID
    evidence = made.sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {item.ReferencedSOPInstanceUID for series in evidence for item in series.ReferencedSOPSequence} == {
        "1.2.3.4.5",
        made.secondary_capture.SOPInstanceUID,
    }


def _concept(item):
    return item.ConceptNameCodeSequence[0].CodeValue


def test_a_report_without_a_picture_explains_nothing() -> None:
    record = analysis(film()).model_copy(update={"delivery": ("report", "outline")})

    sr = result_objects(film(), record, heat_map(film())).sr

    assert "130401" not in [_concept(item) for item in sr.ContentSequence[-2].ContentSequence[0].ContentSequence]


@pytest.mark.clause("PS3.16 TID-1501", "tracking identifier and UID outlive versions and readings")
def test_a_finding_is_tracked_over_versions_and_readings() -> None:
    record = analysis(film())
    changed = record.model.model_copy(update={"version": "2.0.0", "sha256": "6b" * 32})
    later = record.model_copy(update={"model": changed, "analysed_at": record.analysed_at + timedelta(days=30)})
    renamed = later.model_copy(update={"model": changed.model_copy(update={"name": "other"})})

    first, second, other, elsewhere = (
        read_back(source, each).content.get_image_measurement_groups()[0]
        for source, each in (
            (film(), record),
            (film(), later),
            (film(), renamed),
            (film(SOPInstanceUID="1.2.9"), analysis(film(SOPInstanceUID="1.2.9"))),
        )
    )

    assert (first.tracking_uid, first.tracking_identifier) == (second.tracking_uid, second.tracking_identifier)
    assert len({first.tracking_uid, other.tracking_uid, elsewhere.tracking_uid}) == 3


@pytest.mark.clause("PS3.16 TID-1500", "what was done with the whole film, and what not, is stated")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "Partially Succeeded"),
        ({"findings": ()}, None),
        ({"decision": "abstain", "abstention_reasons": ("unclear",)}, "Partially Succeeded"),
        ({"decision": "abstain", "abstention_reasons": ("suspended",)}, "Not Attempted"),
        ({"decision": "abstain", "abstention_reasons": ("outside_population", "unclear")}, "Not Attempted"),
    ],
)
def test_how_far_the_analysis_came_is_coded_and_no_localisation_is_claimed(changes, status) -> None:
    record = analysis(film()) if status is None else several(film(), **changes)

    said = {_concept(item): item for item in read_back(film(), record).ContentSequence[-1].ContentSequence}

    assert said["111065"].ConceptCodeSequence[0].CodeMeaning == (status or "Succeeded")
    assert said["111064"].ConceptCodeSequence[0].CodeMeaning == "Not Attempted"
    assert "no disease was localised" in said["121106"].TextValue
