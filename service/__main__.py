"""`python -m service`: start the service with the settings of the environment."""

import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from bundle.session import require_provider
from schemas.errors import SettingsError
from service import logs
from service.app import create_app
from service.commands.audit import audit_command
from service.commands.deidentify import deidentify_command
from service.commands.keys import keys_command
from service.commands.predict import client_command, predict_command
from service.engine.engine import EngineOpener, OnnxEngine
from service.engine.heat_maps import require_backend
from service.services import Service
from service.settings import Settings, load_settings

REFUSED, NOT_STARTED = 2, 3

COMMANDS: Final[Mapping[str, Callable[[list[str]], int]]] = {
    "predict": predict_command,
    "client": client_command,
    "keys": keys_command,
    "audit": audit_command,
    "deidentify": deidentify_command,
}


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
    """Run the command that is named; else serve: 2 where the settings are refused, 3 where the start fails."""
    if len(sys.argv) > 1:
        return _run_command(sys.argv[1], sys.argv[2:])
    return serve()


def serve(open_engine: EngineOpener = OnnxEngine.open) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status.

    Args:
        open_engine: how the network of a bundle is opened.
    """
    try:
        settings = load_settings()
        require_provider(settings.provider)
        require_backend(settings.explain_backend)
        app = create_app(settings, open_engine)
    except SettingsError as error:
        print(f"refused to start: {error}", file=sys.stderr)
        return REFUSED
    logs.configure(settings.log_format)
    # What is there now stays until the end: 200,000 objects, which Python would look through again and again, and nothing
    # is answered for 150 ms each time.
    gc.collect()
    gc.freeze()
    # uvicorn drains at SIGTERM and then raises the signal again for whoever asked before it: that is us.
    signal.signal(signal.SIGTERM, _exit)
    server = Server(_config(app, settings), app.state.service)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn once it has drained
        server.run()
    return 0 if server.started else NOT_STARTED


def _run_command(name: str, arguments: list[str]) -> int:
    if name not in COMMANDS:
        print(f"refused: {name} is no command; there are {', '.join(COMMANDS)}; to serve, give none", file=sys.stderr)
        return REFUSED
    return COMMANDS[name](arguments)


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
