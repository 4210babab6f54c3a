"""What is reported about a workitem, in the DICOM JSON model: claims, progress, results, reasons; pure.

Source: DICOM PS3.4 tables CC.2.1-1 (change of state) and CC.2.5-3 (attributes, final state requirements), PS3.3 C.30.1
and C.30.3 (what they mean), PS3.16 CID 9231 and CID 9300 (codes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from service.settings import CodedName
from service.worklist.work import Film, Reason, Result, Work
from service.worklist.workitem import CODE_MEANING, CODE_SCHEME, CODE_VALUE

DICOM: Final = "DCM"
DIAGNOSIS: Final = CodedName("110003", DICOM, "Computer Aided Diagnosis")
"""What was done where the workitem does not name it."""
NOBODY: Final = CodedName("CXR", "99CXR", "Chest X-ray classifier")
"""Who did it where CXR_WORKLIST_STATION names nobody."""
REASONS: Final[Mapping[Reason, CodedName]] = {
    "input_unsupported": CodedName("110522", DICOM, "Object Types not supported"),
    "input_missing": CodedName("110523", DICOM, "Object Set incomplete"),
    "input_refused": CodedName("110521", DICOM, "Objects incorrectly formatted"),
    "not_delivered": CodedName("110501", DICOM, "Equipment failure"),
    "asked": CodedName("110513", DICOM, "Discontinued for unspecified reason"),
}
"""Of the discontinuation."""
_LONGEST_TEXT: Final = 1024  # PS3.5 table 6.2-1, ST; LT is longer

DataSet = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the results can be retrieved."""

    root_url: str | None
    """DICOMweb root; None: it has none."""
    ae_title: str | None
    """Of an archive that speaks DIMSE."""


def change_of_state(transaction_uid: str, state: str) -> DataSet:
    """Claim, complete or cancel."""
    return _dataset(TransactionUID=transaction_uid, ProcedureStepState=state)


def progress(transaction_uid: str, percent: int, text: str) -> DataSet:
    """How far the work is."""
    item = _dataset(ProcedureStepProgress=float(percent), ProcedureStepProgressDescription=text)
    return _dataset(TransactionUID=transaction_uid, ProcedureStepProgressInformationSequence=[item])


def final_report(
    transaction_uid: str, work: Work, station: CodedName | None, archive: Archive, now: datetime
) -> DataSet:
    """All that the final state demands: what was done, by whom, when, with which results; and why not, if not.

    Args:
        transaction_uid: of the claim.
        work: done; its verdict is decided.
        station: who did it.
        archive: where its results are.
        now: of a cancellation, and the end of the work, unless it is known.
    """
    ended = work.ended_at or now
    performed = _dataset(
        PerformedStationNameCodeSequence=[_code(station or NOBODY)],
        PerformedProcedureStepStartDateTime=_time(work.began_at),
        PerformedWorkitemCodeSequence=[_code(CodedName(*work.code) if work.code else DIAGNOSIS)],
        PerformedProcedureStepDescription="Chest X-ray classification",
        PerformedProcedureStepEndDateTime=_time(ended),
        OutputInformationSequence=_outputs(work.films, archive),
    )
    canceled = work.verdict == "CANCELED"
    state = _dataset(
        ProcedureStepProgress=float(work.percent if canceled else 100),
        ProcedureStepProgressDescription=work.text[:_LONGEST_TEXT],
    )
    if canceled and work.reason is not None:
        state |= _dataset(
            ProcedureStepCancellationDateTime=_time(ended),
            ReasonForCancellation=work.text[:_LONGEST_TEXT],
            ProcedureStepDiscontinuationReasonCodeSequence=[_code(REASONS[work.reason])],
        )
    return _dataset(
        TransactionUID=transaction_uid,
        ProcedureStepProgressInformationSequence=[state],
        UnifiedProcedureStepPerformedProcedureSequence=[performed],
    )


def _outputs(films: Sequence[Film], archive: Archive) -> list[DataSet]:
    series: dict[tuple[str, str], list[Result]] = {}
    for film in films:
        for result in film.results:
            series.setdefault((film.study, result.series), []).append(result)
    return [_output(*uids, results, archive) for uids, results in series.items()]


def _output(study: str, series: str, results: Sequence[Result], archive: Archive) -> DataSet:
    references = [
        _dataset(ReferencedSOPClassUID=result.sop_class, ReferencedSOPInstanceUID=result.instance) for result in results
    ]
    output = _dataset(
        TypeOfInstances="DICOM", StudyInstanceUID=study, SeriesInstanceUID=series, ReferencedSOPSequence=references
    )
    if archive.root_url is not None:
        address = f"{archive.root_url.rstrip('/')}/studies/{study}/series/{series}"
        output |= _dataset(WADORSRetrievalSequence=[_dataset(RetrieveURL=address)])
    if archive.ae_title is not None:
        output |= _dataset(DICOMRetrievalSequence=[_dataset(RetrieveAETitle=archive.ae_title)])
    return output


def _time(at: float | datetime) -> str:
    """DT with its offset from UTC. Source: PS3.5 table 6.2-1."""
    when = datetime.fromtimestamp(at, UTC) if isinstance(at, float) else at.astimezone(UTC)
    return when.strftime("%Y%m%d%H%M%S.%f+0000")


def _code(code: CodedName) -> DataSet:
    short = {"vr": "SH"}
    return {
        CODE_VALUE: short | {"Value": [code.value]},
        CODE_SCHEME: short | {"Value": [code.scheme]},
        CODE_MEANING: {"vr": "LO", "Value": [code.meaning or code.value]},
    }


def _dataset(**elements: Any) -> DataSet:
    """Attributes by their keywords; a list is the items of a sequence, or none."""
    dataset: DataSet = {}
    for keyword, value in elements.items():
        tag = Tag(keyword)
        values = value if isinstance(value, list) else [value]
        element = {"vr": dictionary_VR(tag)} | ({"Value": values} if values else {})
        dataset[f"{tag:08X}"] = element
    return dataset
