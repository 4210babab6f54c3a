"""`python -m service`: start the service with the settings of the environment."""

import contextlib
import signal
import socket
import sys
import time
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from schemas.errors import SettingsError
from service import logs
from service.app import create_app
from service.audit.command import audit_command
from service.deidentification.command import deidentify_command
from service.engine import require_provider
from service.explanations import require_backend
from service.security.command import keys_command
from service.serving import Service
from service.settings import Settings, load_settings

REFUSED, NOT_STARTED = 2, 3


class Server(uvicorn.Server):
    """uvicorn, which says so once films can be sent."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the bundle, then listen."""
        await super().startup(sockets)
        if self.started and (serving := self._service.deployment.serving) is not None:
            structlog.get_logger("service").info("service_ready", bundle=str(serving.address))

    async def on_tick(self, counter: int) -> bool:
        """Drain before the listener closes: not ready, but still there to say so; a second Ctrl-C ends that."""
        if not await super().on_tick(counter):
            return False
        self._service.admission.drain()
        self._drained_at = self._drained_at or time.monotonic() + self._service.settings.drain_s
        return self.force_exit or time.monotonic() >= self._drained_at


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; 2 where the settings are refused, 3 where the start fails. Or run a command."""
    if sys.argv[1:2] == ["keys"]:
        return keys_command(sys.argv[2:])
    if sys.argv[1:2] == ["audit"]:
        return audit_command(sys.argv[2:])
    if sys.argv[1:2] == ["deidentify"]:
        return deidentify_command(sys.argv[2:])
    try:
        settings = load_settings()
        require_provider(settings.provider)
        require_backend(settings.explain_backend)
        app = create_app(settings)
    except SettingsError as error:
        print(f"refused to start: {error}", file=sys.stderr)
        return REFUSED
    logs.configure(settings.log_format)
    # uvicorn drains at SIGTERM and then raises the signal again for whoever asked before it: that is us.
    signal.signal(signal.SIGTERM, _exit)
    server = Server(_config(app, settings), app.state.service)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn once it has drained
        server.run()
    return 0 if server.started else NOT_STARTED


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
