"""The network of a bundle as one call: float32 films in, logits, probabilities, embedding and heat maps out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from schemas.api import ExplainMethod
from schemas.bundle import Bundle
from schemas.errors import BundleError, InferenceError, SettingsError
from schemas.precision import Precision

Provider = Literal["cpu", "cuda"]

MOST_PROBABLE: Final = -1
"""The target that asks for the heat map of the most probable class."""

ANSWER: Final = ("logits", "probabilities", "embedding")
MAPS: Final[Mapping[ExplainMethod, str]] = {"gradcam": "gradcam", "gradcam++": "gradcam_plus_plus"}
"""The graph's output of each method."""

_PROVIDERS: Final[dict[Provider, tuple[str, dict[str, str]]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    # HEURISTIC: the exhaustive search of cuDNN takes hundreds of milliseconds for every new batch shape.
    # TF32 is off: it costs three digits of the logits, and the self-test compares them.
    "cuda": ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}),
}
_ORT_ERRORS: Final = tuple(
    error for error in vars(ort_errors).values() if isinstance(error, type) and issubclass(error, Exception)
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the network says about N films; without maps where nobody asked or the bundle has none."""

    logits: NDArray[np.float32]  # [N, K]
    probabilities: NDArray[np.float32]  # [N, K], calibrated
    embedding: NDArray[np.float32]  # [N, D]
    maps: Mapping[ExplainMethod, NDArray[np.float32]] = field(default_factory=dict)  # each [N, h, w], >= 0

    def __getitem__(self, film: int) -> "Outputs":
        """The outputs of one film, N = 1."""
        one = slice(film, film + 1)
        maps = {method: array[one] for method, array in self.maps.items()}
        return Outputs(self.logits[one], self.probabilities[one], self.embedding[one], maps)


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

    def __init__(self, session: ort.InferenceSession, *, has_maps: bool) -> None:
        self._session = session
        self._maps = tuple(MAPS.values()) if has_maps else ()

    @classmethod
    def open(cls, bundle: Bundle, *, provider: Provider, intra_op_threads: int, precision: Precision = "fp32") -> Self:
        """Load a graph of a bundle; see `EngineOpener`."""
        require_provider(provider)
        name = bundle.manifest.graph_files(precision).graph
        session = _open_session(bundle, name, provider, intra_op_threads)
        if _PROVIDERS[provider][0] not in session.get_providers():
            # ONNX Runtime has fallen back to the CPU without an error, microsoft/onnxruntime#23372.
            msg = f"provider {provider} is installed but does not start here; check the driver, or set CXR_PROVIDER=cpu"
            raise SettingsError(msg)
        has_maps = bundle.manifest.graph.cam_grid is not None
        wanted = {"image", "target", *ANSWER, *(MAPS.values() if has_maps else ())}
        missing = wanted - {entry.name for entry in (*session.get_inputs(), *session.get_outputs())}
        if missing:
            msg = f"{name} lacks the inputs or outputs {sorted(missing)}; export the bundle again"
            raise BundleError(msg)
        return cls(session, has_maps=has_maps)

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network on a batch; see `Engine`."""
        maps = () if targets is None else self._maps
        explained = np.full(len(images), MOST_PROBABLE, np.int64) if targets is None else targets
        try:
            arrays = self._session.run((*ANSWER, *maps), {"image": images, "target": explained})
        except _ORT_ERRORS as error:
            msg = f"ONNX Runtime failed on {len(images)} films: {_first_line(error)}"
            raise InferenceError(msg) from error
        logits, probabilities, embedding, *heat = arrays
        return Outputs(logits, probabilities, embedding, dict(zip(MAPS, heat, strict=False)))  # none, or one for each


def require_provider(provider: Provider) -> None:
    """Check that the installed ONNX Runtime was built with `provider`.

    Raises:
        SettingsError: it was not.
    """
    if _PROVIDERS[provider][0] not in ort.get_available_providers():
        msg = f"provider {provider} is not in this ONNX Runtime; install the extra [gpu], or set CXR_PROVIDER=cpu"
        raise SettingsError(msg)


def _open_session(bundle: Bundle, name: str, provider: Provider, intra_op_threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.log_severity_level = 3
    # Threads that spin between runs take the cores from the decoders: 68 against 124 films/s on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights outside the graph are outside its hash: the graph is loaded from memory, with a folder that holds nothing.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    graph = bundle.read(name)
    try:
        return ort.InferenceSession(graph, options, providers=[_PROVIDERS[provider]])
    except _ORT_ERRORS as error:
        msg = f"{name} cannot be loaded: {_first_line(error)}; weights must be inside the file, export the bundle again"
        raise BundleError(msg) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
