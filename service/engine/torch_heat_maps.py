"""Heat maps by torch and the package grad-cam; the network is rebuilt from the architecture's name and its weights.

The one module of the service that imports torch; `service.engine.explain_backend` imports it when a bundle needs it.
"""

from typing import Any, Final, Self, cast

import numpy as np
import structlog
import timm
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from bundle.opening import Bundle
from bundle.session import first_line
from schemas.api import ExplainMethod
from schemas.errors import BundleError, InferenceError
from schemas.model.manifest import GOLDEN, GOLDEN_TOLERANCE, WEIGHTS
from schemas.model.torch_network import TorchNetwork

log = structlog.get_logger("service.engine.torch_heat_maps")

METHODS: Final[dict[ExplainMethod, Any]] = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "layercam": LayerCAM}


def set_torch_threads(threads: int) -> None:
    """Let torch compute with this number of threads, in the whole process."""
    torch.set_num_threads(threads)


class RebuiltNetwork(nn.Module):
    """A network of timm, fed with one gray channel, as the graph of the bundle is; in eval mode, its weights frozen.

    `cam_layer`, and `fine_layer` for LayerCAM, is the module whose output is explained; `explained` is the one of both
    where differentiation begins.
    """

    mean: Tensor  # [1, C, 1, 1]
    std: Tensor  # [1, C, 1, 1]

    def __init__(self, described: TorchNetwork, classes: int) -> None:
        """Build it with random weights.

        Raises:
            Exception: whatever timm raises at a name or arguments that it does not know.
        """
        super().__init__()
        arguments: dict[str, Any] = dict(described.arguments)
        # Named here, so that no bundle can name them too: each would let timm fetch or unpickle a file.
        self.body: Any = timm.create_model(
            described.timm_name,
            pretrained=False,
            pretrained_cfg=None,
            pretrained_cfg_overlay=None,
            checkpoint_path=None,
            cache_dir=None,
            num_classes=classes,
            **arguments,
        )
        self.feature_map = nn.Identity()
        self.cam_layer: nn.Module = (
            self.feature_map if described.cam_layer is None else self.body.get_submodule(described.cam_layer)
        )
        fine = described.fine_layer
        self.fine_layer: nn.Module = self.cam_layer if fine is None else self.body.get_submodule(fine)
        self.explained: nn.Module = self.cam_layer
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(described, name)).reshape(1, -1, 1, 1), persistent=False)
        for module in self.modules():
            if hasattr(module, "inplace"):
                setattr(module, "inplace", False)  # noqa: B010 - it would overwrite the map that is being explained
        self.eval().requires_grad_(requires_grad=False)
        for layer in {self.cam_layer, self.fine_layer}:
            layer.register_forward_hook(self._begin)

    def _begin(self, module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output.detach().requires_grad_() if module is self.explained else output

    def forward(self, image: Tensor) -> Tensor:
        """The logits [N, K] of films float32 [N, 1, S, S] in [0, 1]."""
        channels = (image - self.mean) / self.std  # broadcasting replicates the gray channel
        return cast("Tensor", self.body.forward_head(self.feature_map(self.body.forward_features(channels))))


class TorchExplainer:
    """Draws the heat maps of one bundle; one film at a time, because grad-cam hooks into the network while it runs."""

    def __init__(self, network: RebuiltNetwork) -> None:
        self._network = network

    @classmethod
    def open(cls, bundle: Bundle, described: TorchNetwork) -> Self:
        """Rebuild the network of a bundle and prove it on the golden films.

        Args:
            bundle: its weights have the hash that the manifest states.
            described: how its network is built.

        Raises:
            BundleError: timm cannot build it, the weights do not fit, it has no map at the layer, or it computes
                something else than the graph.
        """
        explainer = cls(_load(bundle, described))
        explainer._check(bundle)
        return explainer

    def explain(self, image: NDArray[np.float32], target: int, method: ExplainMethod) -> NDArray[np.float32]:
        """The map float32 [h, w], >= 0, not scaled: in the units of the graph's own maps.

        Args:
            image: [1, S, S] in [0, 1].
            target: the class to explain.
            method: which of them.

        Raises:
            InferenceError: torch failed.
        """
        film = torch.from_numpy(image[np.newaxis])
        layer = self._network.fine_layer if method == "layercam" else self._network.cam_layer
        self._network.explained = layer
        drawing = METHODS[method](self._network, [layer])
        records = drawing.activations_and_grads
        try:
            targets = [ClassifierOutputTarget(target)]
            drawing(
                film, targets=targets
            )  # its result is enlarged and scaled; the map itself is drawn from its records
            features = records.activations[0].numpy()
            gradients = records.gradients[0].numpy()
            cam = drawing.get_cam_image(film, layer, targets, features, gradients, False)[0]  # noqa: FBT003 - not smoothed
        except RuntimeError as error:
            log.exception("explanation_failed")
            msg = "torch failed on this film; the reason is in the service's log"
            raise InferenceError(msg) from error
        finally:
            records.release()
        positive: NDArray[np.float32] = np.maximum(cam, 0).astype(np.float32)
        return positive

    def _check(self, bundle: Bundle) -> None:
        """The golden films must get the graph's logits, and a map of at least 2 x 2 cells."""
        golden = bundle.read_arrays(GOLDEN, ("inputs", "logits"))
        maps: list[Tensor] = []
        handle = self._network.cam_layer.register_forward_hook(lambda _, __, output: maps.append(output))
        try:
            with torch.no_grad():
                logits = self._network(torch.from_numpy(golden["inputs"])).numpy()
        except RuntimeError as error:
            msg = f"torch cannot run the network of the manifest: {first_line(error)}; export the bundle again"
            raise BundleError(msg) from error
        finally:
            handle.remove()
        shape = tuple(maps[0].shape) if maps else ()
        if len(shape) != 4 or min(shape[2:]) < 2:  # noqa: PLR2004 - [N, C, h, w]; one cell explains nothing
            msg = f"cam_layer gives {shape or 'nothing'}, which is not a map [N, C, h, w]; name a convolutional layer"
            raise BundleError(msg)
        tolerance = GOLDEN_TOLERANCE * float(np.abs(golden["logits"]).max())
        worst = float(np.abs(logits - golden["logits"]).max()) if logits.shape == golden["logits"].shape else np.inf
        if not worst <= tolerance:  # so that NaN is refused
            msg = (
                f"{WEIGHTS} are not the weights of the graph: torch's golden logits are off by {worst:.3g}, "
                f"at most {tolerance:.3g} is accepted; put the graph's own weights and description into the bundle"
            )
            raise BundleError(msg)


def _load(bundle: Bundle, described: TorchNetwork) -> RebuiltNetwork:
    try:
        network = RebuiltNetwork(described, len(bundle.manifest.classes))
    except Exception as error:  # timm and its architectures raise errors of any kind at what they do not know
        msg = (
            f"timm {timm.__version__} cannot build {described.timm_name!r} as the manifest describes it: "
            f"{first_line(error)}; install the timm that the bundle was made with, or export it again"
        )
        raise BundleError(msg) from error
    try:
        network.body.load_state_dict(load(bundle.read(WEIGHTS)))
    except (SafetensorError, RuntimeError) as error:
        msg = f"{WEIGHTS} do not fit {described.timm_name}: {first_line(error)}; export the bundle again"
        raise BundleError(msg) from error
    return network
