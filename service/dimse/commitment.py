"""Storage commitment as SCP: callers ask whether films were taken, and archives answer what they were asked.

The answer about films follows on the caller's own association, or on a new one where `CXR_DIMSE_PEERS` names the
caller. Answers that wait are in memory alone: after a kill a caller asks again, as it must where none comes.

Source: DICOM PS3.4 J.
"""

import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import structlog
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined] # made at run time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from schemas.errors import PacsUnreachableError
from service.dimse.calling import Line
from service.dimse.counters import DimseMetrics
from service.dimse.hand_over import HandOver
from service.dimse.reports import CommitmentReport, CommitmentRequest
from service.dimse.statuses import (
    CLASS_CONFLICT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
)
from service.settings import DimseSettings, Peer

CALL_S: Final = 10.0
WAITS_S: Final = (0.0, 1.0, 5.0, 30.0, 120.0)
"""Before each attempt to bring an answer to a caller on a new association."""
ANSWERING: Final = 4
"""Answers that are brought at the same time."""
MOST_WAITING: Final = 100

log = structlog.get_logger("service.dimse")


@dataclass(frozen=True, slots=True)
class Commitment:
    """Answers the requests of all associations."""

    settings: DimseSettings
    hand_over: HandOver
    metrics: DimseMetrics
    threads: ThreadPoolExecutor
    stopping: Event
    tls: ssl.SSLContext | None

    def request(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """N-ACTION: take the request; the answer follows."""
        if not self.settings.commit_films:
            return SOP_CLASS_NOT_SUPPORTED, None
        request = CommitmentRequest.of(event)
        if request is None or self.threads._work_queue.qsize() >= MOST_WAITING:  # noqa: SLF001 there is no other way to ask
            return PROCESSING_FAILURE, None
        self.metrics.commitments.labels("requested").inc()
        title = str(event.assoc.requestor.ae_title).strip()
        self.threads.submit(self._answer, request, event.assoc, self.settings.peers_by_title.get(title))
        return SUCCESS, None

    def report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """N-EVENT-REPORT: an archive's answer, noted by the service before it is confirmed."""
        report = CommitmentReport.of(event)
        noted = report is not None and self.hand_over.note_commitment(
            report.transaction_uid, report.committed, report.failed
        )
        self.metrics.commitments.labels("reported" if noted else "unreported").inc()
        return (SUCCESS if noted else PROCESSING_FAILURE), None

    def _answer(self, request: CommitmentRequest, association: Association, peer: Peer | None) -> None:
        waits_s = (0.0,) if peer is None else WAITS_S
        for wait_s in waits_s:
            if self.stopping.wait(wait_s):
                break
            try:
                event_type, information = request.answer(self._failures(request.references))
                if peer is None:
                    _send(association, event_type, information)
                else:
                    self._call(peer, event_type, information)
            except (ConnectionError, PacsUnreachableError, RuntimeError, ValueError) as error:
                log.warning("commitment_not_answered", reason=type(error).__name__)
            except Exception as error:  # noqa: BLE001 supervisor of one answer; its text may hold UIDs
                log.error("commitment_failed", error=type(error).__name__)  # noqa: TRY400 a traceback may hold them too
            else:
                self.metrics.commitments.labels("answered").inc()
                return
        self.metrics.commitments.labels("unanswered").inc()

    def _failures(self, references: Mapping[str, str]) -> dict[str, int]:
        """Why films are not committed to: the service does not have them, or refused them."""
        failures = {}
        for uid, sop_class in references.items():
            film = self.hand_over.find(uid)
            if film is None or film.state == "refused":
                failures[uid] = NO_SUCH_INSTANCE
            elif film.sop_class_uid not in (None, sop_class):
                failures[uid] = CLASS_CONFLICT
        return failures

    def _call(self, peer: Peer, event_type: int, information: Dataset) -> None:
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        line = Line(self.settings.ae_title, peer, CALL_S, self.tls)
        with line.association([build_context(StorageCommitmentPushModel)], [role]) as association:
            _send(association, event_type, information)


def _send(association: Any, event_type: int, information: Dataset) -> None:
    """Raises RuntimeError where the association has ended, or the caller does not take the answer."""
    status, _ = association.send_n_event_report(
        information, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    if "Status" not in status or status.Status != SUCCESS:
        msg = "the caller does not take the answer"
        raise RuntimeError(msg)
