"""What a destination is: it packs what it is to get about a film, and takes it; it knows neither tables nor loops."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydicom.dataset import Dataset

from schemas.analysis import AnalysisRecord
from schemas.bodies.jobs import Job
from schemas.monitoring import Suspension


@dataclass(frozen=True, slots=True)
class FinishedFilm:
    """What is known of a film when its analysis ends."""

    source: Dataset
    """Its header, without the pixels; it names the patient."""
    record: AnalysisRecord
    objects: Mapping[str, bytes]
    """DICOM result objects by SOPInstanceUID."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one destination gets about one film, or about one event of the service."""

    key: str
    """20 characters of A-Z and 2-7: the same at every attempt, and nowhere else. It fits MSH-10."""
    contents: Mapping[str, bytes]
    """By the names that `pack` gave them."""
    study_instance_uid: str | None = None
    """Of the film; None: it is about an event."""


class Destination(Protocol):
    """Who gets results."""

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """What it is to get about a film; pure. Empty: nothing.

        Returns:
            Contents by name; a name has up to 64 characters.
        """
        ...

    async def send(self, parcel: Parcel) -> None:
        """Bring the parcel there; called again with the same key until it returns.

        Raises:
            DestinationUnreachableError: it is not known whether it arrived; to be tried again.
            DestinationRefusedError: another attempt would be refused too.
        """
        ...


@runtime_checkable
class TakesJobs(Protocol):
    """A destination that may be told that a job has ended."""

    def pack_job(self, job: Job) -> Mapping[str, bytes]:
        """What it is to get about a job; pure."""
        ...


@runtime_checkable
class TakesEvents(Protocol):
    """A destination that also gets what happens to the service itself."""

    def pack_suspension(self, suspension: Suspension) -> Mapping[str, bytes]:
        """What it is to get about a suspension of the answers; pure. Empty: nothing."""
        ...
