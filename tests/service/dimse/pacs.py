"""An archive that speaks DIMSE alone: stores what it is sent, counts it, finds it, and commits to it or not."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import AllStoragePresentationContexts, build_role

from service.settings import Peer
from tests.service.dimse.calls import COMMITMENT, COMMITMENT_INSTANCE, VERIFICATION, associated

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class DimseArchive:
    """The server; `stored` counts how often each SOPInstanceUID was sent to it and accepted."""

    def __init__(self, *, finds: bool = True, commits: str = "no", called_back: int = 0, tls: Any = None) -> None:
        """`commits`: no, same (on the same association), back (on one to port `called_back`), never."""
        self.stored: Counter[str] = Counter()
        self.statuses: list[int] = []
        """Of the next stores, before it stores again."""
        self.failing = False
        self.commits = commits
        self.called_back = called_back
        self.requests: list[Dataset] = []
        self.reported: list[int] = []
        self._is_closed = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Semaphore(0)
        entity = ApplicationEntity("ARCHIVE")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax)
        entity.add_supported_context(VERIFICATION)
        if finds:
            entity.add_supported_context(FIND)
        if commits != "no":
            entity.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._commit),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls)
        self.peer = Peer("ARCHIVE", "127.0.0.1", self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"{self.peer.title}@{self.peer.host}:{self.peer.port}"

    def close(self) -> None:
        self.may_answer.set()
        if not self._is_closed:
            self._is_closed = True
            self._server.shutdown()

    def _store(self, event: Any) -> int:
        if self.statuses and (status := self.statuses.pop(0)):
            return status
        self.stored[str(event.request.AffectedSOPInstanceUID)] += 1
        self.asked.release()
        assert self.may_answer.wait(60)
        return 0

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        question = event.identifier
        assert question.QueryRetrieveLevel == "IMAGE"
        assert question.StudyInstanceUID
        assert question.SeriesInstanceUID
        if self.stored[question.SOPInstanceUID]:
            found = Dataset()
            found.SOPInstanceUID = question.SOPInstanceUID
            yield 0xFF00, found

    def _commit(self, event: Any) -> tuple[int, None]:
        request = event.action_information
        self.requests.append(request)
        if self.commits == "never":
            return 0, None
        threading.Thread(target=self._report, args=(event.assoc, request)).start()
        return 0, None

    def _report(self, association: Any, request: Dataset) -> None:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        items = request.ReferencedSOPSequence
        if self.failing:
            for item in items:
                item.FailureReason = 0x0110
            report.FailedSOPSequence = items
        else:
            report.ReferencedSOPSequence = items
        if self.commits == "same":
            self._send(association, report)
            return
        roles = [build_role(COMMITMENT, scp_role=True)]
        with associated(self.called_back, (COMMITMENT,), calling="ARCHIVE", ext_neg=roles) as back:
            self._send(back, report)

    def _send(self, association: Any, report: Dataset) -> None:
        event_type = 2 if self.failing else 1
        status, _ = association.send_n_event_report(report, event_type, COMMITMENT, COMMITMENT_INSTANCE)
        if "Status" in status:  # not where the association was released meanwhile: the service waits for a while alone
            self.reported.append(status.Status)
