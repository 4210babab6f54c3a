"""How the server starts with the settings of the environment: what takes long is begun first."""

import gc
import os
import signal
import sys
from contextlib import nullcontext
from types import FrameType
from typing import Final

import structlog

from bundle.providers import require_provider
from imaging.libraries import forbid_core_dumps
from imaging.memory.allocator import keep_one_heap
from schemas.errors import SettingsError
from service import logs
from service.commands.command import ExitCode
from service.engine.engine import EngineOpener
from service.engine.explain_backend import require_backend
from service.films.codec_server import fork_codec_server
from service.films.lean_imports import bring_gdcm, import_fastapi
from service.films.nursery import FORKS, Nursery
from service.libraries import configure_libraries
from service.models.child_prover import ChildProver
from service.models.head_start import Begun, HeadStart
from service.notification import Notification
from service.settings import Settings, injected_variables, load_settings
from service.tracing.switch import TracingSettings

_SWITCH_S: Final = 0.001
"""How long a thread may go on in Python while another one waits to; by default 5 ms, in which a core was idle that a
film had come back to from a library: 1.00 and 1.04 times as many films with 8 clients, 1.07 times with 32."""

log = structlog.get_logger("service")


def serve(open_engine: EngineOpener | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; returns an `ExitCode`.

    Args:
        open_engine: how the network of a bundle is opened; None: by ONNX Runtime.
    """
    sys.setswitchinterval(_SWITCH_S)
    notification = Notification.from_environment()
    forbid_core_dumps()
    configure_libraries()
    keep_one_heap()
    # What exists now stays until the end, in this process and in those that are forked from it, which share it.
    gc.freeze()
    try:
        settings = load_settings()
        logs.configure(settings.logs.format)
        require_provider(settings.engine.provider)
        require_backend(settings.engine.explain_backend, threads=settings.engine.intra_op_threads)
        prover = ChildProver(settings.models, settings.engine)
        with prover.running():  # before there is a second thread
            return _serve(settings, notification, prover, open_engine)
    except SettingsError as error:
        print(f"refused to start: {error}", file=sys.stderr)
        return ExitCode.REFUSED


def _serve(
    settings: Settings, notification: Notification, prover: ChildProver, open_engine: EngineOpener | None
) -> int:
    """Raises SettingsError where the start is refused."""
    nursery = Nursery() if FORKS and settings.engine.may_read_in_processes and open_engine is None else None
    if nursery is None:
        fork_codec_server()
    else:
        bring_gdcm()
    # uvicorn drains at SIGTERM, and then raises the signal again for the handler that was there before: this one.
    signal.signal(signal.SIGTERM, _exit)
    begun = Begun(prover, nursery)
    if nursery is None and open_engine is None and (start := HeadStart.of(settings, prover)) is not None:
        begun = Begun(prover, ahead=start.take)

    # A third of all imports and FastAPI's: meanwhile the bundle is proved and loaded.
    import_fastapi()
    from service.app import create_app
    from service.server import Server

    app = create_app(settings, open_engine, begun, TracingSettings.of(os.environ))
    _warn_of_injected_variables()
    # The 200,000 objects that exist now stay until the end; Python would look through them again and again, and answer
    # nothing for 150 ms each time.
    gc.freeze()
    gc.enable()
    with nursery.running() if nursery else nullcontext():  # before there is a second thread
        server = Server(app, settings.server, notification, decodes=nursery is None)
        try:
            server.run()
        except KeyboardInterrupt:  # raised again by uvicorn once it has drained
            pass
        except SystemExit as end:  # by uvicorn, where the start failed, and by `_exit`
            if app.refusal is None:
                raise
            raise SettingsError(app.refusal) from end
    return ExitCode.DONE if server.started else ExitCode.NOT_STARTED


def _warn_of_injected_variables() -> None:
    if injected := sorted(injected_variables(os.environ)):
        remedy = "rename the Service, or set enableServiceLinks: false in the pod"
        log.warning("variables_ignored", names=injected, reason="addresses of other containers", remedy=remedy)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
