"""uvicorn, which logs when films can be sent, closes what waits too long, and drains before it ends."""

import asyncio
import socket
import time
from functools import partial
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from service.listener.connection import Connection
from service.listener.connections import Connections
from service.services import Services
from service.settings import ServerSettings

_TICKS_A_SWEEP: Final = 10
"""uvicorn ticks ten times a second."""


class Server(uvicorn.Server):
    """It uses `on_tick` and `force_exit`, which uvicorn does not document; the locked version, 0.54, is tested."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, services: Services) -> None:
        """Prepare; nothing listens yet."""
        self._connections = Connections(services.connections, services.metrics)
        super().__init__(_config(app, settings, self._connections, services))
        self._services = services
        self._drain_s = settings.drain_s
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the bundle, then listen."""
        await super().startup(sockets)
        if self.started and (live := self._services.deployment.live) is not None:
            structlog.get_logger("service").info("service_ready", bundle=str(live.address))

    async def on_tick(self, counter: int) -> bool:
        """Drain before the listener closes: not ready, but still there to answer so; a second Ctrl-C ends that."""
        if counter % _TICKS_A_SWEEP == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
        if not await super().on_tick(counter):
            return False
        self._services.admission.drain()
        self._drained_at = self._drained_at or time.monotonic() + self._drain_s
        return self.force_exit or time.monotonic() >= self._drained_at


def _config(app: ASGIApp, settings: ServerSettings, connections: Connections, services: Services) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=partial(Connection, shared=connections, metrics=services.metrics),  # type: ignore[arg-type]  # it is called
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
