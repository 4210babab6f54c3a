"""The process of the task performer: made from settings, ended in order by a signal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

import structlog
from prometheus_client import start_http_server

from imaging.limits import DecodeLimits
from schemas.errors import (
    CxrError,
    NotReadyError,
    PacsUnreachableError,
    SettingsError,
    UnavailableError,
    WorklistUnreachableError,
)
from service.dicomweb.tables import open_engine
from service.security.watched_file import warn_of_open_file
from service.settings import Settings
from service.worklist.calls import Caller, open_client, trusting
from service.worklist.channel import Channel
from service.worklist.counters import WorklistMetrics
from service.worklist.desk import Desk
from service.worklist.origin import Origin
from service.worklist.performer import Partners, Performer
from service.worklist.register import Register, metadata
from service.worklist.reports import Archive
from service.worklist.source import Source

TURN_S: Final = 0.5
"""The longest rest between two turns."""
SERVICE_S: Final = 25.0
"""For the service's answer."""

log = structlog.get_logger("service.worklist")


def run(settings: Settings) -> None:
    """Work until SIGTERM or Ctrl-C; what is not done is done after the next start.

    Raises:
        SettingsError: a setting cannot be honoured.
    """
    stopping = threading.Event()
    with performing(settings) as performer:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        log.info("worklist_ready", claims=performer.register.count())
        while not stopping.is_set():
            try:
                performer.turn()
            except CxrError as error:  # the register's database may be away for a while
                log.error("turn_failed", code=error.code, reason=str(error))  # noqa: TRY400 no traceback for an outage
            except Exception as error:  # noqa: BLE001 supervisor: a defect of ours; the next turn begins anew
                log.error("turn_failed", error=type(error).__name__)  # noqa: TRY400 a traceback may quote a workitem
            stopping.wait(min(TURN_S, performer.settings.poll_s))
        log.info("worklist_stopping")


@contextmanager
def performing(settings: Settings) -> Iterator[Performer]:
    """The performer with all that it needs.

    Raises:
        SettingsError: a setting is missing or cannot be honoured.
    """
    chosen = settings.worklist
    if chosen.url is None:
        msg = "there is no worklist to work on; set CXR_WORKLIST_URL, and which of its work is meant for this program"
        raise SettingsError(msg)
    for file in filter(None, (chosen.token_file, chosen.login_file, chosen.api_key_file)):
        warn_of_open_file(file, secret=True)
    metrics = WorklistMetrics()
    with ExitStack() as stack:
        engine = stack.enter_context(open_engine(chosen.database_url, "CXR_WORKLIST_DATABASE_URL", metadata))
        register = Register(engine, chosen.lease_s)
        context = trusting(chosen.ca_file, "CXR_WORKLIST_CA_FILE")
        client = stack.enter_context(open_client(chosen.url, chosen.timeout_s, context))
        caller = Caller(client, "the worklist", WorklistUnreachableError, chosen.token_file, chosen.login_file)
        origin = Origin(caller, chosen)
        channel = Channel(chosen.url, context, caller.credentials, partial(_note_request, register))
        stack.callback(channel.stop)
        watch = partial(_subscribe, origin, channel) if chosen.subscribe else _hear_nothing
        partners = Partners(origin, _source(settings, stack), _desk(settings, stack), _archive(settings), watch)
        if chosen.metrics_port is not None:
            try:
                server, _ = start_http_server(chosen.metrics_port, "127.0.0.1", metrics.registry)
            except OSError as error:
                msg = f"CXR_WORKLIST_METRICS_PORT cannot be listened on ({error.strerror}); give a port that is free"
                raise SettingsError(msg) from error
            stack.callback(server.shutdown)
        yield Performer(partners, register, chosen, metrics)


def _source(settings: Settings, stack: ExitStack) -> Source:
    chosen, pacs = settings.worklist, settings.pacs
    url = chosen.source_url or pacs.url
    if url is None:
        msg = "nothing says where the films of workitems are; set CXR_WORKLIST_SOURCE_URL, or CXR_PACS_URL"
        raise SettingsError(msg)
    context = trusting(pacs.ca_file, "CXR_PACS_CA_FILE")
    client = stack.enter_context(open_client(url, chosen.timeout_s, context))
    caller = Caller(client, "the PACS", PacsUnreachableError, pacs.token_file, pacs.login_file)
    return Source(caller, DecodeLimits(max_pixels=settings.limits.max_pixels), settings.limits.max_body_bytes)


def _desk(settings: Settings, stack: ExitStack) -> Desk:
    context = trusting(None, "SSL_CERT_FILE")
    client = stack.enter_context(open_client(settings.worklist.service_url, SERVICE_S, context))
    return Desk(Caller(client, "the service", NotReadyError, key_file=settings.worklist.api_key_file))


def _archive(settings: Settings) -> Archive:
    dimse = settings.pacs.dimse
    return Archive(settings.pacs.url or settings.worklist.source_url, None if dimse is None else dimse.title)


def _subscribe(origin: Origin, channel: Channel, workitem_uid: str) -> None:
    """Hear of requests to cancel it; a worklist without event reports is none the worse."""
    try:
        address = origin.subscribe(workitem_uid)
    except UnavailableError as error:
        log.warning("not_subscribed", code=error.code)
        return
    if address is not None:
        channel.listen(address)


def _hear_nothing(_workitem_uid: str) -> None:
    """Requests to cancel are not asked for."""


def _note_request(register: Register, workitem_uid: str) -> None:
    if register.ask_to_cancel(workitem_uid):
        log.info("cancellation_requested")
