"""The end of a service that has sixteen films in hand: each is answered."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.load import Clients, films, statuses
from benchmarks.resilience.server import choose, running, until
from benchmarks.resilience.table import Row, counted
from benchmarks.resilience.versions import other_version, two_versions

_IN_FLIGHT = 16
_GRACE_S = 10


async def drain(folder: Path) -> list[Row]:
    """By POST /admin/drain, by SIGTERM, and by SIGTERM while another bundle is loaded."""
    models = two_versions(folder)
    first = (models / "current").read_text().strip()

    def load_another(lever: Lever) -> None:
        """Its self-test runs on the engine, which is held: the load cannot end before the drain begins."""
        before = lever.films
        choose(models, other_version(models, first))
        until(lambda: lever.films > before, "another bundle is being loaded")

    def nothing(_lever: Lever) -> None:
        pass

    return [
        *await _drain("POST /admin/drain", folder / "asked", models, nothing, asked=True),
        *await _drain("SIGTERM", folder / "told", models, nothing, asked=False),
        *await _drain("SIGTERM while a bundle loads", folder / "loading", models, load_another, asked=False),
    ]


async def _drain(
    name: str, lever_file: Path, models: Path, before: Callable[[Lever], None], *, asked: bool
) -> list[Row]:
    lever = Lever(lever_file)
    body = films()[0]
    settings = {"models_dir": models, "model_poll_s": 0.1, "drain_s": 2, "shutdown_grace_s": _GRACE_S}
    with running(lever=lever.file, **settings) as server:
        clients = Clients(server.port)
        lever.pull(Order.HOLD)
        flying = [asyncio.create_task(clients.post("/predict", body)) for _ in range(_IN_FLIGHT)]
        await asyncio.to_thread(
            until, lambda: server.metric("cxr_inflight_images") == _IN_FLIGHT, "films are in flight"
        )
        await asyncio.to_thread(before, lever)
        if asked:
            server.ask("POST", "/admin/drain")
        else:
            server.terminate()
        await asyncio.to_thread(until, lambda: server.status("/readyz") != 200, "it is not ready")
        ready = server.status("/readyz")
        late = await clients.post("/predict", body)
        released = time.perf_counter()
        lever.pull(Order.RUN)
        answers = await asyncio.gather(*flying)
        clients.close()
        if asked:
            released = time.perf_counter()
            server.terminate()
        code = await asyncio.to_thread(server.process.wait, 60)
        lasted = time.perf_counter() - released
    name = f"drain, {name}"
    return [
        Row(name, "/readyz, a new film", f"{ready}, {late.status}", "503, 503", (ready, late.status) == (503, 503)),
        Row(name, "16 in flight", counted(answers), "16 x 200", statuses(answers) == {200: _IN_FLIGHT}),
        Row(
            name, "exit status, time", f"{code}, {lasted:.1f} s", f"0, < {_GRACE_S} s", code == 0 and lasted < _GRACE_S
        ),
    ]
