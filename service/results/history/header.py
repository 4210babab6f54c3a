"""Whose results are: patient and study as the results name them, kept until they can no longer be withdrawn."""

import io

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from schemas.analysis import AnalysisRecord, ObjectReference
from service.results.source import give_to_patient
from service.results.times import stated_offset

_OF_ANOTHER = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")


def header_of(source: Dataset, record: AnalysisRecord) -> bytes:
    """The header of the results of a film, as a DICOM file."""
    header = Dataset()
    header.Modality = "SR"
    give_to_patient(header, source)
    header.StudyInstanceUID = record.study_instance_uid
    header.TimezoneOffsetFromUTC = stated_offset(source) or record.utc_offset
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    header.save_as(stream)
    return stream.getvalue()


def read_header(content: bytes) -> Dataset:
    """The header again."""
    return dcmread(io.BytesIO(content), force=True)


def give_header(result: Dataset, header: Dataset) -> None:
    """Name patient and study in an object, as other results named them."""
    for element in header:
        if element.keyword != "Modality":
            result[element.tag] = element


def is_of_another(one: Dataset, other: Dataset) -> bool:
    """Whether two headers name other patients or other studies."""
    return any(one.get(keyword) != other.get(keyword) for keyword in _OF_ANOTHER)


def reference_to(result: Dataset) -> ObjectReference:
    """An object by its names."""
    return ObjectReference(
        study_instance_uid=str(result.StudyInstanceUID),
        series_instance_uid=str(result.SeriesInstanceUID),
        sop_class_uid=str(result.SOPClassUID),
        sop_instance_uid=str(result.SOPInstanceUID),
    )
