"""Which reports a report replaces.

Source: DICOM PS3.3 C.17.2 (PredecessorDocumentsSequence), table C.17-3 (Hierarchical SOP Instance Reference).
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from schemas.analysis import ObjectReference

REPORTS = ("1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34")
"""Comprehensive SR and Comprehensive 3D SR: the classes of reports that this software writes or wrote."""


def name_predecessors(report: Dataset, predecessors: Sequence[ObjectReference]) -> None:
    """Let a report name the reports that it replaces, each in its study and series; nothing where there are none."""
    if predecessors:
        report.PredecessorDocumentsSequence = list(map(_hierarchical, predecessors))


def _hierarchical(reference: ObjectReference) -> Dataset:
    instance = Dataset()
    instance.ReferencedSOPClassUID = reference.sop_class_uid
    instance.ReferencedSOPInstanceUID = reference.sop_instance_uid
    series = Dataset()
    series.SeriesInstanceUID = reference.series_instance_uid
    series.ReferencedSOPSequence = [instance]
    study = Dataset()
    study.StudyInstanceUID = reference.study_instance_uid
    study.ReferencedSeriesSequence = [series]
    return study
