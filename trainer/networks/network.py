"""The networks: each one a feature map that Grad-CAM explains, and the head that turns it into logits."""

from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
from timm.layers.classifier import ClassifierHead
from torch import Tensor, nn

from trainer.networks.designs import ConvolutionalDesign, TimmDesign

GRAY = ((0.5,), (0.25,))
"""Mean and standard deviation that centre a film; what the networks without pretrained weights use."""


UNKNOWN_LAYER = "body"
"""The Grad-CAM layer of a network of timm that is not a row of the table, until a film has been through it."""


class Network(nn.Module):
    """A classifier of films whose forward pass is `head(features(image))`.

    The exporter traces the vector-Jacobian product of `head`, so `head` holds no control flow that
    depends on data. In eval mode dropout is off and batch norm uses its running statistics.

    Attributes:
        cam_layer: path of the submodule whose output `features` returns.
        classifier: the last linear layer; its input is the embedding.
        mean: per channel of the input, subtracted from a film in [0, 1].
        std: per channel of the input, divides after that.
        replaced_weights: key prefixes of weight files that this network leaves out on purpose.
    """

    replaced_weights: tuple[str, ...] = ()

    mean: Tensor  # [1, C, 1, 1]
    std: Tensor  # [1, C, 1, 1]
    classifier: nn.Module

    def __init__(self, cam_layer: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.cam_layer = cam_layer
        # Not in the state dict: they belong to the architecture, and weight files do not hold them.
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)

    @property
    def learner(self) -> "Network":
        """The network whose weights learn: itself, unless a frozen one stands before it."""
        return self

    def group_matcher(self, *, coarse: bool = False) -> dict[str, str]:  # noqa: ARG002 - timm's signature
        """The layers from the stem up, as regular expressions of parameter names; here all below the head are one.

        A network with more gets a learning rate for each (`layer_decay`) and can be unfrozen from the top.
        """
        return {"stem": r"^(?!classifier)"}

    def normalise(self, image: Tensor) -> Tensor:
        """One gray channel [N, 1, S, S] in [0, 1] to the normalised channels of the stem [N, C, S, S]."""
        return (image - self.mean) / self.std  # broadcasting replicates the gray channel

    def features(self, image: Tensor) -> Tensor:
        """The feature map [N, C, h, w] of films float32 [N, 1, S, S] in [0, 1]."""
        raise NotImplementedError

    def locate(self, image: Tensor) -> Tensor:
        """`features(image)`; a network whose row names no layer learns from it which of its modules gives the map.

        The map of a network of timm may be the output of no module at all; then `cam_layer` stays what it was.
        """
        outputs: list[tuple[str, Tensor]] = []
        handles = [
            module.register_forward_hook(lambda _, __, output, name=name: outputs.append((name, output)))
            for name, module in self.named_modules()
            if name
        ]
        try:
            features = self.features(image)
        finally:
            for handle in handles:
                handle.remove()
        if self.cam_layer == UNKNOWN_LAYER:
            names = [name for name, output in outputs if output is features]
            self.cam_layer = names[-1] if names else self.cam_layer  # the outermost of modules that hand it on
        return features

    def pool(self, features: Tensor) -> Tensor:
        """The embedding [N, D] of a feature map [N, C, h, w]: everything of the head but its last linear layer."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """The logits [N, K] of a feature map [N, C, h, w]."""
        return cast("Tensor", self.classifier(self.pool(features)))

    def embed(self, features: Tensor) -> Tensor:
        """The embedding [N, D] of a feature map [N, C, h, w]: what the last linear layer sees."""
        return self.pool(features)

    def on_film(self, maps: Tensor, image: Tensor) -> Tensor:  # noqa: ARG002 - GuidedNetwork
        """Maps [N, h, w] of what `features` has seen as maps of the whole films [N, 1, S, S]: here the same."""
        return maps

    def seen(self, image: Tensor) -> dict[str, Tensor]:  # noqa: ARG002 - GuidedNetwork
        """What a guide says of films [N, 1, S, S], by the names of the graph's outputs; nothing without a guide."""
        return {}

    def forward(self, image: Tensor) -> Tensor:
        """The logits [N, K] of films float32 [N, 1, S, S] in [0, 1]."""
        return self.head(self.features(image))


