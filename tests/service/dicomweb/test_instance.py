"""Which UIDs an instance may have to be stored, and what makes two files the same film."""

import io

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from imaging.limits import DecodeLimits
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from service.dicomweb.instance import read_instance
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.dicomweb.films import film

HONEST = "1.2.826.0.1.3680043.2.155.1"


def instance_of(study):
    """An instance whose StudyInstanceUID is these 27 characters, which pydicom might refuse to write."""
    assert len(study) == len(HONEST)
    dataset = dicom_dataset(phantom(12, 10, seed=2), StudyInstanceUID=HONEST, SeriesInstanceUID="1.2.3")
    data = dicom_bytes(dataset)
    assert data.count(HONEST.encode()) == 1
    return read_instance(data.replace(HONEST.encode(), study.encode()), DecodeLimits())


@pytest.mark.parametrize("study", [HONEST, "1.2.826.0.1.3680043.2.055.1", "01.2.826.0.1.3680043.2.15.1"])
def test_a_uid_is_taken_as_it_is_also_with_leading_zeros(study) -> None:
    assert instance_of(study).study_instance_uid == study


@pytest.mark.parametrize(
    "study", ["1.2.826.0.1.3680043.2..55.1", "1.2.826.0.1.3680043.2.x55.1", ".1.2.826.0.1.3680043.2.55.1", " " * 27]
)
def test_what_is_not_made_of_numbers_between_points_is_not_a_uid(study) -> None:
    with pytest.raises(InvalidImageError, match="StudyInstanceUID is missing or not a valid UID"):
        instance_of(study)


def test_one_object_in_files_of_two_programs_has_one_content_and_two_files() -> None:
    dataset = dcmread(io.BytesIO(film()))
    dataset.file_meta.ImplementationVersionName = "ANOTHER_PROGRAM"
    dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
    dataset.file_meta.PrivateInformation = b"xx"
    stream = io.BytesIO()
    dataset.save_as(stream)

    first, second = (read_instance(content, DecodeLimits()) for content in (film(), stream.getvalue()))

    assert first.sha256 != second.sha256
    assert first.content_sha256 == second.content_sha256


@pytest.mark.parametrize(
    "changed", [film(gray=60), film(PatientID="other"), film(StudyDescription="x"), film(ViewPosition="LL")]
)
def test_whatever_differs_in_the_data_set_is_another_content(changed) -> None:
    first, second = (read_instance(content, DecodeLimits()) for content in (film(), changed))

    assert first.content_sha256 != second.content_sha256


def test_a_length_of_the_meta_information_that_is_wrong_hides_no_change() -> None:
    def lying(content):
        return content[:140] + (len(content)).to_bytes(4, "little") + content[144:]

    first, second = (read_instance(lying(film(gray=gray)), DecodeLimits()) for gray in (200, 60))

    assert first.content_sha256 != second.content_sha256
