"""What somebody says about a film, from a reader or a report; it knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.monitoring import Presence, VerdictRequest, VerdictSource


@dataclass(frozen=True, slots=True)
class FilmName:
    """How a verdict names its film, or the films of a study; exactly one is set."""

    sop_instance_uid: str | None = None
    report_instance_uid: str | None = None
    """Of the SR that this service wrote about it."""
    study_instance_uid: str | None = None
    accession_number: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says about a film: a verdict about the answer, or the truth alone."""

    film: FilmName
    source: VerdictSource
    request: VerdictRequest | None = None
    truth: Mapping[str, Presence] | None = None
    """Of a source that knows nothing of the answer; findings of other bundles are passed over."""
