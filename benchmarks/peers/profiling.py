"""Where the time of one film goes: by the service's own clocks, and by stacks that py-spy takes from outside.

With one client a film's stages follow each other, so their times add up to that of the request. What no clock of the
service counts (answer, audit, HTTP) is divided by the stacks of Python, of which each counts for the innermost of its
files that the table names.
"""

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx
from onnx.utils import Extractor

from benchmarks.peers.apps.pipeline import GUIDE, answers
from benchmarks.peers.environments import PROFILER, python_of
from benchmarks.peers.machine import usage
from benchmarks.peers.peers import PEERS, ROOT, Launch
from benchmarks.peers.results import BARE, OURS
from benchmarks.peers.servers import HttpServer, StartError, environment, running
from bundle.opening import open_bundle

SECONDS: Final = 8
RATE: Final = 100
"""Stacks a second."""
OTHER: Final = "other Python"
WAITING: Final = re.compile(
    r"concurrent/futures/thread\.py:|/threading\.py:|asyncio/(runners|base_events)\.py:|selectors\.py:"
    r"|service/serve\.py:|logging/handlers\.py:|/queue\.py:"
)
"""Innermost files of threads that wait: py-spy does not always see that they do."""
STAGE_OF_FILES: Final[tuple[tuple[str, str], ...]] = (
    (r"/PIL/|imaging/(decode|raster|luminance|libraries|radiograph)\.py", "decode"),
    (r"imaging/(preprocess|memory/bands)\.py", "prepare"),
    (r"/onnxruntime/|bundle/session\.py|service/engine/engine\.py", "network"),
    (r"imaging/quality\.py", "warnings"),
    (r"service/audit/", "audit"),
    (r"service/(answers|reading|surveillance|challenger)/|imaging/thumbnail\.py|schemas/", "answer"),
    (r"service/|/uvicorn/|/starlette/|/fastapi/|/asyncio/|/httptools|/pydantic|/prometheus_client/", "HTTP"),
)
"""In the order in which they are asked of one file."""
CLOCKS: Final = ("upload", "decode", "preprocess", "queue", "inference")
"""Stages of `cxr_stage_duration_seconds`; `schemas`, metrics and answers call preparation preprocess."""


PARTS_OF_GRAPH: Final = ("guide", "network", "heat maps that nobody asked for")


def stage_of(stack: str) -> str | None:
    """The stage of one stack of py-spy, `outer (file:line);inner (file:line)`; None: its thread waits."""
    frames = stack.split(";")
    if WAITING.search(frames[-1]):
        return None
    for frame in reversed(frames):
        for pattern, stage in STAGE_OF_FILES:
            if re.search(pattern, frame):
                return stage
    return OTHER


