"""The network of a bundle as one call: float32 films in, logits, probabilities, embedding and heat maps out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from bundle.providers import GpuOptions
from bundle.session import MAP_OUTPUTS, MOST_PROBABLE, PLAIN, GraphOutputs, Session, open_session, outputs_of
from schemas.api import ExplainMethod
from schemas.model.precision import Precision
from schemas.tuning import Provider
from service.settings import EngineSettings

MAPS: Final[Mapping[ExplainMethod, str]] = {
    "gradcam": "gradcam",
    "gradcam++": "gradcam_plus_plus",
    "layercam": "layercam",
}
"""The graph's output of each method."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the network says about N films; without maps where nobody asked or the bundle has none.

    Without a guide in the bundle there is neither `lungs` nor `traits`.
    """

    logits: NDArray[np.float32]  # [N, K]
    probabilities: NDArray[np.float32] | NDArray[np.float64]  # [N, K], calibrated; by the graph, or by `SiteEngine`
    embedding: NDArray[np.float32]  # [N, D]
    maps: Mapping[ExplainMethod, NDArray[np.float32]] = field(default_factory=dict)  # each [N, h, w], >= 0
    lungs: NDArray[np.float32] | None = None  # [N, a, b] in [0, 1]
    traits: NDArray[np.float32] | None = None  # [N, T]

    def __getitem__(self, film: int) -> "Outputs":
        """The outputs of one film, N = 1."""
        one = slice(film, film + 1)
        maps = {method: array[one] for method, array in self.maps.items()}
        lungs = None if self.lungs is None else self.lungs[one]
        traits = None if self.traits is None else self.traits[one]
        return Outputs(self.logits[one], self.probabilities[one], self.embedding[one], maps, lungs, traits)

    def by_name(self) -> GraphOutputs:
        """The arrays by their names in the graph, for the self-test."""
        maps = {MAPS[method]: array for method, array in self.maps.items()}
        guide = {} if self.lungs is None or self.traits is None else {"lungs": self.lungs, "traits": self.traits}
        probabilities = np.asarray(self.probabilities, np.float32)
        answers = {"logits": self.logits, "probabilities": probabilities, "embedding": self.embedding}
        return {**answers, **maps, **guide}


class Engine(Protocol):
    """Runs the network; safe to call from several threads at once."""

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network on a batch.

        Args:
            images: [N, 1, S, S] in [0, 1].
            targets: int64 [N], the class to explain or `MOST_PROBABLE`; None: no heat maps are wanted.

        Raises:
            InferenceError: the network failed.
        """
        ...

    def interrupt(self, longest_s: float) -> None:
        """Make the runs fail that take longer than this; one that cannot be interrupted goes on."""
        ...


class EngineOpener(Protocol):
    """Makes the engine of a bundle."""

    def __call__(
        self, bundle: Bundle, *, provider: Provider, intra_op_threads: int, precision: Precision = "fp32"
    ) -> Engine:
        """Open a graph of `bundle`.

        Raises:
            BundleError: the bundle has no graph of this precision, or it cannot be loaded, or has not the inputs and
                outputs of its contract.
            SettingsError: the provider is not there.
        """
        ...


class OnnxEngine:
    """One ONNX Runtime session; concurrent runs share its weights."""

    def __init__(self, session: Session, outputs: Sequence[str]) -> None:
        """`outputs` are those of `bundle.session.outputs_of`."""
        self._session = session
        self._outputs = tuple(outputs)
        self._unexplained = tuple(name for name in outputs if name not in MAP_OUTPUTS)

    @classmethod
    def open(
        cls,
        bundle: Bundle,
        *,
        provider: Provider,
        intra_op_threads: int,
        precision: Precision = "fp32",
        gpu: GpuOptions = PLAIN,
    ) -> Self:
        """Load a graph of a bundle; see `EngineOpener`."""
        session = open_session(
            bundle, provider=provider, intra_op_threads=intra_op_threads, precision=precision, gpu=gpu
        )
        return cls(session, outputs_of(bundle.manifest))

    @classmethod
    def opener(cls, settings: EngineSettings) -> EngineOpener:
        """What opens bundles with the options of a GPU that the settings choose."""
        return partial(cls.open, gpu=GpuOptions(settings.gpu_runs, engine_cache=settings.tensorrt_cache_dir))

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network on a batch; see `Engine`."""
        explained = np.full(len(images), MOST_PROBABLE, np.int64) if targets is None else targets
        arrays = self._session.run(images, explained, self._unexplained if targets is None else self._outputs)
        drawn = {method: arrays[name] for method, name in MAPS.items() if name in arrays}
        answers = (arrays["logits"], arrays["probabilities"], arrays["embedding"])
        return Outputs(*answers, drawn, arrays.get("lungs"), arrays.get("traits"))

    def interrupt(self, longest_s: float) -> None:
        """See `Engine`."""
        self._session.interrupt(longest_s)
