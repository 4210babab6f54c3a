"""The limit: the pipeline of every peer in processes of one thread, without HTTP, each with the next film at once.

    python -m benchmarks.peers.bare FILM ...

Reads lines `WORKERS SECONDS` and answers each with a line of JSON, as the load generator's script does.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.peers.apps.pipeline import WORKERS, Pipeline

WARM_UP_S = 0.5
"""In which no rate is taken; `benchmarks.peers.load.WARM_UP_S`."""


def work(orders: Connection, paths: Sequence[str], offset: int) -> None:
    """Answer films in turn for the seconds that are ordered, and send when each was answered and how long it took."""
    pipeline = Pipeline.from_environment()
    films = [Path(path).read_bytes() for path in paths]
    pipeline.answer(films[0])
    orders.send(None)
    while (seconds := orders.recv()) is not None:
        answered = []
        end = time.perf_counter() + seconds
        turn = offset
        while (start := time.perf_counter()) < end:
            pipeline.answer(films[turn % len(films)])
            answered.append((time.perf_counter(), time.perf_counter() - start))
            turn += 1
        orders.send(answered)


def figures(answered: Sequence[tuple[float, float]], start: float) -> dict[str, float]:
    """What the load generator would print of films answered at these times, each in so many seconds."""
    counted = sorted(at for at, _ in answered if at >= start + WARM_UP_S)
    seconds = [took for _, took in answered]
    p50, p99 = np.percentile(seconds, (50, 99)) if seconds else (0.0, 0.0)
    return {
        "answered": len(answered),
        "films": max(0, len(counted) - 1),
        "span_s": counted[-1] - counted[0] if counted else 0.0,
        "p50_us": 1e6 * float(p50),
        "p99_us": 1e6 * float(p99),
        "refused": 0,
        "broken": 0,
    }


def main() -> None:
    """Start the processes, and obey until the input ends."""
    paths = sys.argv[1:]
    context = multiprocessing.get_context("spawn")
    pipes = []
    for number in range(int(os.environ[WORKERS])):
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(theirs, paths, number * len(paths) // 2), daemon=True).start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    print("ready", flush=True)
    for line in sys.stdin:
        workers, seconds = line.split()
        busy = pipes[: int(workers)]
        start = time.perf_counter()
        for pipe in busy:
            pipe.send(float(seconds))
        print(json.dumps(figures([each for pipe in busy for each in pipe.recv()], start)), flush=True)


if __name__ == "__main__":
    main()
