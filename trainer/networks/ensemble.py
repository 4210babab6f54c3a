"""Several networks as one: the mean of their calibrated probabilities, explained on their feature maps together."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from schemas.errors import TrainingConfigError
from trainer.networks.network import Network


class MeanClassifier(nn.Module):
    """From the embeddings of all members, one behind the other [N, D1 + D2 + ...], to logits [N, K].

    The softmax of the logits is the mean of the members' calibrated probabilities.
    """

    def __init__(self, classifiers: Sequence[nn.Module], widths: Sequence[int], temperatures: Sequence[float]) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(classifiers)
        self.widths = list(widths)
        self.temperatures = list(temperatures)

    def forward(self, embedding: Tensor) -> Tensor:
        """See the class; logarithms all along, so that no probability is rounded to 0."""
        parts = torch.split(embedding, self.widths, dim=1)
        scaled = [
            (classifier(part) / temperature).log_softmax(1)
            for classifier, part, temperature in zip(self.classifiers, parts, self.temperatures, strict=True)
        ]
        return torch.stack(scaled).exp().mean(0).clamp_min(torch.finfo(embedding.dtype).tiny).log()


class MeanFindings(nn.Module):
    """The same of findings that are judged each by itself: the sigmoid of the logits is the mean of the members'."""

    def __init__(self, classifiers: Sequence[nn.Module], widths: Sequence[int], scalings: Sequence[Tensor]) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(classifiers)
        self.widths = list(widths)
        self.register_buffer("scalings", torch.stack(list(scalings)))  # [M, 2, K], slopes and offsets

    def forward(self, embedding: Tensor) -> Tensor:
        """See the class; presence and absence are averaged apart, so that neither is rounded to 0 by the other."""
        parts = torch.split(embedding, self.widths, dim=1)
        logits = torch.stack([one(part) for one, part in zip(self.classifiers, parts, strict=True)])  # [M, N, K]
        scalings = cast("Tensor", self.scalings)
        scaled = logits * scalings[:, :1] + scalings[:, 1:]
        tiny = torch.finfo(embedding.dtype).tiny
        present, absent = (side.sigmoid().mean(0).clamp_min(tiny).log() for side in (scaled, -scaled))
        return present - absent


class EnsembleNetwork(Network):
    """Networks that see the same films in feature maps of the same cells, as one network.

    Its feature map holds the channels of all members, so the gradient of its logits on it is that of the whole
    ensemble, and Grad-CAM needs no rule of its own. Findings that are judged each by itself have `scalings` [2, K] of
    slopes and offsets for each member, and no use for temperatures.

    Raises:
        TrainingConfigError: the feature maps of the members have different cells.
    """

    def __init__(
        self,
        members: Sequence[Network],
        temperatures: Sequence[float],
        *,
        size: int,
        scalings: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__("joint", mean=(0.0,), std=(1.0,))  # each member normalises for itself
        self.members = nn.ModuleList(member.eval() for member in members)
        self.joint = nn.Identity()
        with torch.no_grad():
            maps = [member.features(torch.zeros(1, 1, size, size)) for member in members]
            widths = [member.embed(features).shape[1] for member, features in zip(members, maps, strict=True)]
        cells = [tuple(features.shape[2:]) for features in maps]
        if len(set(cells)) > 1:
            listed = ", ".join(f"{height} x {width}" for height, width in cells)
            msg = (
                f"the feature maps of the members have {listed} cells, and Grad-CAM explains one map; export a mean of "
                "networks of one architecture, such as mean-of-N-seeds, or a member"
            )
            raise TrainingConfigError(msg)
        self.channels = [features.shape[1] for features in maps]
        heads = [member.classifier for member in members]
        self.classifier: nn.Module
        if scalings is None:
            self.classifier = MeanClassifier(heads, widths, temperatures)
        else:
            self.classifier = MeanFindings(heads, widths, scalings)
        self.eval()

    def features(self, image: Tensor) -> Tensor:
        """See `Network.features`: C is the sum over the members."""
        maps = [cast("Network", member).features(image) for member in self.members]
        return cast("Tensor", self.joint(torch.cat(maps, dim=1)))

    def pool(self, features: Tensor) -> Tensor:
        """See `Network.pool`: D is the sum over the members."""
        parts = torch.split(features, self.channels, dim=1)
        members = (cast("Network", member) for member in self.members)
        return torch.cat([member.pool(part) for member, part in zip(members, parts, strict=True)], dim=1)
