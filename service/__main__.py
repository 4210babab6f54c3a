"""`python -m service`: start the service with the settings of the environment."""

import signal
import sys
from types import FrameType

import uvicorn

from schemas.errors import SettingsError
from service import logs
from service.app import create_app
from service.engine import require_provider
from service.settings import load_settings


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; 2 where the settings are refused."""
    try:
        settings = load_settings()
        require_provider(settings.provider)
    except SettingsError as error:
        print(f"refused to start: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    # uvicorn drains at SIGTERM and then raises the signal again for whoever asked before it: that is us.
    signal.signal(signal.SIGTERM, _exit)
    uvicorn.run(
        create_app(settings),
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
    return 0


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
