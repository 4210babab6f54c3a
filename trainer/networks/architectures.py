"""The table of architectures: what training and export must know about each network, as data; it imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from schemas.errors import TrainingConfigError
from trainer.networks.designs import ConvolutionalDesign
from trainer.plugins import find_plugin, plugin_names

if TYPE_CHECKING:
    from trainer.networks.network import Network

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
TIMM_PREFIX = "timm:"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Defaults of the training options."""

    lr: float = 1e-3
    weight_decay: float = 0.02
    batch_size: int = 32
    epochs: int = 30


FINE_TUNE = Recipe(lr=3e-4, weight_decay=0.02, batch_size=32, epochs=8)
# VGG and ConvNeXt do not learn at the rate above: after three epochs on 300 films their AUROC was .28 and .56.
FINE_TUNE_SLOWLY = Recipe(lr=1e-4, weight_decay=0.02, batch_size=32, epochs=8)


MakeNetwork = Callable[[int, float], "Network"]
"""Of the number of classes and the dropout before the last linear layer, to a network with random weights."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of a network of timm that its hub holds."""

    tag: str
    licence: str
    """SPDX identifier, as timm states it."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network as training and export need it; `trainer.networks.build` makes it."""

    timm_name: str | None  # None: no network of timm
    input_size: int  # S: the network sees float32 [N, 1, S, S] in [0, 1]
    cam_layer: str  # the module whose output, [N, C, h, w], is explained; timm: a path inside timm's network
    network: Literal["timm", "vgg"] | ConvolutionalDesign | MakeNetwork = "timm"
    timm_arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    mean: tuple[float, ...] = IMAGENET_MEAN  # input normalisation, of pixels in [0, 1]
    std: tuple[float, ...] = IMAGENET_STD
    dropout: float = 0.5  # before the last linear layer
    recipe: Recipe = FINE_TUNE
    parameters: int | None = None  # with two classes; None: not counted
    hub: Weights | None = None  # what `--weights hub` loads; None: nothing
    purpose: str = ""  # what it is for, in a few words


def _own(*channels: int, hidden: int, attention: bool = False, parameters: int, purpose: str) -> Architecture:
    """A row of a small network that is trained from scratch."""
    design = ConvolutionalDesign(channels, hidden, norm=hidden > 0, attention=attention)
    return Architecture(None, 128, "trunk", design, recipe=Recipe(), parameters=parameters, purpose=purpose)


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "cnn_baseline": _own(32, 64, hidden=0, parameters=18_946, purpose="a floor to compare with"),
        "cnn4": _own(32, 64, 128, 256, hidden=256, parameters=454_626, purpose="without pretrained weights"),
        "cnn_attention": _own(
            *(32, 64, 128, 256),
            hidden=256,
            attention=True,
            parameters=471_139,
            purpose="from scratch, sharper heat maps",
        ),
        "mobilenet": Architecture(
            "mobilenetv1_100",
            224,
            "blocks",
            # The padding and epsilon of TensorFlow, with which the weights were trained.
            timm_arguments=MappingProxyType({"pad_type": "same", "bn_eps": 1e-3}),
            mean=HALF,
            std=HALF,
            parameters=3_209_026,
            hub=Weights("ra4_e3600_r224_in1k", "apache-2.0"),
            purpose="few operations, on a CPU",
        ),
        "tf_efficientnet_lite0": Architecture(
            "tf_efficientnet_lite0",
            224,
            "bn2",
            mean=HALF,
            std=HALF,
            parameters=3_373_570,
            hub=Weights("in1k", "apache-2.0"),
            purpose="on a CPU; the network of the shipped bundle",
        ),
        "resnet50": Architecture(
            "resnet50",
            224,
            "layer4",
            parameters=23_512_130,
            hub=Weights("a1_in1k", "apache-2.0"),
            purpose="comparison with the literature",
        ),
        "vgg16": Architecture(
            "vgg16",
            224,
            "features.29",
            "vgg",
            recipe=FINE_TUNE_SLOWLY,
            parameters=14_715_714,
            hub=Weights("tv_in1k", "bsd-3-clause"),
            purpose="heat maps of 14 x 14 cells; many operations",
        ),
        "vgg16_bn": Architecture(
            "vgg16_bn",
            224,
            "features.42",
            "vgg",
            recipe=FINE_TUNE_SLOWLY,
            parameters=14_724_162,
            hub=Weights("tv_in1k", "bsd-3-clause"),
            purpose="the same with batch norm",
        ),
        "densenet121": Architecture(
            "densenet121",
            224,
            "features",
            parameters=6_955_906,
            hub=Weights("ra_in1k", "apache-2.0"),
            purpose="comparison with CheXNet",
        ),
        "efficientnet_b0": Architecture(
            "efficientnet_b0",
            224,
            "bn2",
            parameters=4_010_110,
            hub=Weights("ra_in1k", "apache-2.0"),
            purpose="fine-tuning with few parameters",
        ),
        "mobilenetv3_large_100": Architecture(
            "mobilenetv3_large_100",
            224,
            "blocks",
            parameters=4_204_594,
            hub=Weights("ra_in1k", "apache-2.0"),
            purpose="small processors",
        ),
        "convnext_tiny": Architecture(
            "convnext_tiny",
            224,
            "stages",
            recipe=FINE_TUNE_SLOWLY,
            parameters=27_821_666,
            hub=Weights("in12k_ft_in1k", "apache-2.0"),
            purpose="large sets on a graphics card",
        ),
    }
)


def architecture(name: str) -> Architecture:
    """The row called `name`, of the table or of a plug-in, or that of any other network of timm: `timm:<its name>`.

    Raises:
        TrainingConfigError: no such row, or no such network in timm; or a plug-in that cannot be used.
    """
    plugin = find_plugin("architecture", name, ARCHITECTURES)
    if plugin is not None:
        return plugin.load(Architecture)
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    row = _row_of_timm(name.removeprefix(TIMM_PREFIX)) if name.startswith(TIMM_PREFIX) else None
    if row is None:
        known = ", ".join((*ARCHITECTURES, *plugin_names("architecture")))
        msg = (
            f"no architecture is called {name!r}; known: {known}, and {TIMM_PREFIX}<name> for any network of timm; one "
            "of a plug-in is known once its package is installed"
        )
        raise TrainingConfigError(msg)
    return row


def _row_of_timm(timm_name: str) -> Architecture | None:
    """The row of a network that timm has and the table has not."""
    import timm  # noqa: PLC0415 - with torch it takes seconds, which no row of the table needs

    if not timm.is_model(timm_name):
        return None
    config: Any = timm.get_pretrained_cfg(timm_name)
    # Its feature map is what forward_features returns; no single submodule need have that output.
    return Architecture(timm_name, config.input_size[-1], "", mean=config.mean, std=config.std)
