"""Who is compared: how each is started, at its best settings, and in which environment."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.results import BARE, OURS

ROOT: Final = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Launch:
    """What a start is told."""

    bundle: Path
    precision: str
    port: int
    workers: int


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the comparison."""

    lock: str
    """Of its environment: a file of `benchmarks/peers/requirements/`, or `cpu` for that of the service."""
    arguments: Callable[[Launch], list[str]]
    """Behind the environment's Python."""
    what: str
    """For the page."""
    variables: tuple[tuple[str, str], ...] = ()


def _uvicorn(factory: str, *options: str) -> Callable[[Launch], list[str]]:
    fixed = ["-m", "uvicorn", "--factory", f"benchmarks.peers.apps.naive:{factory}", "--host", "127.0.0.1"]
    fixed += ["--no-access-log", "--log-level", "warning", *options]
    return lambda launch: [*fixed, "--port", str(launch.port)]


def _bentoml(launch: Launch) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(launch.port)]
    return ["-m", "bentoml", "serve", "benchmarks.peers.apps.bento:Films", *address]


PEERS: Final[Mapping[str, Peer]] = {
    BARE: Peer(
        "cpu",
        lambda _: ["-m", "benchmarks.peers.bare"],
        "the limit: decode, prepare and network in one process a core, one thread each, without HTTP; one process "
        "for one client",
    ),
    OURS: Peer("cpu", lambda _: ["-m", "service"], "`python -m service` with its defaults"),
    "naive-1": Peer(
        "naive", _uvicorn("threaded"), "FastAPI and uvicorn, one worker; films in the threads that FastAPI has"
    ),
    "naive-2": Peer(
        "naive",
        _uvicorn("direct", "--workers", str(max(2, len(os.sched_getaffinity(0))))),
        "FastAPI and uvicorn, one worker a core (two at least); films in the event loop",
    ),
    "litserve": Peer(
        "litserve",
        lambda _: ["-m", "benchmarks.peers.apps.lit"],
        "LitServe, one worker a core; films as raw bytes, not as JSON",
    ),
    "bentoml": Peer(
        "bentoml",
        _bentoml,
        "BentoML, one worker a core",
        (("BENTOML_DO_NOT_TRACK", "True"), ("BENTOML_HOME", str(ROOT / ".cache/peers/bentoml-home"))),
    ),
    "ray": Peer(
        "ray",
        lambda _: ["-m", "benchmarks.peers.apps.ray_serve"],
        "Ray Serve, one replica a core behind its proxy",
        (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_AUTH_MODE", "disabled"), ("RAY_COLOR_PREFIX", "0")),
    ),
}

ABSENT: Final[Mapping[str, str]] = {
    "triton": "it is a container image, not a package; PyTriton, which brings it as a package, is below",
    "pytriton": "PyTriton 0.5.7 installs and starts on a CPU, but with NumPy 2.4, which `imaging` runs on here, its "
    "functions receive every byte of a film as 255, so no film is answered",
}
"""What a reader may look for, and why it is not measured."""
