"""The identifiers of results: derived from what was analysed and by what, so that the same work has the same names."""

import hashlib
import uuid

from imaging.dicom.uids import uid_of, uuid_of
from schemas.analysis import AnalysisRecord


def derived_uid(*parts: str) -> str:
    """The DICOM UID of `parts`, in their order, by SHA-256."""
    return uid_of(_digest(parts))


def derived_uuid(*parts: str) -> uuid.UUID:
    """The UUID of `parts`, in their order, by SHA-256."""
    return uuid_of(_digest(parts))


def _digest(parts: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


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
