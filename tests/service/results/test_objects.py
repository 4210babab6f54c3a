"""The objects that an archive gets: valid, the same for the same work, and filed under the film's patient."""

import io
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import DigitalXRayImageStorageForPresentation, SecondaryCaptureImageStorage

from schemas.errors import InvalidImageError
from service.results.objects import result_objects
from tests.imaging.files import dicom_bytes
from tests.service.results.films import DCIODVFY, analysis, film, heat_map, several

KINDS = ("sr", "secondary_capture", "presentation_state")


def written(source, record=None):
    record = record or analysis(source)
    made = result_objects(source, record, heat_map(source))
    return {kind: _bytes(getattr(made, kind)) for kind in KINDS}


def _bytes(dataset):
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def said(content, path):
    path.write_bytes(content)
    checked = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
    return (checked.stdout + checked.stderr).splitlines()


def errors(content, path):
    lines = said(content, path)
    assert {"Comprehensive3DSR", "SCImage", "GrayscaleSoftcopyPresentationState"} & set(lines)  # it knew what it judged
    return [line for line in lines if line.startswith("Error")]


needs_dciodvfy = pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (Debian: dicom3tools)")


@pytest.mark.clause(
    "PS3.3 A", "SR, Secondary Capture and presentation state of films of every kind: dciodvfy reports no error"
)
@pytest.mark.process
@needs_dciodvfy
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 128, "WindowWidth": 256, "InstanceNumber": 7},
        {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"},
        {"SOPClassUID": SecondaryCaptureImageStorage, "PatientName": None, "PatientID": None},
        {"PatientSex": "U", "PatientBirthDate": "1940", "StudyTime": "noon"},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田^太郎", "TimezoneOffsetFromUTC": "+0900"},
    ],
)
def test_dciodvfy_reports_no_error(attributes, tmp_path) -> None:
    for kind, content in written(film(**attributes)).items():
        assert errors(content, tmp_path / kind) == []


@pytest.mark.clause("PS3.3 A", "the same for several findings")
@pytest.mark.process
@needs_dciodvfy
@pytest.mark.parametrize("changes", [{}, {"decision": "abstain", "warnings": ("population_contradicts_header",)}])
def test_dciodvfy_reports_no_error_for_findings_that_are_judged_by_themselves(changes, tmp_path) -> None:
    for kind, content in written(film(), several(film(), **changes)).items():
        assert errors(content, tmp_path / kind) == []


@pytest.mark.clause("PS3.3 A", "the same for a note")
@pytest.mark.process
@needs_dciodvfy
def test_dciodvfy_reports_no_error_for_a_note(tmp_path) -> None:
    changes: dict[str, Any] = {"decision": "abstain", "abstention_reasons": ("outside_population",)}
    for record in (analysis(film(), **changes), several(film(), **changes)):
        made = result_objects(film(), record.model_copy(update={"delivery": ("note",)}), heat_map(film()))

        assert (made.secondary_capture, made.presentation_state) == (None, None)
        assert errors(_bytes(made.sr), tmp_path / "sr") == []


@pytest.mark.parametrize("objects", [(), ("note",), ("report",), ("report", "picture"), ("outline",)])
def test_the_objects_are_those_that_the_record_names(objects) -> None:
    made = result_objects(film(), analysis(film()).model_copy(update={"delivery": objects}), heat_map(film()))

    assert (made.sr is not None) == bool({"note", "report"} & set(objects))
    assert (made.secondary_capture is not None) == ("picture" in objects)
    assert (made.presentation_state is not None) == ("outline" in objects)


def test_the_class_that_means_none_of_the_findings_is_never_drawn() -> None:
    made = result_objects(film(), analysis(film(), explained="NORMAL"), heat_map(film()))

    assert (made.secondary_capture, made.presentation_state) == (None, None)


def test_picture_and_outline_name_the_finding_that_is_drawn() -> None:
    made = result_objects(film(), several(film(), explained="Cardiomegaly"), heat_map(film()))

    assert made.secondary_capture.DerivationDescription.startswith("gradcam heat map of Cardiomegaly by")
    assert made.presentation_state.ContentDescription == "Cardiomegaly: gradcam at half maximum"


@pytest.mark.clause("PS3.3 A", "the same for films of other makers")
@pytest.mark.process
@needs_dciodvfy
@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG3_UNCI.dcm"])
def test_dciodvfy_reports_no_error_for_published_films(name, tmp_path) -> None:
    source = dcmread(get_testdata_file(name, download=False), stop_before_pixels=True)

    for kind, content in written(source).items():
        assert errors(content, tmp_path / kind) == []


@pytest.mark.process
@needs_dciodvfy
@pytest.mark.real_data
def test_dciodvfy_reports_no_error_for_real_films(real_films, tmp_path) -> None:
    paths = sorted((real_films / "dicom").glob("*.dcm"))

    assert paths
    for path in paths:
        of_the_film = said(path.read_bytes(), tmp_path / "film")  # such as a number that is too long: it is passed on
        for kind, content in written(dcmread(path, stop_before_pixels=True)).items():
            assert set(errors(content, tmp_path / kind)) <= set(of_the_film)


def test_the_same_work_is_the_same_files_byte_for_byte() -> None:
    assert written(film()) == written(film())


