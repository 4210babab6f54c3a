"""A network behind a guide: it sees the part of a film where the lungs lie, and nothing beside them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from imaging.thumbnail import HALF_HEIGHT, HALF_WIDTH, LARGEST, LEAST_MASS, SMALLEST
from trainer.networks.lungs.guide import GuideNetwork, Sight
from trainer.networks.network import Network

MAP_SIDE = 32
"""Cells along each side of a heat map once it lies on the film."""

_LEAST, _FULL = 0.25, 0.6  # probability from which a cell next to the lungs is shown, and shown fully
_SPREAD = 4.0  # standard deviations that become a range of 1
_FLAT = 1e-3
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""A blur of one pixel: without it the same film, shrunk in another way before it was sent, differs by aliasing."""
_JITTER = 0.08  # largest change of a box's place and size in training, as a share of its half
_GROWN = (1, 3, 5)  # cells over which lungs spread to their neighbours in training; the middle one otherwise


class View(NamedTuple):
    """What a network behind a guide sees of N films."""

    image: Tensor  # [N, 1, C, C] in [0, 1]; 0.5 outside of the lungs where the guide shows these alone
    box: Tensor  # [N, 4], centre x, centre y, half width, half height; the film goes from -1 to 1
    shown: Tensor  # [N, h, w] in [0, 1], how much of each cell of the film it sees
    sight: Sight


