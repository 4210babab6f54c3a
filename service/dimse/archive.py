"""An archive that speaks DIMSE alone: results by C-STORE, what it has by C-FIND, its commitment by N-ACTION.

Source: DICOM PS3.4 B (Storage), C (Query/Retrieve, study root, level IMAGE), J (Storage Commitment Push Model).
"""

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined] # made at run time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)
from sqlalchemy import Engine

from schemas.errors import PacsUnreachableError, SpoolUnavailableError
from service.dicomweb.pacs import Archive, open_pacs
from service.dimse.calling import Line
from service.dimse.commitments import Commitments
from service.dimse.reports import CommitmentReport
from service.dimse.statuses import PROCESSING_FAILURE, SOP_CLASS_NOT_SUPPORTED, SUCCESS, judge
from service.dimse.tls import calling_context
from service.settings import DimseSettings, PacsSettings

COMMITMENT_S: Final = 10.0
"""For an archive's commitment to come within a delivery; one that comes later is found by the next attempt."""
LINES: Final = 2
"""Associations with the archive at the same time; as many deliveries run (`service.dicomweb.intake`)."""
_LOOK_S: Final = 0.1
_REQUEST_COMMITMENT: Final = 1
"""Action type. Source: PS3.4 table J.3.2-1."""
_SYNTAXES: Final[list[str | UID]] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]

log = structlog.get_logger("service.dimse")


@dataclass(frozen=True, slots=True)
class DimseArchive:
    """An `Archive` behind DIMSE."""

    line: Line
    commitments: Commitments | None
    """None: what the archive has confirmed by C-STORE counts as delivered."""
    threads: ThreadPoolExecutor

    async def bring(self, study: str, objects: Mapping[str, bytes]) -> bool:  # noqa: ARG002 of the protocol
        """See `Archive`; the objects name their study themselves."""
        sent = await asyncio.get_running_loop().run_in_executor(self.threads, self._bring, objects)
        if self.commitments is not None and not await self._is_committed(self.commitments, objects):
            msg = (
                "the archive has not committed to the results yet; it is asked again. It must know CXR_DIMSE_AE_TITLE "
                "with host and port of `python -m service dimse`, if it answers on an association of its own"
            )
            raise PacsUnreachableError(msg)
        return sent

    def _bring(self, objects: Mapping[str, bytes]) -> bool:
        if self.commitments is not None and self.commitments.cover(objects):
            return False
        instances = [dcmread(io.BytesIO(content)) for content in objects.values()]
        reports = None if self.commitments is None else _Reports(self.commitments)
        handlers = [] if reports is None else reports.handlers
        with self.line.association(self._contexts(instances), handlers=handlers) as association:
            missing = [instance for instance in instances if not _has(association, instance)]
            judge([(str(instance.Modality), _store(association, instance)) for instance in missing])
            if reports is not None:
                self._ask(association, instances, reports.commitments)
                _wait(lambda: reports.are_answered and reports.commitments.cover(objects), COMMITMENT_S / 2)
        return bool(missing)

    def _contexts(self, instances: Sequence[Dataset]) -> list[Any]:
        classes = {str(instance.SOPClassUID) for instance in instances}
        classes.add(StudyRootQueryRetrieveInformationModelFind)
        if self.commitments is not None:
            classes.add(StorageCommitmentPushModel)
        return [build_context(uid, _SYNTAXES) for uid in sorted(classes)]

    @staticmethod
    def _ask(association: Association, instances: Sequence[Dataset], commitments: Commitments) -> None:
        request = Dataset()
        request.TransactionUID = generate_uid(prefix=None)
        request.ReferencedSOPSequence = []
        for instance in instances:
            item = Dataset()
            item.ReferencedSOPClassUID = instance.SOPClassUID
            item.ReferencedSOPInstanceUID = instance.SOPInstanceUID
            request.ReferencedSOPSequence.append(item)
        commitments.ask(request.TransactionUID, [str(instance.SOPInstanceUID) for instance in instances])
        answer = "no SOP class"
        try:
            status, _ = association.send_n_action(
                request, _REQUEST_COMMITMENT, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
            answer = f"{status.Status:04X}" if "Status" in status else "no answer"
        except (ValueError, RuntimeError) as error:  # the class was not accepted, or the association has ended
            log.warning("commitment_not_asked", reason=type(error).__name__)
        if answer != f"{SUCCESS:04X}":
            msg = f"the archive does not take a request for storage commitment ({answer}); switch CXR_PACS_COMMIT off"
            raise PacsUnreachableError(msg)

    @staticmethod
    async def _is_committed(commitments: Commitments, objects: Mapping[str, bytes]) -> bool:
        deadline = time.monotonic() + COMMITMENT_S / 2
        while not (is_there := await asyncio.to_thread(commitments.cover, objects)):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_LOOK_S)
        return is_there


