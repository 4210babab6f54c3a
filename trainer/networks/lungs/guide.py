"""The guide: a small network that says of a whole film where its lungs lie and what kind of film it is.

It is trained by itself (`trainer.guide`) and frozen when a network learns behind it (`trainer.networks.lungs.guided`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.model.guide import GuideRecord, Shown

ENCODER = "tf_efficientnet_lite0"
"""Of timm; up to a sixteenth of the side, where it has 2.9 of its 4.7 million weights."""
SIDE = 128
"""Of the film that the guide looks at, in pixels."""
LUNGS_SIDE = SIDE // 4
"""Cells along each side of the map of the lungs."""

_CENTRE = 0.5  # mean and standard deviation of the encoder's pretraining
_WIDE, _MIDDLE, _FINE = 64, 48, 32  # channels of the decoder, from the coarsest map to the finest
_PLACES = 24  # channels that keep where something stands, for the pose
_HIDDEN = 128


class Sight(NamedTuple):
    """What the guide says of N films."""

    lungs: Tensor  # [N, h, w], logits of a cell lying in a lung
    traits: Tensor  # [N, T], logits of each value of each trait, in the order of `GuideRecord.traits`


class GuideNetwork(nn.Module):
    """An encoder with a decoder for the lungs and one linear layer for all traits.

    Source: the decoder adds skip connections as Ronneberger et al., U-Net, MICCAI 2015, arXiv:1505.04597, by sums.
    """

    encoder: Any  # timm's networks share no type

    def __init__(self, values: Sequence[int], *, shows: Shown = "lungs", dropout: float = 0.2) -> None:
        """Make a guide with random weights.

        Args:
            values: number of values of each trait; its logits stand side by side.
            shows: what a network behind it sees.
            dropout: before the last linear layer.
        """
        super().__init__()
        self.values = tuple(values)
        self.shows = shows
        self.encoder = timm.create_model(ENCODER, features_only=True, out_indices=(1, 2, 3), in_chans=1)
        fine, middle, coarse = self.encoder.feature_info.channels()
        self.coarse = _block(coarse, _WIDE, 1)
        self.middle = nn.Conv2d(middle, _WIDE, 1)
        self.middle_block = _block(_WIDE, _MIDDLE)
        self.fine = nn.Conv2d(fine, _MIDDLE, 1)
        self.fine_block = _block(_MIDDLE, _FINE)
        self.lungs = nn.Conv2d(_FINE, 1, 1)
        cells = (SIDE // 16) ** 2
        self.places = _block(coarse, _PLACES, 1)
        self.hidden = nn.Sequential(nn.Linear(2 * coarse + _PLACES * cells, _HIDDEN), nn.ReLU(), nn.Dropout(dropout))
        self.traits = nn.Linear(_HIDDEN, sum(self.values))

    @classmethod
    def of(cls, record: GuideRecord) -> Self:
        """A guide of the record's form, with random weights."""
        return cls([len(trait.values) for trait in record.traits], shows=record.shows)

    def forward(self, film: Tensor) -> Sight:
        """Look at films float32 [N, 1, S, S] in [0, 1], S a multiple of `SIDE`."""
        image = functional.avg_pool2d(film, film.shape[-1] // SIDE)
        fine, middle, coarse = self.encoder((image - _CENTRE) / _CENTRE)
        up = self.middle_block(_doubled(self.coarse(coarse)) + self.middle(middle))
        up = self.fine_block(_doubled(up) + self.fine(fine))
        pooled = torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3)), self.places(coarse).flatten(1)], 1)
        return Sight(self.lungs(up)[:, 0], cast("Tensor", self.traits(self.hidden(pooled))))

    def probabilities(self, traits: Tensor) -> Tensor:
        """Probabilities [N, T] of trait logits [N, T]: a softmax over the values of each trait."""
        return torch.cat([part.softmax(1) for part in torch.split(traits, list(self.values), 1)], 1)


def _block(before: int, after: int, side: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, side, padding=side // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
