"""What results are called: by the film, its content, the bundle and the kind; pure functions of an analysis record."""

import uuid

from schemas.analysis import AnalysisRecord
from service.results.uids import derived_uid, derived_uuid


def result_uid(record: AnalysisRecord, *kind: str) -> str:
    """The UID of a result, e.g. of the kind `SR`.

    Another content under the film's UID gives another one, and so does a later version with the content of an earlier
    one: what an archive was asked to reject is never sent to it again.
    """
    return derived_uid(*_parts(record), *kind)


def result_uuid(record: AnalysisRecord, *kind: str) -> uuid.UUID:
    """The same as a UUID."""
    return derived_uuid(*_parts(record), *kind)


def series_uid(record: AnalysisRecord, kind: str) -> str:
    """The UID of the series that holds the results of this kind: one for a study and a bundle."""
    return derived_uid(record.study_instance_uid, record.model.sha256, f"{kind} series")


def _parts(record: AnalysisRecord) -> tuple[str, ...]:
    content = (record.content_sha256,) if record.content_sha256 else ()
    version = (f"version {record.version}",) if record.version > 1 else ()
    return (record.sop_instance_uid, *content, *version, record.model.sha256)
