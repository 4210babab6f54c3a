"""stand-in"""

import hashlib
from dataclasses import dataclass
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid, ExplicitVRLittleEndian
from schemas.analysis import AnalysisRecord
from imaging.overlay import HeatMap


@dataclass(frozen=True)
class ResultObjects:
    sr: Dataset
    secondary_capture: Dataset | None
    presentation_state: Dataset | None


def _make(source: Dataset, record: AnalysisRecord, cls: str, modality: str) -> Dataset:
    d = Dataset()
    d.SOPClassUID = cls
    d.SOPInstanceUID = generate_uid(entropy_srcs=[record.sop_instance_uid, record.model.sha256, modality])
    d.StudyInstanceUID = record.study_instance_uid
    d.SeriesInstanceUID = generate_uid(entropy_srcs=[record.sop_instance_uid, record.model.sha256, modality, "s"])
    d.Modality = modality
    d.PatientID = source.get("PatientID", "")
    d.PatientName = source.get("PatientName", "")
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID = cls
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    return d


def result_objects(source: Dataset, record: AnalysisRecord, heat_map: HeatMap | None) -> ResultObjects:
    return ResultObjects(
        _make(source, record, "1.2.840.10008.5.1.4.1.1.88.33", "SR"),
        _make(source, record, "1.2.840.10008.5.1.4.1.1.7", "OT"),
        _make(source, record, "1.2.840.10008.5.1.4.1.1.11.1", "PR"),
    )
