"""Which UIDs an instance may have to be stored."""

import pytest

from imaging.limits import DecodeLimits
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from service.dicomweb.instance import read_instance
from tests.imaging.files import dicom_bytes, dicom_dataset

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
