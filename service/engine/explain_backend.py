"""Which backend draws the heat maps of a bundle: outputs of its graph, torch, or none, with the remedy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from schemas.api import ExplainBackend, ExplainMethod
from schemas.errors import ExplanationUnavailableError, SettingsError
from service.settings import BackendChoice

if TYPE_CHECKING:
    from service.engine.torch_heat_maps import TorchExplainer


class Explainer(Protocol):
    """Draws heat maps outside the graph; called by one thread at a time."""

    def explain(self, image: NDArray[np.float32], target: int, method: ExplainMethod) -> NDArray[np.float32]:
        """The map float32 [h, w], >= 0, not scaled, of an image [1, S, S] in [0, 1] for the class `target`.

        Raises:
            InferenceError: it failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Explanations:
    """How a loaded bundle is explained.

    Invariant: there is an explainer for the backend torch alone, and a reason where there is no backend.
    """

    backend: ExplainBackend | None
    explainer: Explainer | None = None
    reason: str = ""
    methods: tuple[ExplainMethod, ...] = ("gradcam", "gradcam++")
    """Of the maps that can be drawn."""

    def require(self, method: ExplainMethod) -> None:
        """Refuse what cannot be explained.

        Raises:
            ExplanationUnavailableError: there is no backend, or none of this method; the message names the remedy.
        """
        if self.backend is None:
            raise ExplanationUnavailableError(self.reason)
        if method not in self.methods:
            msg = (
                f"this bundle has no maps by {method}; ask for {' or '.join(self.methods)}, or publish a bundle that "
                "was exported with --finer-maps"
            )
            raise ExplanationUnavailableError(msg)


def require_backend(choice: BackendChoice, *, threads: int) -> None:
    """Check that what the operator asks for is installed; see `open_explanations`.

    Raises:
        SettingsError: it is not.
    """
    if choice == "torch" and _torch_explainer(threads) is None:
        msg = "explain_backend torch is not installed; install the extra [torch], or set CXR_EXPLAIN_BACKEND=auto"
        raise SettingsError(msg)


def open_explanations(bundle: Bundle, choice: BackendChoice, *, threads: int) -> Explanations:
    """Choose the backend of a bundle, and prove its network where that is torch.

    Args:
        bundle: its hashes are right.
        choice: what the operator asks for.
        threads: that torch computes with.

    Raises:
        BundleError: torch is to explain, and its network is not that of the graph.
    """
    manifest = bundle.manifest
    has_maps = manifest.graph.cam_grid is not None
    described = manifest.torch
    if has_maps and choice != "torch":
        return Explanations("onnx", methods=_methods(finer=manifest.graph.fine_grid is not None))
    reason = f"bundle {manifest.name}/{manifest.version} has no " + ("weights for torch" if has_maps else "heat maps")
    if choice == "onnx":
        reason += (
            " in its graph, and CXR_EXPLAIN_BACKEND=onnx forbids torch; set it to auto, or export it with heat maps"
        )
    elif described is None and has_maps:
        reason += "; export it --with-weights, or set CXR_EXPLAIN_BACKEND=auto"
    elif described is None:
        reason += (
            " in its graph and no weights for torch; export it with heat maps, or adopt it with --timm and --weights"
        )
    elif (explainer := _torch_explainer(threads)) is None:
        reason += " in its graph, and torch is not installed; install the extra [torch] with the service"
    else:
        methods = _methods(finer=described.fine_layer is not None)
        return Explanations("torch", explainer.open(bundle, described), methods=methods)
    return Explanations(None, reason=reason)


def _methods(*, finer: bool) -> tuple[ExplainMethod, ...]:
    return ("gradcam", "gradcam++", "layercam") if finer else ("gradcam", "gradcam++")


def _torch_explainer(threads: int) -> "type[TorchExplainer] | None":
    """Load torch, where it is installed, and give it its threads: they are those of the whole process."""
    try:
        from service.engine.torch_heat_maps import TorchExplainer, set_torch_threads  # noqa: PLC0415 - not in every image
    except ImportError:
        return None
    set_torch_threads(threads)
    return TorchExplainer
