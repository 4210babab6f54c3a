"""Bundles that must not serve: each is refused aloud, and the one that serves goes on."""

import json
import re
import time
from pathlib import Path

from benchmarks.resilience.load import films
from benchmarks.resilience.server import Server, choose, running, until
from benchmarks.resilience.table import Row
from tests.service.bundles import write_tiny_bundle
from tests.service.spoilt import SPOILT, slow

_NAME, _REFUSED = "bad candidate", 'cxr_model_loads_total{reason="bundle_rejected",result="refused"}'


def candidates(folder: Path) -> list[Row]:
    """Publishes each kind of bad bundle, then a good one, and goes back."""
    models = folder / "models"
    write_tiny_bundle(models, version="1.0.0")
    kinds = {**SPOILT, "10 times as slow": (slow, "times as long")}
    with running(models_dir=models, model_poll_s=0.05) as server:
        rows = []
        for number, (kind, (spoil, reason)) in enumerate(kinds.items(), start=2):
            version = f"{number}.0.0"
            spoil(write_tiny_bundle(folder / "elsewhere", version=version))
            _publish(folder, version)
            rows.append(_refused(server, kind, version, reason, refusals=number - 1))
        return [*rows, _rollback(server, folder)]


def _publish(folder: Path, version: str) -> None:
    """Whole at once, as `export` does it."""
    (folder / "elsewhere" / "tiny" / version).rename(folder / "models" / "tiny" / version)
    choose(folder / "models", f"tiny/{version}")


def _refused(server: Server, kind: str, version: str, reason: str, *, refusals: int) -> Row:
    until(lambda: _listed(server, version)["refused"], f"{kind} is refused")
    told = str(_listed(server, version)["refused"])
    events = [json.loads(line) for line in server.log.splitlines() if '"bundle_refused"' in line]
    places = {
        "/models": re.search(reason, told) is not None,
        "log": any(event["reason"] == told for event in events),
        "metric": server.metric(_REFUSED) == refusals,
    }
    answers = _serving(server)
    said = ", ".join(place for place, right in places.items() if right)
    return Row(
        _NAME,
        f"{kind}: reason in; serves",
        f"{said}; {answers}",
        "/models, log, metric; 1.0.0",
        all(places.values()) and answers == "1.0.0",
    )


def _rollback(server: Server, folder: Path) -> Row:
    write_tiny_bundle(folder / "elsewhere", version="99.0.0")
    _publish(folder, "99.0.0")
    until(lambda: _listed(server, "99.0.0")["serving"], "a good candidate serves")
    start = time.perf_counter()
    status, body = server.ask("POST", "/models/rollback")
    milliseconds = 1e3 * (time.perf_counter() - start)
    back = _serving(server)
    done = status == 200 and json.loads(body)["version"] == back == "1.0.0"
    return Row(
        "rollback",
        "time; serves",
        f"{milliseconds:.0f} ms; {back}",
        "< 100 ms; 1.0.0",
        done and milliseconds < 100,
        timing=done,
    )


def _listed(server: Server, version: str) -> dict[str, object]:
    models: list[dict[str, object]] = json.loads(server.ask("GET", "/models")[1])["models"]
    return next(model for model in models if model["version"] == version)


def _serving(server: Server) -> str:
    """The version of the bundle that answers a film."""
    version: str = json.loads(server.ask("POST", "/predict", films()[0])[1])["model"]["version"]
    return version
