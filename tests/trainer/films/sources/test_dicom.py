"""Of a DICOM file's patient only what training may use is read."""

import pytest

from schemas.errors import UnsupportedImageError
from tests.films import unlike
from tests.imaging.files import dicom_bytes, dicom_dataset
from trainer.films.sources.dicom import StatedPatient, patient_of


def data(transfer_syntax: str = "1.2.840.10008.1.2.1", **attributes) -> bytes:
    return dicom_bytes(dicom_dataset(unlike(16, seed=0), **attributes), transfer_syntax)


@pytest.mark.parametrize(
    ("age", "years"),
    [("034Y", "34"), ("018M", "1.5"), ("026W", "0.498"), ("003D", "0.00821"), ("089Y", "89"), ("103Y", "90")],
)
def test_an_age_is_told_in_years_and_above_90_as_90(age, years) -> None:
    assert patient_of(data(PatientAge=age))[1]["age"] == years


@pytest.mark.parametrize("age", ["", "34", "Y", "-04Y", "3.5Y"])
def test_an_age_that_is_none_is_not_told(age) -> None:
    assert "age" not in patient_of(data(PatientAge=age))[1]


def test_what_the_file_does_not_state_has_no_entry() -> None:
    assert patient_of(data(PatientID=None, ViewPosition=None)) == (StatedPatient(), {})
    assert patient_of(data(PatientID=" ", ViewPosition="")) == (StatedPatient(), {})


def test_the_patients_name_and_birth_date_are_not_read() -> None:
    found = patient_of(data(PatientID="17", PatientBirthDate="19800101", PatientSex="M"))

    assert found == (StatedPatient("17"), {"sex": "M", "view": "PA"})


def test_the_whole_id_its_issuer_and_the_study_are_read() -> None:
    found, _ = patient_of(data(PatientID="site\\1", IssuerOfPatientID="North", StudyInstanceUID="1.2.3"))

    assert found == StatedPatient("SITE\\1", "NORTH", "1.2.3")


def test_a_deflated_file_is_refused_before_it_is_inflated() -> None:
    with pytest.raises(UnsupportedImageError, match="Deflated"):
        patient_of(data("1.2.840.10008.1.2.1.99"))
