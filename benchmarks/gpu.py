"""What a GPU makes of a bundle: providers, buffers that stay, CUDA graphs and fp16, for each size of batch.

    python -m benchmarks.gpu --bundle models/chest-xray-pneumonia/3.0.0 --json gpu.json

One prepared run of at most ten minutes. Each variant is compared with the golden films before
it is timed: its largest logit error is printed. What does not open or run is listed with the reason. `--provider cpu`
runs the same on a CPU.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bundle.golden import largest_difference, read_golden
from bundle.machine import this_machine
from bundle.opening import Bundle, open_bundle
from bundle.providers import GpuOptions, Hardware
from bundle.session import MAP_OUTPUTS, Session, bucket_sizes, outputs_of, run_in_batches
from schemas.errors import CxrError
from schemas.model.precision import Precision
from schemas.tuning import GpuRuns, Provider
from service.commands.tuning.candidates import Round
from service.commands.tuning.measuring import in_turns

WARM_RUNS: Final = 5
"""Before a bucket is timed: the first captures its graph, or chooses its convolutions."""
SHORTEST_S: Final = 0.05
RUNS: Final[tuple[GpuRuns, ...]] = ("plain", "bound", "graphs")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the network."""

    provider: Provider
    runs: GpuRuns
    precision: Precision = "fp32"
    trt_fp16: bool = False
    """TensorRT computes the fp32 graph in half precision. No gate of the exporter has seen that: it is not served."""

    @property
    def words(self) -> str:
        """Its name in the table."""
        return f"{self.provider} {self.runs} {self.precision}{' as fp16' if self.trt_fp16 else ''}"


@dataclass(frozen=True, slots=True)
class Row:
    """One variant, one bucket, with or without heat maps."""

    variant: str
    films: int
    maps: bool
    ms_per_run: float
    films_per_s: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A variant that runs."""

    variant: Variant
    session: Session
    open_s: float
    logit_error: float
    """Largest, absolute, of the golden films."""


def variants(providers: Sequence[Provider], offered: Sequence[Precision]) -> Iterator[Variant]:
    """What is measured; fp16 by a graph of the bundle where it has one."""
    for provider in providers:
        for precision in (each for each in offered if each != "int8" or provider == "cpu"):
            yield from (Variant(provider, runs, precision) for runs in RUNS)
        if provider == "tensorrt":
            yield from (Variant(provider, runs, trt_fp16=True) for runs in RUNS)


def opened(bundle: Bundle, variant: Variant, cache: Path) -> Opened:
    """Open a variant, and compare the golden films.

    Raises:
        CxrError: it does not start or does not run.
    """
    manifest = bundle.manifest
    start = time.perf_counter()
    fp16 = variant.trt_fp16 or variant.precision == "fp16"
    options = GpuOptions(variant.runs, fp16=fp16, engine_cache=cache)
    buckets = bucket_sizes(manifest.graph.max_batch)
    hardware = Hardware(variant.provider, options, manifest.preprocess.size, buckets)
    graph = manifest.graph_files(variant.precision).graph
    session = Session(bundle.read(graph), name=graph, provider=hardware, intra_op_threads=1)
    golden = read_golden(bundle, variant.precision)
    outputs = run_in_batches(session.run, golden["inputs"], golden["targets"], min(8, manifest.graph.max_batch))
    return Opened(
        variant, session, time.perf_counter() - start, largest_difference(outputs["logits"], golden["logits"])
    )


def timed(session: Session, names: Sequence[str], images: NDArray[np.float32], seconds: float) -> Round:
    """Run one batch again and again for a while."""
    targets = np.full(len(images), -1, np.int64)
    times: list[float] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        session.run(images, targets, names)
        times.append(time.perf_counter() - before)
    ms = 1000 * median(times)
    return Round(1000 * len(images) / ms, ms)


def measure(bundle: Bundle, ready: Sequence[Opened], seconds: float, rounds: int) -> list[Row]:
    """All variants at all buckets, in turns: what drifts meanwhile meets all alike."""
    manifest = bundle.manifest
    golden = read_golden(bundle)["inputs"]
    whole = outputs_of(manifest)
    answers = tuple(name for name in whole if name not in MAP_OUTPUTS)
    cases = [
        (each, size, names)
        for size in bucket_sizes(manifest.graph.max_batch)
        for names in dict.fromkeys((answers, whole))
        for each in ready
    ]
    window_s = max(SHORTEST_S, seconds / max(1, len(cases) * rounds))
    runs = []
    for each, size, names in cases:
        images = np.concatenate([golden] * -(-size // len(golden)))[:size]
        for _ in range(WARM_RUNS):
            each.session.run(images, np.full(size, -1, np.int64), names)
        runs.append(partial(timed, each.session, names, images, window_s))
    results = in_turns(runs, rounds, lambda done, of: print(f"{done}/{of}", end="\r", file=sys.stderr))
    return [
        Row(
            each.variant.words,
            size,
            names == whole,
            median(one.ms_per_film for one in results[index]),
            median(one.films_per_s for one in results[index]),
        )
        for index, (each, size, names) in enumerate(cases)
    ]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines for a person."""
    yield f"{'variant':<32}{'films':>6}{'maps':>6}{'ms a run':>11}{'films/s':>10}"
    for row in rows:
        maps = "yes" if row.maps else "no"
        yield f"{row.variant:<32}{row.films:>6}{maps:>6}{row.ms_per_run:>11.3f}{row.films_per_s:>10.1f}"


def report(bundle: Bundle, providers: Sequence[Provider], seconds: float, rounds: int) -> dict[str, object]:
    """Open, compare and measure; the record of all of it."""
    refused: dict[str, str] = {}
    ready: list[Opened] = []
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        for variant in variants(providers, bundle.manifest.offered):
            try:
                ready.append(opened(bundle, variant, Path(cache)))
            except CxrError as error:
                refused[variant.words] = str(error)
        left_s = max(1.0, seconds - (time.perf_counter() - begun))
        rows = measure(bundle, ready, left_s, rounds)
    return {
        "bundle": f"{bundle.manifest.name}/{bundle.manifest.version}",
        "bundle_sha256": bundle.sha256,
        "machine": this_machine().model_dump(),
        "rounds": rounds,
        "opened": {each.variant.words: {"s": each.open_s, "logit_error": each.logit_error} for each in ready},
        "refused": refused,
        "rows": [asdict(row) for row in rows],
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--provider", nargs="+", choices=("cpu", "cuda", "tensorrt"), default=["cuda", "tensorrt"])
    parser.add_argument("--seconds", type=float, default=480.0, help="for all of it; engines of TensorRT count too")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the record here")
    options = parser.parse_args()
    record = report(open_bundle(options.bundle), options.provider, options.seconds, options.rounds)
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    rows = [Row(**row) for row in record["rows"]]  # type: ignore[attr-defined]  # it was made from rows
    print("\n".join(table(rows)))
    for name, facts in record["opened"].items():  # type: ignore[attr-defined]  # a mapping
        print(f"{name}: opened in {facts['s']:.1f} s, largest logit error {facts['logit_error']:.3g}")
    for name, reason in record["refused"].items():  # type: ignore[attr-defined]  # a mapping
        print(f"not measured: {name}: {reason}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