class GuidedNetwork(Network):
    """A frozen guide, and the network that learns behind it.

    Films are [N, 1, S, S] with S = `trainer.networks.designs.FILM_SIDE`. The lungs' box becomes a square of the
    network's own side, whatever the aspect of the film; intensities are relative to the box; what is no lung is gray,
    unless the guide shows the whole box.
    """

    def __init__(self, guide: GuideNetwork, network: Network, crop: int) -> None:
        """Put a network behind a guide.

        Args:
            guide: stays in eval mode and never learns.
            network: takes films of `crop` pixels a side.
            crop: C.
        """
        super().__init__(f"network.{network.cam_layer}", (0.0,), (1.0,))
        self.guide = guide.requires_grad_(requires_grad=False)
        self.network = network
        self.crop = crop

    @property
    def learner(self) -> Network:
        """See `Network.learner`."""
        return self.network

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]  # it belongs to the network behind the guide
        """The last linear layer."""
        return self.network.classifier

    def train(self, mode: bool = True) -> "GuidedNetwork":  # noqa: FBT001, FBT002 - torch's signature
        """Switch the network between train and eval mode; the guide stays in eval mode."""
        super().train(mode)
        self.guide.eval()
        return self

    def view(self, image: Tensor) -> View:
        """What the network sees of films [N, 1, S, S] in [0, 1]; in train mode boxes and lungs are varied a little."""
        sight = self.guide(image)
        lungs = sight.lungs.sigmoid()
        box = _box(lungs)
        if self.training:
            box = box + (2 * torch.rand_like(box) - 1) * _JITTER * box[:, 2:].repeat(1, 2)
        places = _places(box, self.crop)
        part = functional.grid_sample(_soft(image), places, align_corners=False)
        relative = _relative(part)
        shown = self._shown(lungs) if self.guide.shows == "lungs" else torch.ones_like(lungs)
        if self.guide.shows == "lungs":
            relative = relative * functional.grid_sample(shown[:, None], places, align_corners=False)
        return View(0.5 + relative, box, shown, sight)

    def _shown(self, lungs: Tensor) -> Tensor:
        """How much of each cell the network may see, [N, h, w]: the lungs and what touches them."""
        grown = _GROWN[int(torch.randint(len(_GROWN), ()))] if self.training else _GROWN[1]
        wide = functional.max_pool2d(lungs[:, None], grown, 1, grown // 2)[:, 0]
        return ((wide - _LEAST) / (_FULL - _LEAST)).clamp(0, 1)

    def features(self, image: Tensor) -> Tensor:
        """See `Network.features`."""
        return self.network.features(self.view(image).image)

    def pool(self, features: Tensor) -> Tensor:
        """See `Network.pool`."""
        return self.network.pool(features)

    def head(self, features: Tensor) -> Tensor:
        """See `Network.head`."""
        return self.network.head(features)

    def embed(self, features: Tensor) -> Tensor:
        """See `Network.embed`."""
        return self.network.embed(features)

    def seen(self, image: Tensor) -> dict[str, Tensor]:
        """See `Network.seen`: `lungs` [N, h, w] and `traits` [N, T], both probabilities."""
        sight = self.guide(image)
        return {"lungs": sight.lungs.sigmoid(), "traits": self.guide.probabilities(sight.traits)}

    def on_film(self, maps: Tensor, image: Tensor) -> Tensor:
        """See `Network.on_film`."""
        return on_view(maps, self.view(image))


def on_view(maps: Tensor, view: View) -> Tensor:
    """Maps [N, h, w] of what a network sees on whole films, [N, `MAP_SIDE`, `MAP_SIDE`]; empty where it sees nothing.

    The cells of its last layers are larger than those of the film: without this, heat would spill over the edge of
    the lungs onto what was gray to the network.
    """
    return placed(maps, view.box) * view.shown


def placed(maps: Tensor, box: Tensor) -> Tensor:
    """Maps [N, h, w] of what lies in the boxes [N, 4] as maps of whole films, [N, `MAP_SIDE`, `MAP_SIDE`]."""
    cells = _centres(MAP_SIDE, maps)
    x = (cells[None] - box[:, :1]) / box[:, 2:3]
    y = (cells[None] - box[:, 1:2]) / box[:, 3:]
    grid = _grid(x, y)
    on_film = functional.grid_sample(maps[:, None], grid, align_corners=False, padding_mode="border")[:, 0]
    inside = (x.abs() <= 1).to(maps.dtype)[:, None, :] * (y.abs() <= 1).to(maps.dtype)[:, :, None]
    return on_film * inside


def _box(lungs: Tensor) -> Tensor:
    """Where the lungs lie, [N, 4], from the probabilities of cells [N, h, w]: the first two moments along each axis.

    `imaging.thumbnail.lungs_box` computes the same without torch.
    """
    weights = lungs.square()  # what is unsure counts little
    total = weights.sum((1, 2)) + LEAST_MASS
    parts = []
    for axis, wide in ((1, HALF_WIDTH), (2, HALF_HEIGHT)):  # summing over rows leaves x, over columns y
        profile = weights.sum(axis)
        cells = _centres(profile.shape[1], profile)
        centre = (profile * cells).sum(1) / total
        variance = (profile * (cells - centre[:, None]).square()).sum(1) / total
        parts.append((centre, (wide * (variance + LEAST_MASS).sqrt()).clamp(SMALLEST, LARGEST)))
    (x, half_width), (y, half_height) = parts
    return torch.stack([x, y, half_width, half_height], 1)


def _centres(cells: int, like: Tensor) -> Tensor:
    """Centres of cells along an axis from -1 to 1, [cells]."""
    return (torch.arange(cells, dtype=like.dtype, device=like.device) + 0.5) * (2 / cells) - 1


def _places(box: Tensor, side: int) -> Tensor:
    """Where each pixel of the parts lies on the film, [N, side, side, 2]."""
    cells = _centres(side, box)
    x = box[:, :1] + box[:, 2:3] * cells
    y = box[:, 1:2] + box[:, 3:] * cells
    return _grid(x, y)


def _grid(x: Tensor, y: Tensor) -> Tensor:
    """Places [N, h, w, 2] of columns [N, w] and rows [N, h]."""
    rows, columns = y.shape[1], x.shape[1]
    return torch.stack([x[:, None, :].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, columns)], -1)


def _soft(image: Tensor) -> Tensor:
    """Films [N, 1, S, S] after a binomial blur along each axis."""
    taps = torch.tensor(_BINOMIAL, dtype=image.dtype, device=image.device)
    padded = functional.pad(image, (2, 2, 2, 2), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, taps.view(1, 1, 1, 5)), taps.view(1, 1, 5, 1))


def _relative(part: Tensor) -> Tensor:
    """Intensities relative to those of the whole part, around 0; about four standard deviations are a range of 1."""
    centred = part - part.mean((1, 2, 3), keepdim=True)
    deviation = (centred.square().mean((1, 2, 3), keepdim=True) + _FLAT**2).sqrt()
    return (centred / (_SPREAD * deviation)).clamp(-1, 1)