def by_stage(lines: Iterable[str]) -> Counter[str]:
    """Stacks of each stage, from the lines of py-spy's raw form: a stack, a blank, how often."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if stack and (stage := stage_of(stack)) is not None:
            counted[stage] += int(count)
    return counted


def clocks_s(metrics: str) -> dict[str, tuple[float, int]]:
    """Seconds and number of films of each stage, and of the route as `request`, from the text of `/metrics`."""
    told: dict[str, tuple[float, int]] = {}
    of_stages = [(stage, f'cxr_stage_duration_seconds_{{}}{{stage="{stage}"}}') for stage in CLOCKS]
    request = 'cxr_http_request_duration_seconds_{}{method="POST",route="/predict"}'
    for name, sample in (*of_stages, ("request", request)):
        values = [_sample(metrics, sample.replace("{}", part, 1)) for part in ("sum", "count")]
        told[name] = (values[0], int(values[1]))
    return told


def _sample(metrics: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def means_ms(before: Mapping[str, tuple[float, int]], after: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    """Milliseconds a film between two readings of `clocks_s`; a stage that no film had is left out."""
    return {
        name: 1e3 * (seconds - before[name][0]) / (films - before[name][1])
        for name, (seconds, films) in after.items()
        if films > before[name][1]
    }


def profile(bundle: Path, precision: str, films: Sequence[Path], script: Path) -> str:
    """A table in Markdown: milliseconds a film of one client.

    Raises:
        StartError: the service, the stages or py-spy do not run.
    """
    bare = _stages(bundle, precision, films)
    python_of(PROFILER)
    with running(OURS, bundle, precision, films, script) as server:
        assert isinstance(server, HttpServer)  # noqa: S101 all but the bare pipeline are
        server.load(1, 2)
        before = clocks_s(server.get("/metrics"))
        first = usage(server.family())
        load = server.load(1, SECONDS)
        cpu_ms = 1e3 * (usage(server.family()).family_s - first.family_s) / max(1, load.answered)
        clocks = means_ms(before, clocks_s(server.get("/metrics")))
        stacks = _watched(server)
    whole = {"client": 1e3 / load.films_per_s if load.films_per_s else 0.0, "cpu": cpu_ms}
    return table(bare, clocks | whole, stacks)


def divided(milliseconds: float, stages: Sequence[str], stacks: Mapping[str, int]) -> dict[str, float]:
    """A time divided among stages as their stacks are."""
    total = sum(stacks.get(stage, 0) for stage in stages)
    return {stage: milliseconds * stacks.get(stage, 0) / total if total else 0.0 for stage in stages}


def table(bare: Mapping[str, float], clocks: Mapping[str, float], stacks: Mapping[str, int]) -> str:
    """The Markdown of a profile; every number in milliseconds a film."""
    prepared = divided(clocks.get("preprocess", 0.0), ("prepare", "warnings"), stacks)
    # One call computes the whole graph: the service's is divided as the bare pipeline's.
    of_graph = clocks.get("inference", 0.0) / max(1e-9, sum(bare[part] for part in PARTS_OF_GRAPH))
    unclocked = clocks.get("request", 0.0) - sum(clocks.get(stage, 0.0) for stage in CLOCKS)
    rest = divided(max(0.0, unclocked), ("answer", "audit", "HTTP", OTHER), stacks)
    ours = {
        "read the body": clocks.get("upload", 0.0),
        "decode": clocks.get("decode", 0.0),
        "prepare": prepared["prepare"],
        "warnings and statistics of the input": prepared["warnings"],
        "wait for the network": clocks.get("queue", 0.0),
        **{part: of_graph * bare[part] for part in PARTS_OF_GRAPH},
        "answer": rest["answer"],
        "audit": rest["audit"],
        "HTTP": rest["HTTP"] + rest[OTHER],
        "outside of the request": clocks["client"] - clocks.get("request", 0.0),
    }
    lines = ["| stage | bare, ms | service, ms |", "| --- | ---: | ---: |"]
    lines += [f"| {row} | {f'{bare[row]:.2f}' if row in bare else '-'} | {value:.2f} |" for row, value in ours.items()]
    lines.append(f"| **one film** | **{sum(bare.values()):.2f}** | **{clocks['client']:.2f}** |")
    lines.append(f"| processor time | - | {clocks['cpu']:.2f} |")
    return "\n".join(lines)


def _watched(server: HttpServer) -> Counter[str]:
    """Stacks while one client sends films, in a load of its own, for they cost time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stacks"
        spy = [str(python_of(PROFILER).parent / "py-spy"), "record", "--pid", str(server.family()[0])]
        spy += ["--rate", str(RATE), "--duration", str(SECONDS), "--format", "raw", "--full-filenames"]
        spy += ["--nonblocking", "--output", str(file)]
        with subprocess.Popen(spy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as watch:
            server.load(1, SECONDS)
            said = watch.communicate()[0].decode(errors="replace")
        if not file.exists():
            msg = f"py-spy recorded nothing; it may need root, or kernel.yama.ptrace_scope=0: {said.strip()[-200:]}"
            raise StartError(msg)
        return by_stage(file.read_text().splitlines())


def _stages(bundle: Path, precision: str, films: Sequence[Path]) -> dict[str, float]:
    """What `benchmarks.peers.apps.stages` prints."""
    variables = environment(BARE, Launch(bundle, precision, port=0, workers=1))
    with tempfile.TemporaryDirectory() as folder:
        parts = parts_of_graph(bundle, precision, Path(folder))
        command = [str(python_of(PEERS[BARE].lock)), "-m", "benchmarks.peers.apps.stages", *parts, *map(str, films)]
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"the stages could not be measured: {done.stderr.strip()[-300:]}"
        raise StartError(msg)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def parts_of_graph(bundle: Path, precision: Any, folder: Path) -> list[str]:
    """Write the part of the graph that an answer needs, and of that the guide ("-" where there is none)."""
    manifest = open_bundle(bundle).manifest
    extractor = Extractor(onnx.load(bundle / manifest.graph_files(precision).graph))
    files = []
    for name, outputs in (("answers", answers(manifest)), ("guide", list(GUIDE) if manifest.guide else [])):
        files.append(str(folder / f"{name}.onnx") if outputs else "-")
        if outputs:
            onnx.save(extractor.extract_model(["image"], outputs), files[-1])
    return files
