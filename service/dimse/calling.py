"""Associations that are opened from here: to an archive, to a caller that expects an answer, to try a connection."""

import dataclasses
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined] # made at run time
from pynetdicom.transport import AddressInformation, AssociationSocket

from schemas.errors import PacsUnreachableError, SettingsError
from service.dimse.bounded import read_exactly
from service.dimse.listener import IMPLEMENTATION_NAME, IMPLEMENTATION_UID, Handler
from service.dimse.statuses import SUCCESS
from service.dimse.tls import calling_context, peer_context
from service.settings import Peer, Settings
from service.settings.dimse import peer_of

_LARGEST_PDU_BYTES: Final = 1024 * 1024
_OWN_PDU_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Line:
    """To whom associations are opened, and how."""

    own_title: str
    peer: Peer
    timeout_s: float
    """For the connection, and for each answer."""
    tls: ssl.SSLContext | None = None

    @contextmanager
    def association(
        self, contexts: Sequence[PresentationContext], roles: Sequence[Any] = (), handlers: Sequence[Handler] = ()
    ) -> Iterator[Association]:
        """An association, released at the end, aborted where the block raises.

        Raises:
            PacsUnreachableError: there is none.
        """
        entity = _Entity(self.own_title, self.timeout_s)
        try:
            association = entity.associate(
                self.peer.host,
                self.peer.port,
                list(contexts),
                self.peer.title,
                _OWN_PDU_BYTES,
                list(roles) or None,
                None,
                (self.tls, self.peer.host) if self.tls else None,
                list(handlers),
            )
        except OSError as error:  # its name is not known
            raise PacsUnreachableError(_reason("its name is not known")) from error
        if not association.is_established:
            raise PacsUnreachableError(_reason(_refusal(association)))
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()


class _Entity(ApplicationEntity):
    """pynetdicom's entity; what it waits for ends."""

    def __init__(self, title: str, timeout_s: float) -> None:
        _config.LOG_HANDLER_LEVEL = "none"  # its handlers write AE titles and whole data sets
        super().__init__(title)
        self.implementation_class_uid = IMPLEMENTATION_UID
        self.implementation_version_name = IMPLEMENTATION_NAME
        self.connection_timeout = timeout_s
        self.acse_timeout = timeout_s
        self.dimse_timeout = timeout_s
        self.network_timeout = 2 * timeout_s

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: Any) -> AssociationSocket:
        connection = _Socket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


class _Socket(AssociationSocket):
    """The connection of an association; pynetdicom's own waits for ever in the middle of a PDU."""

    is_reached = False
    """Whether there was ever a connection, TLS included."""

    def connect(self, primitive: Any) -> None:
        """Connect, and remember whether that worked."""
        super().connect(primitive)
        self.is_reached = self._is_connected

    def _shutdown_socket(self) -> None:
        """Close it; pynetdicom leaves one that was never connected to the garbage collector."""
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()

    def recv(self, nr_bytes: int) -> bytearray:
        """Read this many bytes in time.

        Raises:
            OSError: the PDU is longer than any archive sends, or late, or the connection broke.
        """
        if nr_bytes > _LARGEST_PDU_BYTES:
            msg = "the PDU is longer than the bound"
            raise OSError(msg)
        return read_exactly(self.socket, nr_bytes, self.assoc.connection_timeout or 1.0)


def _refusal(association: Association) -> str:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        # Numbers of PS3.8 table 9-21; an archive's own words do not exist.
        return (
            f"it rejected the association (source {answer.result_source}, reason {answer.diagnostic}: 1/3 calling and "
            "1/7 called AE title, 3/2 too many associations); enter CXR_DIMSE_AE_TITLE there"
        )
    if not getattr(association.dul.socket, "is_reached", False):
        return "nothing listens at its address, or TLS does not come about; check host, port and certificates"
    return "it ended the connection, gave no answer, or accepts none of the SOP classes; see its log"


def _reason(why: str) -> str:
    return f"no association: {why}; it is tried again"


def echo(settings: Settings, address: str | None) -> str:
    """Ask once; returns a line for a person.

    Args:
        settings: own title, certificates.
        address: AETITLE@HOST:PORT; None: the process of these settings.

    Raises:
        SettingsError: the address is none.
        PacsUnreachableError: it does not answer.
    """
    line = _line(settings, address)
    with line.association([build_context(Verification)]) as association:
        status = association.send_c_echo()
    if "Status" not in status or status.Status != SUCCESS:
        msg = "the association was accepted, and C-ECHO was not answered with success"
        raise PacsUnreachableError(msg)
    return f"{line.peer.title}@{line.peer.host}:{line.peer.port} answers"


def _line(settings: Settings, address: str | None) -> Line:
    dimse = settings.dimse
    host = "127.0.0.1" if dimse.host in ("0.0.0.0", "::") else dimse.host  # noqa: S104 compared, not listened on
    own = Line(dimse.ae_title, Peer(dimse.ae_title, host, dimse.port), settings.pacs.timeout_s, peer_context(dimse))
    if address is None:
        return own
    try:
        peer = peer_of(address)
    except ValueError as error:
        msg = f"{address!r} {error}"
        raise SettingsError(msg) from error
    tls = calling_context(settings.pacs) if peer == settings.pacs.dimse else own.tls
    return dataclasses.replace(own, peer=peer, tls=tls)
