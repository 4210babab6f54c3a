"""Processor milliseconds of each stage of one film on one thread, without a server, as a line of JSON.

    python -m benchmarks.peers.apps.stages ANSWERS.onnx GUIDE.onnx FILM ...

The two graphs are parts of the bundle's: what its answer needs, and of that what finds the lungs ("-": there is none).
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import thread_time

import numpy as np

from benchmarks.peers.apps.pipeline import STAGES, Pipeline, session

ROUNDS = 12
WARM_UP = 4


def part(graph: str, side: int) -> Callable[[], object]:
    """A run of a part of the graph."""
    if graph == "-":
        return lambda: None
    loaded = session(Path(graph).read_bytes())
    image = np.full((1, 1, side, side), 0.5, np.float32)
    return lambda: loaded.run(None, {"image": image})


def taken_s(run: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = thread_time()
    run()
    return thread_time() - start


def main() -> None:
    """Print the medians over all films."""
    pipeline = Pipeline.from_environment()
    answer, guide = (part(graph, pipeline.side) for graph in sys.argv[1:3])
    films = [Path(path).read_bytes() for path in sys.argv[3:]] * ROUNDS
    # The parts run between the films, so that whatever slows the machine slows all of them.
    rows = [(*pipeline.timed(film)[1], taken_s(answer), taken_s(guide)) for film in films][WARM_UP:]
    medians = [1e3 * median(column) for column in zip(*rows, strict=True)]
    stages = dict(zip((*STAGES, "of answer", "guide"), medians, strict=True))
    of_answer = stages.pop("of answer")
    stages["heat maps that nobody asked for"] = max(0.0, stages["network"] - of_answer)
    stages["network"] = of_answer - stages["guide"]
    print(json.dumps(stages))


if __name__ == "__main__":
    main()
