"""Stand-ins for the Protocols of the project, for tests that need to hold, break or watch them."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from schemas.errors import BundleError
from schemas.model.precision import Precision, PrecisionFigures
from schemas.tuning import Provider
from service.engine.engine import Engine, OnnxEngine, Outputs


class GatedEngine:
    """A `service.engine.Engine` that runs only while its gate is open, and notes what it ran.

    Without an engine behind it, the logits of a film are (0, mean of the film).
    A run with a film whose mean is `poison` raises; once `broken` is set, every run raises that.
    """

    def __init__(self, behind: Engine | None = None, *, poison: float | None = None) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[float]] = []
        self.targets: list[list[int] | None] = []
        self.broken: BaseException | None = None
        self.interruptions: list[float] = []
        self._behind = behind
        self._poison = poison

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        means = [round(float(mean), 3) for mean in images.mean(axis=(1, 2, 3))]
        self.batches.append(means)
        self.targets.append(None if targets is None else targets.tolist())
        assert self.gate.wait(30), "the test never opened the gate"
        if self.broken is not None:
            raise self.broken
        if self._poison in means:
            message = "poisoned film"
            raise RuntimeError(message)
        if self._behind is not None:
            return self._behind.run(images, targets)
        logits = np.stack([np.zeros(len(means)), means], axis=1).astype(np.float32)
        return Outputs(logits, logits, logits)

    def interrupt(self, longest_s: float) -> None:
        """It cannot be interrupted: it hangs as a network does within one large node."""
        self.interruptions.append(longest_s)


class GatedOpener:
    """A `service.engine.EngineOpener` whose engines run the real graph behind one gate, once `engine` is held."""

    def __init__(self, *, poison: float | None = None) -> None:
        self._poison = poison
        self.engine: GatedEngine | None = None

    def __call__(
        self, bundle: Bundle, *, provider: Provider, intra_op_threads: int, precision: Precision = "fp32"
    ) -> GatedEngine:
        behind = OnnxEngine.open(bundle, provider=provider, intra_op_threads=intra_op_threads, precision=precision)
        self.engine = GatedEngine(behind, poison=self._poison)
        return self.engine


class ScriptedComparator:
    """An `export.gates.precision.Comparator` that gives its verdicts one after another and keeps the graphs that it
    was shown."""

    def __init__(self, *verdicts: PrecisionFigures | BundleError) -> None:
        self.shown: list[bytes] = []
        self._verdicts = list(verdicts)

    def compare(self, content: bytes) -> PrecisionFigures:
        self.shown.append(content)
        verdict = self._verdicts.pop(0)
        if isinstance(verdict, BundleError):
            raise verdict
        return verdict


class MemoryArchive:
    """A `service.dicomweb.pacs.Archive` that remembers what it stored, once it has raised its failures."""

    def __init__(self, *, has: Collection[str] = (), failures: Iterable[Exception] = ()) -> None:
        self.failures = list(failures)
        self.batches: list[list[bytes]] = []
        self._has = set(has)

    async def bring(self, study: str, objects: Mapping[str, bytes]) -> bool:
        missing = [content for uid, content in objects.items() if not await self.has(study, uid)]
        if missing:
            await self.store(missing)
        return bool(missing)

    async def has(self, study: str, sop_instance_uid: str) -> bool:
        if self.failures:
            raise self.failures.pop(0)
        return sop_instance_uid in self._has

    async def store(self, contents: Sequence[bytes]) -> None:
        self.batches.append(list(contents))
