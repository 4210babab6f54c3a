"""`python -m service`: start the service with the settings of the environment, or run one of its commands."""

import argparse
import contextlib
import gc
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Final

from bundle.session import require_provider
from schemas.errors import SettingsError
from schemas.version import VERSION
from service import logs
from service.app import create_app
from service.commands.audit import audit_command
from service.commands.command import Command, ExitCode
from service.commands.deidentify import deidentify_command
from service.commands.keys import keys_command
from service.commands.predict import client_command, predict_command
from service.engine.engine import EngineOpener, OnnxEngine
from service.engine.explain_backend import require_backend
from service.libraries import configure_libraries
from service.listener.server import Server
from service.settings import load_settings

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (predict_command, client_command, keys_command, audit_command, deidentify_command)
}


def main() -> int:
    """Run the command that is named, or else serve; returns an `ExitCode`."""
    configure_libraries()
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
    server = Server(app, settings.server, app.services)
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


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
