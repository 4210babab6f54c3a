"""The process of the DICOM network: made from settings, ended in order by a signal."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import structlog
from prometheus_client import start_http_server
from pynetdicom import evt

from imaging.limits import DecodeLimits
from schemas.errors import SettingsError
from service.dimse.bounded import Bounds, Room
from service.dimse.commitment import ANSWERING, Commitment
from service.dimse.counters import DimseMetrics
from service.dimse.door import Door
from service.dimse.hand_over import HandOver, open_hand_over
from service.dimse.listener import Handler, Listener, Reception, end_associations, open_listener, serve
from service.dimse.storage import Storage
from service.dimse.tls import accepting_context, peer_context
from service.notification import Notification
from service.settings import Settings

ENVELOPE_BYTES: Final = 4096
"""What a request of STOW-RS holds beside the object: file meta information, boundaries, headers of the part."""

log = structlog.get_logger("service.dimse")


def run(settings: Settings, notification: Notification) -> None:
    """Listen until SIGTERM or Ctrl-C, then let associations end for as long as the grace lasts.

    Raises:
        SettingsError: certificates cannot be read, or the port cannot be listened on.
    """
    threading.excepthook = _log_thread
    with listening(settings) as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not in the handler: it runs in the thread that serves, and shutdown waits for that thread.
            signal.signal(number, lambda *_: threading.Thread(target=listener.shutdown, daemon=True).start())
        notification.ready()
        log.info("dimse_ready", port=listener.server_address[1], tls=listener.reception.door.tls is not None)
        serve(listener)
        notification.stopping(settings.server.shutdown_grace_s)
        log.info("dimse_stopping")
        end_associations(listener, settings.server.shutdown_grace_s)
    # Threads of associations that hang in a library would keep the process: everything that counts is on the disk.
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def listening(settings: Settings) -> Iterator[Listener]:
    """The listener with all that it needs.

    Raises:
        SettingsError: certificates cannot be read, or the port cannot be listened on.
    """
    dimse = settings.dimse
    metrics = DimseMetrics()
    door = Door(dimse, accepting_context(dimse))
    bounds = Bounds(
        pdu_bytes=dimse.max_pdu_bytes,
        object_bytes=settings.limits.max_body_bytes - ENVELOPE_BYTES,
        idle_s=dimse.idle_s,
        object_s=settings.connections.upload_timeout_s,
    )
    reception = Reception(door, bounds, Room(settings.limits.max_inflight_bytes, metrics.object_bytes), metrics)
    limits = DecodeLimits(max_pixels=settings.limits.max_pixels)
    stopping = threading.Event()
    with ExitStack() as stack:
        threads = ThreadPoolExecutor(ANSWERING, "commitment")
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        stack.callback(stopping.set)
        hand_over = open_hand_over(dimse)
        commitment = Commitment(dimse, hand_over, metrics, threads, stopping, peer_context(dimse))
        handlers = _handlers(Storage(hand_over, limits, metrics), commitment)
        try:
            listener = open_listener(dimse, reception, handlers)
            if dimse.metrics_port is not None:
                server, _ = start_http_server(dimse.metrics_port, dimse.host, metrics.registry)
                stack.callback(server.shutdown)
        except OSError as error:
            msg = (
                f"CXR_DIMSE_HOST and CXR_DIMSE_PORT {dimse.port}, or CXR_DIMSE_METRICS_PORT, cannot be listened on "
                f"({error.strerror}); give an address of this machine and ports that are free"
            )
            raise SettingsError(msg) from error
        stack.callback(listener.server_close)
        yield listener


def _handlers(storage: Storage, commitment: Commitment) -> list[Handler]:
    return [
        (evt.EVT_C_ECHO, storage.echo),
        (evt.EVT_C_STORE, storage.store),
        (evt.EVT_N_ACTION, commitment.request),
        (evt.EVT_N_EVENT_REPORT, commitment.report),
    ]


def _log_thread(arguments: Any) -> None:
    """A thread ended by an error, as pynetdicom's do on bytes that it did not expect; a traceback may quote them."""
    with contextlib.suppress(Exception):
        log.warning("thread_ended", error=arguments.exc_type.__name__)


__all__ = ["HandOver", "listening", "run"]
