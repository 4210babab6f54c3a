"""What a modality does: associations and requests of pynetdicom, and bytes that no modality would send."""

import io
import re
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prometheus_client import generate_latest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import build_context
from pynetdicom.transport import AssociationSocket

CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"


class ClosedSocket(AssociationSocket):
    """pynetdicom leaves a connection that did not come about to the garbage collector."""

    def _shutdown_socket(self) -> None:
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()


class Modality(ApplicationEntity):
    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> AssociationSocket:
        connection = ClosedSocket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


@contextmanager
def associated(port: int, classes: Sequence[str] = (CR,), *, calling: str = "MODALITY", **more: Any) -> Iterator[Any]:
    """An association; it may not be established."""
    entity = Modality(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
    syntaxes = more.pop("syntaxes", [ExplicitVRLittleEndian])
    contexts = [build_context(uid, syntaxes) for uid in classes]
    called = more.pop("called", "CXR")
    association = entity.associate("127.0.0.1", port, contexts, called, **more)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def store(port: int, content: bytes, classes: Sequence[str] = (CR,), **more: Any) -> int:
    """The status that a film's C-STORE is answered with."""
    with associated(port, classes) as association:
        return association.send_c_store(dcmread(io.BytesIO(content)), **more).Status


def echo(port: int, **more: Any) -> int | None:
    """The status of C-ECHO; None where there is no association."""
    with associated(port, (VERIFICATION,), **more) as association:
        return association.send_c_echo().Status if association.is_established else None


def request_bytes(called: str = "CXR", calling: str = "FUZZ", syntax: str = CR) -> bytes:
    """An A-ASSOCIATE-RQ with one context, number 1, in Implicit VR Little Endian. Source: PS3.8 9.3.2."""

    def item(kind: int, body: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(body)) + body

    context = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, syntax.encode()) + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3.4"))
    body = struct.pack(">Hxx", 1) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BxL", 1, len(body)) + body


def p_data(fragment: bytes, *, last: bool, command: bool, context: int = 1) -> bytes:
    """A P-DATA-TF with one fragment. Source: PS3.8 9.3.5."""
    header = (2 if last else 0) | (1 if command else 0)
    body = struct.pack(">LBB", len(fragment) + 2, context, header) + fragment
    return struct.pack(">BxL", 4, len(body)) + body


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def raw_association(port: int, **request: str) -> socket.socket:
    """A connection on which an association was accepted."""
    connection = connect(port)
    connection.sendall(request_bytes(**request))
    head = received(connection, 6)
    assert head[0] == 2, head
    received(connection, struct.unpack(">BxL", head)[1])
    return connection


def received(connection: socket.socket, size: int) -> bytes:
    """This many bytes, fewer where it was closed."""
    content = b""
    while len(content) < size and (part := connection.recv(size - len(content))):
        content += part
    return content


def until_closed(connection: socket.socket) -> bytes:
    """All that comes before the other side closes."""
    content = b""
    try:
        while part := connection.recv(65536):
            content += part
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    return content


def counted(listener: Any, name: str) -> dict[str, float]:
    """The values of a metric by its label."""
    text = generate_latest(listener.reception.metrics.registry).decode()
    return {label: float(value) for label, value in re.findall(rf'^{name}\{{\w+="(.*)"\}} (.+)$', text, re.MULTILINE)}


def commitment_request(*uids: str, transaction: str = "1.2.3.4.5", sop_class: str = CR) -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = uid
        request.ReferencedSOPSequence.append(item)
    return request


def failed_class(association: Any, film: Dataset, **announced: str) -> int:
    """The status of a C-STORE whose request names other UIDs than its data set."""
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = film.SOPClassUID
    request.AffectedSOPInstanceUID = announced.get("SOPInstanceUID", film.SOPInstanceUID)
    request.Priority = 0
    request.DataSet = io.BytesIO(encode(film, is_implicit_vr=False, is_little_endian=True))
    (context,) = association.accepted_contexts
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status
