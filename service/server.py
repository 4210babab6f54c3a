"""The server: it loads the bundles, listens, and drains when a signal asks for the end."""

import asyncio
import os
import socket
import threading
import time
from functools import partial
from types import FrameType
from typing import Final

import structlog
import uvicorn

from imaging.libraries import load_formats
from schemas.errors import InternalError
from service.commands.command import ExitCode
from service.http.current import is_alive
from service.http.outer.application import Application
from service.listener.connection import Connection
from service.listener.connections import Connections
from service.notification import Notification
from service.settings import ServerSettings

_TICKS_A_SWEEP: Final = 10
"""uvicorn ticks ten times a second."""
_REPORT_S: Final = 0.5
REQUESTS_SHARE: Final = 0.8
"""Of the grace; the rest is for closing the spool and the audit log."""

log = structlog.get_logger("service")


class _End:
    """Ends the process at the end of its grace, whatever hangs: a run of the network, a disk, a library.

    The thread exists from the start, and a signal's handler writes one byte: it may run while any lock is held.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._reading, self._writing = os.pipe()
        threading.Thread(target=self._wait, name="end", daemon=True).start()

    def begin(self) -> None:
        """Let the time run; a second call changes nothing."""
        os.write(self._writing, b"!")

    def _wait(self) -> None:
        os.read(self._reading, 1)
        time.sleep(self._grace_s - _REPORT_S)
        # Not here: standard error may be a pipe that nobody empties.
        report = threading.Thread(target=log.critical, args=("exit_forced",), kwargs={"grace_s": self._grace_s})
        report.daemon = True
        report.start()
        report.join(_REPORT_S)
        os._exit(ExitCode.FAILED)


class Server(uvicorn.Server):
    """uvicorn, which logs when films can be sent, and closes connections that wait too long.

    It uses `on_tick` and `force_exit`, which uvicorn does not document; the locked version, 0.54, is tested.
    """

    def __init__(
        self, app: Application, settings: ServerSettings, notification: Notification, *, decodes: bool = False
    ) -> None:
        """`decodes`: whether threads of this process read films, and want children for compressed ones."""
        self._app = app
        self._starts_child = decodes and app.services.decode.children_at_start
        self._notification = notification
        self._services = app.services
        self._connections = Connections(app.services.connections, app.services.metrics)
        super().__init__(_config(app, settings, self._connections))
        self._drain_s = settings.drain_s
        self._drained_at: float | None = None
        self._end_s = settings.drain_s + settings.shutdown_grace_s
        self._end = _End(self._end_s)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for the end: from now on the time runs; what is only being loaded is not waited for."""
        self._end.begin()
        self._notification.stopping(self._end_s)
        if not self.started:
            self._services.stop_loading()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the bundles, then listen."""
        await super().startup(sockets)
        if self.started:
            self._notification.ready()
        if self.started and (live := self._services.deployments.live):
            log.info("service_ready", bundle=", ".join(str(each.address) for each in live))
        if self.started:
            threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    async def on_tick(self, counter: int) -> bool:
        """Drain before the listener closes: not ready, but still there to answer so; a second Ctrl-C ends that."""
        if counter % _TICKS_A_SWEEP == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
            if is_alive(self._app.api):
                self._notification.alive()
        if not await super().on_tick(counter):
            return False
        self._services.admission.drain()
        self._drained_at = self._drained_at or time.monotonic() + self._drain_s
        return self.force_exit or time.monotonic() >= self._drained_at

    def _prepare(self) -> None:
        """Do what the first films would wait for; not before the service is ready, whose start it would delay."""
        load_formats()
        if not self._starts_child:
            return
        try:
            self._services.frame_decoder.start_child()
        except InternalError as error:
            log.warning("decode_child_not_started", reason=str(error))


def _config(app: Application, settings: ServerSettings, connections: Connections) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=partial(Connection, shared=connections, metrics=app.services.metrics),  # type: ignore[arg-type] # it is called
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s * REQUESTS_SHARE,  # type: ignore[arg-type] # any number will do
    )
