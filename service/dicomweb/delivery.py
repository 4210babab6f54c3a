"""Results to the PACS, and what delivers them to others: what is there already is not sent again."""

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import Connection, Engine

from schemas.analysis import AnalysisRecord
from schemas.results import DestinationState
from service.audit.trail import Trail
from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.worker import Step
from service.metrics import Metrics


class Outbox(Protocol):
    """Who gets results in addition to the PACS."""

    def running(self, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Begin, with the database of the spool, and end."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """The work of the deliveries, one step for each destination; known while it runs."""
        ...

    def posting(
        self, source: Dataset, record: AnalysisRecord, objects: Mapping[str, bytes]
    ) -> Callable[[Connection], None]:
        """Pack what the destinations get about a film; what is returned writes it, in the caller's transaction."""
        ...

    def states(self, sop_instance_uid: str) -> tuple[DestinationState, ...]:
        """How far the deliveries about a film are."""
        ...

    def retry(self, sop_instance_uid: str) -> int:
        """Try its dead letters again; returns how many there were."""
        ...


class Backlog(Protocol):
    """Films that are read while nothing else is to be done; see `service.jobs`."""

    def running(self, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Begin, with the database of the spool, and end."""
        ...

    def steps(self, spool: Spool) -> Sequence[Step]:
        """The work that brings films into the spool; known while it runs."""
        ...

    def tidy(self) -> int:
        """Note what has come of the films; returns how many were finished."""
        ...


async def deliver(claim: Claim, spool: Spool, archive: Archive, metrics: Metrics, audit: Trail | None = None) -> None:
    """See to it that the archive has the film's result objects.

    Raises:
        PacsUnreachableError: it is not known whether all are there; to be tried again.
        PacsRefusedError: the archive will not have them.
    """
    studies = await asyncio.to_thread(_by_study, claim)
    sent = [await archive.bring(study, objects) for study, objects in studies.items()]
    await asyncio.to_thread(spool.delivered, claim)
    metrics.pacs_deliveries.labels("delivered" if any(sent) else "already_there").inc()
    if audit is not None:
        audit.record_delivery("pacs", claim.study_instance_uid)


def _by_study(claim: Claim) -> Mapping[str, Mapping[str, bytes]]:
    """The objects of each study, the film's own first: what is withdrawn may be of the study that it was in before."""
    if not claim.older and claim.state == "analysed":
        return {claim.study_instance_uid: claim.payloads}
    studies: dict[str, dict[str, bytes]] = {}
    for uid, content in claim.payloads.items():
        header = dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        studies.setdefault(str(header.StudyInstanceUID), {})[uid] = content
    return dict(sorted(studies.items(), key=lambda pair: pair[0] != claim.study_instance_uid))