class AttentionGate(nn.Module):
    """Multiplies a feature map by a weight in (0, 1) for each of its cells, computed from that cell's channels.

    Source: gating in the manner of Oktay et al., Attention U-Net, arXiv:1804.03999, without a second input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1), nn.ReLU(), nn.Conv2d(channels // 4, 1, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, h, w] to the same shape."""
        return cast("Tensor", features * self.weight(features))


class ConvolutionalNetwork(Network):
    """Blocks of one 3x3 convolution each, halved in side between them, then mean pooling and a dense layer or none."""

    def __init__(self, classes: int, dropout: float, design: ConvolutionalDesign) -> None:
        super().__init__("trunk", *GRAY)
        channels = design.channels
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(zip((1, *channels), channels, strict=False)):
            layers += [nn.MaxPool2d(2)] if index else []
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=not design.norm)]
            layers += [nn.BatchNorm2d(after)] if design.norm else []
            layers += [nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.gate = AttentionGate(channels[-1]) if design.attention else nn.Identity()
        dense: list[nn.Module] = [nn.Linear(channels[-1], design.hidden), nn.ReLU()] if design.hidden else []
        self.dense = nn.Sequential(*dense, nn.Dropout(dropout))
        self.classifier = nn.Linear(design.hidden or channels[-1], classes)

    def group_matcher(self, *, coarse: bool = False) -> dict[str, str]:  # noqa: ARG002 - timm's signature
        """The layers from the stem up, as timm's layer-wise learning rates want them."""
        return {"stem": r"^trunk\.0\.", "blocks": r"^trunk\.(\d+)\."}

    def features(self, image: Tensor) -> Tensor:
        """See `Network.features`."""
        return cast("Tensor", self.trunk(self.normalise(image)))

    def pool(self, features: Tensor) -> Tensor:
        """See `Network.pool`; the gate sits here, so that the heat map is the true gradient through it."""
        return cast("Tensor", self.dense(self.gate(features).mean((2, 3))))


def _start_undecided(classifier: nn.Module) -> None:
    """Give a new last layer small weights: timm's EfficientNets draw them for 1,000 classes; 2 would start at +-7."""
    nn.init.normal_(cast("Tensor", classifier.weight), std=0.01)
    nn.init.zeros_(cast("Tensor", classifier.bias))


class TimmNetwork(Network):
    """A network of timm, fed with one gray channel."""

    body: Any  # timm's networks share no type

    def __init__(self, classes: int, dropout: float, design: TimmDesign) -> None:
        super().__init__(f"body.{design.cam_layer}" if design.cam_layer else UNKNOWN_LAYER, design.mean, design.std)
        self.timm_name = design.name
        self.body = timm.create_model(design.name, num_classes=classes, drop_rate=dropout, **design.arguments)
        _start_undecided(self.classifier)

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]  # timm keeps it under a name of each network's own
        """The last linear layer of timm's head."""
        return cast("nn.Module", self.body.get_classifier())

    def features(self, image: Tensor) -> Tensor:
        """See `Network.features`."""
        return cast("Tensor", self.body.forward_features(self.normalise(image)))

    def pool(self, features: Tensor) -> Tensor:
        """See `Network.pool`."""
        return cast("Tensor", self.body.forward_head(features, pre_logits=True))


class VggNetwork(TimmNetwork):
    """VGG's convolutions with mean pooling and one linear layer in place of its fully connected ones.

    The feature map is taken before the last pooling: 14 x 14 cells at a side of 224 instead of 7 x 7.
    """

    replaced_weights = ("pre_logits.",)

    def __init__(self, classes: int, dropout: float, design: TimmDesign) -> None:
        super().__init__(classes, dropout, design)
        self.body.pre_logits = nn.Identity()
        self.body.head = ClassifierHead(self.body.num_features, classes, pool_type="avg", drop_rate=dropout)
        _start_undecided(self.classifier)

    def features(self, image: Tensor) -> Tensor:
        """See `Network.features`."""
        return cast("Tensor", self.body.features[:-1](self.normalise(image)))

    def pool(self, features: Tensor) -> Tensor:
        """See `Network.pool`."""
        return cast("Tensor", self.body.forward_head(self.body.features[-1](features), pre_logits=True))
