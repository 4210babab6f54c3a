"""The service with an engine that a file commands: `python -m benchmarks.resilience.lever FILE`.

Everything else is the service as it is, in its own process. The file holds an `Order`; each run of the network is
one more line, the number of its films, in FILE.runs.
"""

import sys
import time
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from schemas.model.precision import Precision
from schemas.tuning import Provider
from service.engine.engine import Engine, OnnxEngine, Outputs
from service.serve import serve

_LOOK_S = 0.002


class Order(StrEnum):
    """What the engine is to do."""

    RUN = "run"
    HOLD = "hold"
    """Wait until the order changes, and run then."""
    FAIL = "fail"
    """Raise, as ONNX Runtime does where the device is lost."""
    PANIC = "panic"
    """Raise what no `except Exception` catches, as libraries written in Rust do."""


class Panic(BaseException):
    """What no supervisor expects."""


class Lever:
    """The file, and the runs that were noted beside it."""

    def __init__(self, file: Path) -> None:
        """The order of a new file is to run."""
        self.file = file
        self._runs = file.with_suffix(".runs")
        for path, content in ((file, Order.RUN), (self._runs, "")):
            if not path.exists():
                path.write_text(content)

    def pull(self, order: Order) -> None:
        """Give an order; a reader sees the old one or the new one, never half of one."""
        new = self.file.with_suffix(".new")
        new.write_text(order)
        new.replace(self.file)

    @property
    def order(self) -> Order:
        """The order."""
        return Order(self.file.read_text())

    @property
    def films(self) -> int:
        """Films that the network was given until now, those of warming and self-tests with them."""
        return sum(int(line) for line in self._runs.read_text().split())

    def note(self, films: int) -> None:
        """Count one run."""
        with self._runs.open("a") as stream:
            stream.write(f"{films}\n")


class CommandedEngine:
    """A `service.engine.Engine` that does what the lever says."""

    def __init__(self, behind: Engine, lever: Lever) -> None:
        self._behind = behind
        self._lever = lever

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network, or not; see `Order`."""
        self._lever.note(len(images))
        while (order := self._lever.order) is Order.HOLD:
            time.sleep(_LOOK_S)
        if order is Order.FAIL:
            msg = "the device is lost"
            raise RuntimeError(msg)
        if order is Order.PANIC:
            raise Panic
        return self._behind.run(images, targets)

    def interrupt(self, longest_s: float) -> None:
        """What the lever holds cannot be interrupted."""
        self._behind.interrupt(longest_s)


def main() -> int:
    """Serve until SIGTERM."""
    lever = Lever(Path(sys.argv[1]))

    def opened(
        bundle: Bundle, *, provider: Provider, intra_op_threads: int, precision: Precision = "fp32"
    ) -> CommandedEngine:
        engine = OnnxEngine.open(bundle, provider=provider, intra_op_threads=intra_op_threads, precision=precision)
        return CommandedEngine(engine, lever)

    return serve(opened)


if __name__ == "__main__":
    sys.exit(main())
