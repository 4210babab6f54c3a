"""SIGKILL again and again while films of the spool are analysed: no film is lost, and none is blamed by chance."""

import json
import random
from functools import partial
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.server import Server, until
from benchmarks.resilience.table import Row
from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import film, stow

_FILMS = 40
_KILLS = 20
_KILLS_SHORT = 6
_SEED = 5


def kills(folder: Path, *, full: bool) -> list[Row]:
    """Each time the films in hand are held in the network, so that the kill meets them."""
    models = folder / "models"
    write_tiny_bundle(models)
    lever = Lever(folder / "lever")
    settings = {"models_dir": models, "dicomweb": "true", "spool_url": f"sqlite:///{folder}/spool/spool.db"}
    choose = random.Random(_SEED)  # noqa: S311 it chooses moments, not keys
    times = _KILLS if full else _KILLS_SHORT
    for number in range(times):
        lever.pull(Order.RUN)
        server = Server(lever=lever.file, decode_workers=4, **settings)
        server.wait_until_ready()
        if number == 0:
            for first in range(0, _FILMS, 20):
                sent = stow(*(film(f"film {index}") for index in range(first, first + 20)))
                server.ask("POST", "/dicomweb/studies", sent["content"], sent["headers"])
        before = lever.films  # first: all that may be in hand at once could be held before a later look
        lever.pull(Order.HOLD)
        if choose.random() < 0.8:  # else it is killed where it is
            until(partial(_in_hand, lever, before, server), "a film is in hand")
        server.process.kill()
        server.process.wait()
    lever.pull(Order.RUN)
    server = Server(lever=lever.file, **settings)
    server.wait_until_ready()
    until(lambda: _states(server) <= {"analysed", "failed"}, "every film has its result")
    listed = _results(server)
    dead = [row for row in listed if row["state"] == "failed"]
    server.terminate()
    server.process.wait(60)
    value = f"{len(listed) - len(dead)} analysed, {len(dead)} dead letters"
    return [Row(f"{times} kills, {_FILMS} films", "results", value, f"{_FILMS}, 0", not dead and len(listed) == _FILMS)]


def _in_hand(lever: Lever, before: int, server: Server) -> bool:
    """Whether the network was asked since, or has nothing to do any more."""
    return lever.films > before or "received" not in _states(server)


def _results(server: Server) -> list[dict[str, str]]:
    results: list[dict[str, str]] = json.loads(server.ask("GET", "/results?limit=500")[1])["results"]
    return results


def _states(server: Server) -> set[str]:
    return {row["state"] for row in _results(server)}
