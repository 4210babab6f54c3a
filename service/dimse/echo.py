"""C-ECHO as SCU: whether an application entity answers.

Source: DICOM PS3.4 A.
"""

import dataclasses

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined] # made at run time

from schemas.errors import PacsUnreachableError, SettingsError
from service.dimse.calling import Line
from service.dimse.statuses import SUCCESS
from service.dimse.tls import calling_context, peer_context
from service.settings import Peer, Settings
from service.settings.dimse import peer_of


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