def test_another_model_has_its_own_instances_and_series() -> None:
    source = film()
    record = analysis(source)
    other = record.model_copy(update={"model": record.model.model_copy(update={"sha256": "6b" * 32})})

    first, second = (result_objects(source, made, heat_map(source)) for made in (record, other))

    for kind in KINDS:
        one = getattr(first, kind)
        two = getattr(second, kind)
        assert one.SOPInstanceUID != two.SOPInstanceUID
        assert one.SeriesInstanceUID != two.SeriesInstanceUID


def test_films_of_a_study_share_the_series_of_each_kind_and_nothing_else() -> None:
    front = film(InstanceNumber=1)
    other = film(SOPInstanceUID="1.2.3.4.6", InstanceNumber=2)

    first, second = (result_objects(source, analysis(source), heat_map(source)) for source in (front, other))

    series = {getattr(made, kind).SeriesInstanceUID for made in (first, second) for kind in KINDS}
    instances = {getattr(made, kind).SOPInstanceUID for made in (first, second) for kind in KINDS}
    assert (len(series), len(instances)) == (3, 6)
    assert (first.sr.InstanceNumber, second.sr.InstanceNumber) == (1, 2)


@pytest.mark.clause("PS3.3 C.7.1", "results have patient and study of their film")
def test_results_are_filed_under_the_films_patient_and_study() -> None:
    source = film(AccessionNumber="A1", StudyDate="20200102", IssuerOfPatientID="Ward 7", PatientSex="F")

    for content in written(source).values():
        result = dcmread(io.BytesIO(content))
        assert (result.PatientName, result.PatientID) == ("Marker^Patient", "MARKER-ID")
        assert (result.StudyInstanceUID, result.AccessionNumber, result.StudyDate) == ("1.2.3", "A1", "20200102")
        assert (result.IssuerOfPatientID, result.PatientSex) == ("Ward 7", "F")


def test_a_name_in_another_character_set_survives() -> None:
    source = film(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")

    for content in written(dcmread(io.BytesIO(dicom_bytes(source)))).values():
        assert str(dcmread(io.BytesIO(content)).PatientName) == "Müller^Jörg"


def test_a_name_whose_bytes_are_not_of_the_stated_set_keeps_its_letters() -> None:
    content = dicom_bytes(
        film(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg", StudyDescription="Schädel")
    )
    misdeclared = content.replace(b"ISO_IR 100", b"ISO_IR 192")

    for written_content in written(dcmread(io.BytesIO(misdeclared))).values():
        result = dcmread(io.BytesIO(written_content))
        assert (str(result.PatientName), result.StudyDescription) == ("Müller^Jörg", "Schädel")


@pytest.mark.clause("PS3.5 6.2", "a backslash in a single value is passed on")
@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID"])
def test_a_backslash_in_a_single_value_stays_where_it_is(keyword) -> None:
    source = dcmread(io.BytesIO(dicom_bytes(film(**{keyword: ["CLINIC", "12345"]}))))

    for content in written(source).values():
        result = dcmread(io.BytesIO(content))
        assert result.get_item(keyword).value.strip() == b"CLINIC\\12345"


@pytest.mark.clause("PS3.3 C.12.1.1", "times are local with TimezoneOffsetFromUTC")
def test_dates_are_of_the_analysis_in_the_films_time_zone() -> None:
    source = film(TimezoneOffsetFromUTC="+0530")

    made = result_objects(source, analysis(source), heat_map(source))

    assert (made.sr.ContentDate, made.sr.ContentTime) == ("20261122", "050005.123000")
    assert made.presentation_state.PresentationCreationDate == "20261122"
    assert made.secondary_capture.DateOfSecondaryCapture == "20261122"
    assert made.sr.TimezoneOffsetFromUTC == "+0530"


def test_an_analysis_dated_elsewhere_is_kept_in_utc() -> None:
    source = film()
    made = analysis(source).model_dump() | {"analysed_at": "2026-11-22T05:00:05.123+05:30"}

    record = type(analysis(source)).model_validate(made)

    assert record.analysed_at == datetime(2026, 11, 21, 23, 30, 5, 123000, tzinfo=UTC)
    assert record.analysed_at.tzinfo is UTC
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_a_bundle_without_heat_maps_gives_the_report_alone() -> None:
    source = film()
    record = analysis(source).model_copy(update={"explanation": None})

    made = result_objects(source, record, None)

    assert (made.secondary_capture, made.presentation_state) == (None, None)
    assert made.sr.Modality == "SR"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_a_film_without_its_uids_is_refused(keyword) -> None:
    source = film()
    delattr(source, keyword)

    with pytest.raises(InvalidImageError, match=keyword):
        result_objects(source, analysis(film()), None)


def test_no_log_names_the_patient(caplog, recwarn) -> None:
    written(film(PatientName="NoCaretMarker", PatientID="X" * 80, AccessionNumber="B" * 40))

    assert (caplog.text, len(recwarn)) == ("", 0)


def test_every_object_names_the_version_of_the_bundle_and_that_of_the_software() -> None:
    source = film()
    built = result_objects(source, analysis(source), heat_map(source))

    for made in (built.sr, built.secondary_capture, built.presentation_state):
        assert list(made.SoftwareVersions) == ["1.2.0", "cxr-classifier 0.1.2"]
