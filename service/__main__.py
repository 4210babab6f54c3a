"""`python -m service`: start the service with the settings of the environment, or run one of its commands."""

import argparse
import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Final

import structlog
import uvicorn

from bundle.session import require_provider
from imaging.memory.allocator import keep_one_heap
from schemas.errors import SettingsError
from schemas.version import VERSION
from service import logs
from service.app import Application, create_app
from service.commands.audit import audit_command
from service.commands.command import Command, ExitCode
from service.commands.deidentify import deidentify_command
from service.commands.keys import keys_command
from service.commands.predict import client_command, predict_command
from service.engine.engine import EngineOpener, OnnxEngine
from service.engine.explain_backend import require_backend
from service.libraries import configure_libraries
from service.services import Services
from service.settings import ServerSettings, load_settings

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (predict_command, client_command, keys_command, audit_command, deidentify_command)
}


class Server(uvicorn.Server):
    """uvicorn, which logs when films can be sent.

    It uses `on_tick` and `force_exit`, which uvicorn does not document; the locked version, 0.54, is tested.
    """

    def __init__(self, config: uvicorn.Config, services: Services, drain_s: float) -> None:
        super().__init__(config)
        self._services = services
        self._drain_s = drain_s
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the bundle, then listen."""
        await super().startup(sockets)
        if self.started and (live := self._services.deployment.live) is not None:
            structlog.get_logger("service").info("service_ready", bundle=str(live.address))

    async def on_tick(self, counter: int) -> bool:
        """Drain before the listener closes: not ready, but still there to answer so; a second Ctrl-C ends that."""
        if not await super().on_tick(counter):
            return False
        self._services.admission.drain()
        self._drained_at = self._drained_at or time.monotonic() + self._drain_s
        return self.force_exit or time.monotonic() >= self._drained_at


def main() -> int:
    """Run the command that is named, or else serve; returns an `ExitCode`."""
    configure_libraries()
    keep_one_heap()
    name = _parser().parse_args(sys.argv[1:2]).command
    if name is None:
        return serve()
    if name not in COMMANDS:
        print(
            f"refused: unknown command {name}; available: {', '.join(COMMANDS)}; omit it to start the server",
            file=sys.stderr,
        )
        return ExitCode.REFUSED
    return COMMANDS[name](sys.argv[2:])


def serve(open_engine: EngineOpener = OnnxEngine.open) -> int:
    """Serve until SIGTERM or Ctrl-C; returns an `ExitCode`.

    Args:
        open_engine: how the network of a bundle is opened.
    """
    try:
        settings = load_settings()
        require_provider(settings.engine.provider)
        require_backend(settings.engine.explain_backend, threads=settings.engine.intra_op_threads)
        app = create_app(settings, open_engine)
    except SettingsError as error:
        print(f"refused to start: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    logs.configure(settings.logs.format)
    # The 200,000 objects that exist now stay until the end; Python would look through them again and again, and answer
    # nothing for 150 ms each time.
    gc.collect()
    gc.freeze()
    # uvicorn drains at SIGTERM, and then raises the signal again for the handler that was there before: this one.
    signal.signal(signal.SIGTERM, _exit)
    server = Server(_config(app, settings.server), app.services, settings.server.drain_s)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn once it has drained
        server.run()
    return ExitCode.DONE if server.started else ExitCode.NOT_STARTED


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {command.name:<12}{command.description}" for command in COMMANDS.values())
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Without a command, start the server with the CXR_ settings of the environment.",
        epilog=f"commands (COMMAND --help lists the options of each):\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cxr-classifier {VERSION}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of the commands below; default: serve")
    return parser


def _config(app: Application, settings: ServerSettings) -> uvicorn.Config:
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
