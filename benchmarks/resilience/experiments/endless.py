"""What never ends: bundles that hang their loader, a network that loops on some films, and the end of the service."""

import contextlib
import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.load import films
from benchmarks.resilience.server import Server, choose, running, until
from benchmarks.resilience.table import Row
from schemas.model.manifest import GRAPH, MANIFEST
from tests.service.bundles import replace_file, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.spoilt import greedy, looping

_GRACE_S = 3
_LOAD_S = 2
_RUN_S = 1.0
_BRIGHT = flat_film(250)


def _pipe(directory: Path) -> None:
    (directory / GRAPH).unlink()
    os.mkfifo(directory / GRAPH)


def _device(directory: Path) -> None:
    (directory / GRAPH).unlink()
    (directory / GRAPH).symlink_to("/dev/zero")


def _sparse(directory: Path) -> None:
    os.truncate(directory / GRAPH, 30 * 1024**3)


def _long_manifest(directory: Path) -> None:
    os.truncate(directory / MANIFEST, 2 * 1024**3)


def _many_arrays(directory: Path) -> None:
    with zipfile.ZipFile(directory / "golden.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("radiographs", "inputs", "targets"):
            archive.writestr(f"{name}.npy", bytes(256 * 1024**2))
    replace_file(directory, "golden.npz", (directory / "golden.npz").read_bytes())


_BAD: Mapping[str, Callable[[Path], None]] = {
    "pipe": _pipe,
    "device": _device,
    "sparse 30 GB": _sparse,
    "manifest of 2 GB": _long_manifest,
    "arrays of 768 MB": _many_arrays,
    "array of 40 GB": greedy,
    "endless loop": looping,
}


def endless(folder: Path) -> list[Row]:
    """Each bad bundle is published, then a good one; then what hangs while it serves."""
    return [*_candidates(folder / "candidates"), *_start(folder / "start"), *_films(folder / "films"), _hang(folder)]


def _candidates(folder: Path) -> list[Row]:
    models = folder / "models"
    write_tiny_bundle(models, version="1.0.0")
    rows = []
    with running(models_dir=models, model_poll_s=0.05, load_timeout_s=_LOAD_S, shutdown_grace_s=_GRACE_S) as server:
        for number, (kind, spoil) in enumerate(_BAD.items(), start=2):
            before = server.memory_mb
            spoil(_made(folder, f"{number}.0.0"))
            _publish(folder, f"{number}.0.0")
            seconds = until(partial(_refused, server, f"{number}.0.0"), f"{kind} is refused")
            status = server.ask("POST", "/predict", films()[0])[0]
            growth = server.memory_mb - before
            kept = status == 200 and growth < 50
            value = f"{seconds:.1f} s, {status}, {growth:.0f} MB"
            rows.append(Row("bundle that never ends", f"{kind}: refused, a film, memory", value, "200, < 50 MB", kept))
        _made(folder, "99.0.0")
        _publish(folder, "99.0.0")
        seconds = until(lambda: _serving(server) == "tiny/99.0.0", "the good bundle serves")
        rows.append(
            Row("bundle that never ends", "a good one afterwards serves", f"{seconds:.1f} s", "serves", kept=True)
        )
        looping(_made(folder, "100.0.0"))
        _publish(folder, "100.0.0")
        until(lambda: server.provers, "the endless one is being proved")
        rows.append(_ended(server, "SIGTERM while a bundle never ends"))
    return rows


def _start(folder: Path) -> list[Row]:
    """With a name alone, the endless version gives way to the one before; and SIGTERM does not wait for it."""
    for version in ("1.0.0", "2.0.0"):
        write_tiny_bundle(folder, version=version)
    looping(folder / "tiny" / "2.0.0")
    start = time.perf_counter()
    with running(models_dir=folder, model="tiny", load_timeout_s=_LOAD_S) as server:
        seconds = time.perf_counter() - start
        serves = _serving(server)
    server = Server(models_dir=folder, model="tiny", load_timeout_s=600, shutdown_grace_s=_GRACE_S)
    until(lambda: server.provers, "the endless one is being proved")
    name = "start with a version that never ends"
    return [
        Row(name, "ready after; serves", f"{seconds:.1f} s; {serves}", "tiny/1.0.0", serves == "tiny/1.0.0"),
        _ended(server, "SIGTERM during that start"),
    ]


def _films(folder: Path) -> list[Row]:
    """A network that loops on bright films: it is interrupted, /readyz says so, and the service recovers by itself."""
    directory = write_tiny_bundle(folder, version="1.0.0")
    looping(directory, above=0.95)
    with (
        running(models_dir=folder, run_timeout_s=_RUN_S, deadline_ms=5000, concurrent_runs=1) as server,
        ThreadPoolExecutor(1) as caller,
    ):
        asked = caller.submit(server.ask, "POST", "/predict", _BRIGHT)
        noticed = until(lambda: server.status("/readyz") == 503, "/readyz answers 503")
        detail = json.loads(server.ask("GET", "/readyz")[1]).get("detail", "")
        status = asked.result()[0]
        after = server.ask("POST", "/predict", films()[0])[0]
        recovered = until(lambda: server.status("/readyz") == 200, "/readyz answers 200 again")
    name = "network that loops on some films"
    told = "did not end within" in detail
    return [
        Row(name, "/readyz answers 503 with the reason after", f"{noticed:.1f} s", "< 3 s", told and noticed < 3),
        Row(name, "that film, the next", f"{status}, {after}", "500, 200", (status, after) == (500, 200)),
        Row(name, "/readyz answers 200 again after", f"{recovered:.1f} s", "< 15 s", recovered < 15),
    ]


def _hang(folder: Path) -> Row:
    """A run that nothing interrupts, as within one large node."""
    models = folder / "hang"
    write_tiny_bundle(models)
    lever = Lever(folder / "lever")
    with (
        running(lever=lever.file, models_dir=models, deadline_ms=1000, shutdown_grace_s=_GRACE_S) as server,
        ThreadPoolExecutor(1) as caller,
    ):
        lever.pull(Order.HOLD)
        before = lever.films
        caller.submit(server.ask, "POST", "/predict", films()[0])
        until(lambda: lever.films > before, "the film is in the network")
        return _ended(server, "SIGTERM while a run hangs")


def _ended(server: Server, name: str) -> Row:
    children = server.descendants
    start = time.perf_counter()
    server.terminate()
    code = server.process.wait(60)
    seconds = time.perf_counter() - start
    for child in children:  # the kernel ends them once it has noticed that their parent has ended
        with contextlib.suppress(TimeoutError):
            until(partial(_is_gone, child), "it has ended", timeout_s=1)
    left = [child for child in children if not _is_gone(child)]
    value = f"{seconds:.1f} s, exit status {code}, {len(left)} processes left"
    return Row(name, "ends after", value, f"<= {_GRACE_S} s, none left", seconds <= _GRACE_S + 0.3 and not left)


def _is_gone(process: int) -> bool:
    """Whether it has ended; one that nobody has waited for yet has ended, too."""
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True


def _made(folder: Path, version: str) -> Path:
    return write_tiny_bundle(folder / "elsewhere", version=version)


def _publish(folder: Path, version: str) -> None:
    """Whole at once, as `export` does it."""
    (folder / "elsewhere" / "tiny" / version).rename(folder / "models" / "tiny" / version)
    choose(folder / "models", f"tiny/{version}")


def _listed(server: Server) -> list[dict[str, object]]:
    models: list[dict[str, object]] = json.loads(server.ask("GET", "/models")[1])["models"]
    return models


def _refused(server: Server, version: str) -> bool:
    return any(model["version"] == version and model["refused"] for model in _listed(server))


def _serving(server: Server) -> str:
    return next((f"{model['name']}/{model['version']}" for model in _listed(server) if model["serving"]), "none")
