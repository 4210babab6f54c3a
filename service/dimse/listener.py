"""The listener: pynetdicom's server with a door before it, and one association for each connection that passes."""

import contextlib
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined] # made at run time
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from service.dicomweb.instance import FILM_CLASSES
from service.dimse.bounded import BoundedDimse, BoundedSocket, Bounds, Room
from service.dimse.counters import DimseMetrics
from service.dimse.door import REQUEST_S, Door, DoorError, reject
from service.settings import DimseSettings

IMPLEMENTATION_UID: Final = "2.25.203470128512846912745608811904387654217"
"""Of this software, whatever its version: it stands in the stored file, whose digest must not change with a version."""
IMPLEMENTATION_NAME: Final = "CXRCLASSIFIER"
_POLL_S: Final = 0.5

Handler = tuple[Any, Callable[..., Any]]
"""An event of pynetdicom, and what answers it."""

log = structlog.get_logger("service.dimse")


@dataclass(frozen=True, slots=True)
class Reception:
    """What every association of the listener works with."""

    door: Door
    bounds: Bounds
    room: Room
    metrics: DimseMetrics


class _Guest(RequestHandler):
    """One connection, from its first byte to its end, in a thread of its own."""

    server: "Listener"

    def handle(self) -> None:
        """Let it in or refuse it, and wait until its association has ended."""
        reception = self.server.reception
        try:
            connection, request = reception.door.request_of(self.request)
        except DoorError as error:
            reception.metrics.connections.labels(str(error)).inc()
            self.server.shutdown_request(self.request)
            return
        try:
            self._associate(connection, request)
        finally:
            self.server.shutdown_request(connection)

    def _associate(self, connection: Any, request: bytes) -> None:
        reception = self.server.reception
        if refusal := reception.door.refusal_of(request, self.client_address[0]):
            log.warning("association_refused", reason=refusal.name)
            reception.metrics.connections.labels(refusal.name).inc()
            reject(connection, refusal)
            return
        try:
            self.request = connection
            association = self._create_association()
            dul: Any = association.dul
            dul.socket = BoundedSocket(association, connection, reception.bounds, request)
            dul.event_queue.get_nowait()  # pynetdicom's own socket has announced the connection; this one did again
            association.dimse = dimse = BoundedDimse(association, reception.bounds, reception.room)
            with reception.metrics.associations.track_inprogress():
                association.start()
                association.join()
                dimse.forget()
            result = "released" if association.is_released else "aborted" if association.is_aborted else "closed"
            reception.metrics.connections.labels(result).inc()
        finally:
            reception.door.leave()


class Listener(ThreadedAssociationServer):
    """Accepts connections; none of them waits for another one's handshake or request."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, reception: Reception, entity: ApplicationEntity, address: tuple[str, int], **options: Any
    ) -> None:
        self.reception = reception
        super().__init__(entity, address, entity.ae_title, request_handler=_Guest, **options)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and leave the handshake of TLS to the connection's thread."""
        return cast(socket.socket, self.socket).accept()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the address may call; else the connection is closed at once."""
        if self.reception.door.lets_in(client_address[0]):
            self.reception.door.begin(request)
            return True
        log.warning("association_refused", reason="address")
        self.reception.metrics.connections.labels("address").inc()
        return False

    def service_actions(self) -> None:
        """Between two looks at the listening socket."""
        self.reception.door.sweep()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread; where there is none, the connection is closed and the listener lives."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            log.error("thread_refused", reason="the system gives no more threads")  # noqa: TRY400 there is no more to say
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 the base class gives them
        """A connection's thread failed: a defect of ours. Its text is not logged: it may quote what was sent."""
        error = sys.exc_info()[0]
        log.error("connection_failed", error="unknown" if error is None else error.__name__)

    def shutdown(self) -> None:
        """Stop listening; associations go on."""
        with contextlib.suppress(ValueError):
            super().shutdown()


def open_listener(settings: DimseSettings, reception: Reception, handlers: Sequence[Handler]) -> Listener:
    """Bind the port.

    Raises:
        OSError: the address cannot be listened on.
    """
    _config.LOG_HANDLER_LEVEL = "none"  # its handlers write AE titles and whole data sets
    entity = ApplicationEntity(settings.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_UID
    entity.implementation_version_name = IMPLEMENTATION_NAME
    entity.maximum_associations = 10_000  # the door counts them
    entity.maximum_pdu_size = settings.max_pdu_bytes
    entity.acse_timeout = REQUEST_S
    entity.network_timeout = settings.idle_s
    entity.dimse_timeout = settings.idle_s
    commitment = build_context(StorageCommitmentPushModel)
    commitment.scu_role = True
    commitment.scp_role = True  # archives bring their answers on associations that they open, as SCP (PS3.4 J.3.3)
    contexts = [
        build_context(Verification),
        *(build_context(uid, list(TRANSFER_SYNTAXES)) for uid in FILM_CLASSES),
        commitment,
    ]
    server = Listener(reception, entity, (settings.host, settings.port), contexts=contexts, evt_handlers=list(handlers))
    entity._servers.append(server)  # noqa: SLF001 what `AE.start_server` does, which can make no server of our class
    return server


def serve(listener: Listener) -> None:
    """Until `shutdown` is called."""
    listener.serve_forever(poll_interval=_POLL_S)


def end_associations(listener: Listener, within_s: float) -> None:
    """Let those that are there end, for a while; then abort them."""
    for association in listener.active_associations:
        association.join(within_s)
    for association in listener.active_associations:
        association.abort()
