"""A listener in this process, with a stand-in for the service behind it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from service.dimse.listener import Listener, serve
from service.dimse.process import listening
from tests.service.chosen import settings_of
from tests.service.dicomweb.conftest import postgresql, postgresql_url
from tests.service.dimse.desk import FakeService

__all__ = ["postgresql", "postgresql_url"]

Listen = Callable[..., Listener]


@pytest.fixture
def service() -> Iterator[FakeService]:
    fake = FakeService()
    yield fake
    fake.close()


@pytest.fixture
def listen(service: FakeService) -> Iterator[Listen]:
    """Start a listener with settings by their names: `listen(dimse_calling_titles=("MODALITY",))`."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Listener:
            chosen = {"dimse_port": 0, "dimse_service_url": service.url} | settings
            listener = stack.enter_context(listening(settings_of(**chosen)))
            thread = threading.Thread(target=serve, args=(listener,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown)
            return listener

        yield started


@pytest.fixture
def port(listen: Listen) -> int:
    """Of a listener with the default settings."""
    return listen().server_address[1]