def open_archive(
    dimse: DimseSettings, settings: PacsSettings, engine: Engine
) -> AbstractAsyncContextManager[Archive | None]:
    """Where results go by these settings: a DICOMweb server, an archive that speaks DIMSE, or nowhere.

    Raises:
        SettingsError: certificates cannot be read, or credentials cannot be sent.
    """
    if settings.dimse is None:
        return open_pacs(settings)
    line = Line(dimse.ae_title, settings.dimse, settings.timeout_s, calling_context(settings))
    return open_dimse(line, Commitments(engine) if settings.commit else None)


@asynccontextmanager
async def open_dimse(line: Line, commitments: Commitments | None = None) -> AsyncIterator[Archive]:
    """An archive at the end of this line; `commitments`: None where a confirmed C-STORE is enough."""
    # Not the threads of the event loop: an archive that hangs must hold no other work up.
    with ThreadPoolExecutor(LINES, "dimse") as threads:
        yield DimseArchive(line, commitments, threads)


def _has(association: Association, instance: Dataset) -> bool:
    """Whether the archive has the instance; False also where it does not answer such a search.

    Raises:
        PacsUnreachableError: the association has ended.
    """
    question = Dataset()
    question.QueryRetrieveLevel = "IMAGE"
    question.StudyInstanceUID = instance.StudyInstanceUID
    question.SeriesInstanceUID = instance.SeriesInstanceUID
    question.SOPInstanceUID = instance.SOPInstanceUID
    found = False
    try:
        for _, item in association.send_c_find(question, StudyRootQueryRetrieveInformationModelFind):
            found = found or (item is not None and item.get("SOPInstanceUID") == instance.SOPInstanceUID)
    except ValueError:  # the archive offers no search: the UIDs are the same at each attempt
        return False
    except RuntimeError as error:
        raise PacsUnreachableError(_ENDED) from error
    return found


_ENDED: Final = "the archive ended the association; the delivery is tried again"


def _store(association: Association, instance: Dataset) -> int | None:
    """The status of its C-STORE; None without an answer."""
    try:
        status = association.send_c_store(instance)
    except ValueError:  # no presentation context was accepted for its class
        return SOP_CLASS_NOT_SUPPORTED
    except RuntimeError as error:
        raise PacsUnreachableError(_ENDED) from error
    return int(status.Status) if "Status" in status else None


class _Reports:
    """N-EVENT-REPORTs of an archive on the association that asked, which must stay until they are answered.

    pynetdicom sends the answer in a thread of its own once the handler has returned, and says when it has been sent.
    """

    def __init__(self, commitments: Commitments) -> None:
        self.commitments = commitments
        self._owed = threading.Event()

    @property
    def handlers(self) -> list[Any]:
        """For the association, which sends nothing else while it waits for them."""
        return [(evt.EVT_N_EVENT_REPORT, self._noted), (evt.EVT_PDU_SENT, self._sent)]

    @property
    def are_answered(self) -> bool:
        """Whether each that came was."""
        return not self._owed.is_set()

    def _noted(self, event: evt.Event) -> tuple[int, Dataset | None]:
        self._owed.set()
        report = CommitmentReport.of(event)
        if report is None:
            return PROCESSING_FAILURE, None
        try:
            self.commitments.note(report.transaction_uid, report.committed)
        except SpoolUnavailableError:
            return PROCESSING_FAILURE, None
        if report.failed:
            log.warning("results_not_committed", results=len(report.failed))
        return SUCCESS, None

    def _sent(self, event: evt.Event) -> None:
        if isinstance(event.pdu, P_DATA_TF):
            self._owed.clear()


def _wait(is_there: Any, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not is_there() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
