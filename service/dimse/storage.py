"""C-STORE and C-ECHO as SCP: an object becomes a DICOM file and is handed to the service before it is confirmed.

Source: DICOM PS3.4 B (Storage), A (Verification); PS3.10 7.1 (file meta information).
"""

import io
import time
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom import evt

from imaging.limits import DecodeLimits
from schemas.errors import CxrError
from service.dicomweb.instance import read_instance
from service.dimse.bounded import ObjectBuffer
from service.dimse.counters import DimseMetrics
from service.dimse.hand_over import HandOver
from service.dimse.listener import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from service.dimse.statuses import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SUCCESS,
    status_of_problem,
)

_HIGH: Final = 1
"""Priority of a C-STORE request. Source: PS3.7 E.1-1, (0000,0700)."""
_PREAMBLE: Final = b"\0" * 128 + b"DICM"

log = structlog.get_logger("service.dimse")


@dataclass(frozen=True, slots=True)
class Storage:
    """Answers the requests of all associations; each in the thread of its association."""

    hand_over: HandOver
    limits: DecodeLimits
    metrics: DimseMetrics

    def echo(self, _event: evt.Event) -> int:
        """C-ECHO: the process is there; whether the service is, C-STORE shows."""
        self.metrics.echoes.inc()
        return SUCCESS

    def store(self, event: evt.Event) -> int:
        """C-STORE: success means that the film is on the service's disk."""
        began_at = time.monotonic()
        try:
            status = self._store(event.request, str(event.context.transfer_syntax))
        except Exception as error:  # noqa: BLE001 a defect of ours; the sender keeps the film, and the log no word of it
            log.error("store_failed", error=type(error).__name__)  # noqa: TRY400 a traceback may quote the film
            status = OUT_OF_RESOURCES
        self.metrics.store_duration.observe(time.monotonic() - began_at)
        self.metrics.stores.labels(f"{status:04X}").inc()
        if status != SUCCESS:
            log.warning("store_refused", status=f"{status:04X}")
        return status

    def _store(self, request: Any, transfer_syntax: str) -> int:
        buffer = request.DataSet
        if not isinstance(buffer, ObjectBuffer):
            return CANNOT_UNDERSTAND
        try:
            if buffer.too_large:
                return CANNOT_UNDERSTAND
            if buffer.no_room:
                return OUT_OF_RESOURCES
            content = part_10(request, transfer_syntax, buffer)
            buffer.take_out()
            return self._hand_over(request, content)
        finally:
            buffer.close()

    def _hand_over(self, request: Any, content: bytes) -> int:
        try:
            instance = read_instance(content, self.limits)
        except CxrError as error:
            return status_of_problem(error)
        if (instance.sop_class_uid, instance.sop_instance_uid) != (
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
        ):
            return DOES_NOT_MATCH
        return self.hand_over.store(content, urgent=request.Priority == _HIGH)


def part_10(request: Any, transfer_syntax: str, buffer: io.BytesIO) -> bytes:
    """The DICOM file of an object, its data set byte by byte as it was sent; the same object gives the same bytes."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = request.AffectedSOPClassUID
    meta.MediaStorageSOPInstanceUID = request.AffectedSOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    stream = DicomBytesIO()
    stream.write(_PREAMBLE)
    write_file_meta_info(stream, meta)
    with buffer.getbuffer() as data:
        stream.write(data)
    return stream.getvalue()
