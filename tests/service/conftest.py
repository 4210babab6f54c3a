"""A tiny bundle, an app that serves it, and a client that calls the app in this process."""

from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from service.app import create_app
from service.capacity import threads
from service.engine.engine import EngineOpener, OnnxEngine
from service.libraries import configure_libraries
from service.models import child_prover
from tests.films import encode
from tests.service.bundles import write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.dicomweb.archive import FakeArchive

Client = httpx2.AsyncClient
Serve = Callable[..., AbstractAsyncContextManager[Client]]


def dots(gray: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Black and white dots of this mean: a film of one gray has too little contrast to be answered."""
    values = 255 * np.diff(np.arange(rows * columns + 1) * gray // 255)
    return values.reshape(rows, columns).astype(np.uint8)


def halves(above: int, below: int, *, rows: int = 40, columns: int = 32) -> bytes:
    """A film of two means: the brighter it is above, the more it looks like one of an adult to the tiny guide."""
    film = np.concatenate([dots(above, rows // 2, columns), dots(below, rows // 2, columns)])
    return encode(film, ".png")


def flat_film(gray: int, *, rows: int = 40, columns: int = 32, extension: str = ".png") -> bytes:
    """A film of this mean: 200 is PNEUMONIA to the tiny network, 60 is NORMAL."""
    return encode(dots(gray, rows, columns), extension)


@pytest.fixture(autouse=True, scope="session")
def _libraries() -> None:
    """As `python -m service` does first of all."""
    configure_libraries()


@pytest.fixture(autouse=True)
def _no_thread_gives_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside tests on every core, what loads a bundle would get a seventieth of one, and a test wait for minutes."""
    if request.node.get_closest_marker("niceness") is None:
        monkeypatch.setattr(threads, "_give_way", lambda _niceness: None)
        monkeypatch.setattr(child_prover, "_NICENESS", 0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with one correct bundle; read only."""
    models_dir = tmp_path_factory.mktemp("models")
    write_tiny_bundle(models_dir)
    return models_dir


@pytest.fixture(scope="session")
def timm_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with maps in its graph and weights beside it; read only."""
    from tests.service.timm_bundle import write_timm_bundle  # torch, for the tests that ask for it

    return write_timm_bundle(tmp_path_factory.mktemp("timm"))


@pytest.fixture
def serve(tiny_models: Path) -> Serve:
    """Start an app with other settings than the default, and call it: `async with serve(max_queue=2) as client`."""

    @asynccontextmanager
    async def start(*, open_engine: EngineOpener = OnnxEngine.open, **settings: object) -> AsyncIterator[Client]:
        chosen = {"models_dir": tiny_models, "concurrent_runs": 2, "decode_workers": 2} | settings
        app = create_app(settings_of(**chosen), open_engine)
        async with app.running():
            transport = httpx2.ASGITransport(app)
            async with Client(transport=transport, base_url="http://localhost") as client:
                client.app = app  # type: ignore[attr-defined] # for tests that look inside
                client.services = app.services  # type: ignore[attr-defined] # the same
                client.intake = app.api.state.intake  # type: ignore[attr-defined] # the same
                yield client

    return start


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file of an audit log."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def spool_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/spool/spool.db"


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    fake = FakeArchive()
    yield fake
    fake.close()


@pytest.fixture
def serve_dicomweb(serve: Serve, spool_url: str) -> Serve:
    """As `serve`, with DICOMweb on."""
    return lambda **settings: serve(dicomweb=True, spool_url=spool_url, **settings)


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[Client]:
    """An app with the default settings."""
    async with serve() as started:
        yield started


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The events that our code logs."""
    with structlog.testing.capture_logs() as events:
        yield events
