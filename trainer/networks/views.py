"""Views of a film, moved, turned, enlarged: test-time augmentation and multi-scale inference average over them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class View:
    """A film moved, turned and enlarged about its centre; black where it ends, as augmentation leaves it."""

    shift_x: float = 0.0
    """To the right, as a share of the side."""
    shift_y: float = 0.0
    """Downwards, as a share of the side."""
    rotation_deg: float = 0.0
    """Clockwise."""
    scale: float = 1.0
    """Above 1 enlarges, and cuts the border off."""

    def of(self, images: "Tensor") -> "Tensor":
        """Films float32 [N, 1, S, S] as this view shows them; the plain film is given back untouched."""
        if self == FILM:
            return images
        from torch.nn import functional  # noqa: PLC0415 - the options of a run name views, and need no torch

        cosine, sine = (turn(math.radians(self.rotation_deg)) / self.scale for turn in (math.cos, math.sin))
        # From a place in the view to the film, in units of half a side: the inverse of move, turn and enlarge.
        right = 2 * self.shift_x
        down = 2 * self.shift_y
        rows = [
            [cosine, sine, -cosine * right - sine * down],
            [-sine, cosine, sine * right - cosine * down],
        ]
        matrix = images.new_tensor(rows).expand(len(images), 2, 3)
        grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


FILM = View()

PERTURBATIONS = (
    View(rotation_deg=3),
    View(rotation_deg=-3),
    View(shift_x=0.03),
    View(shift_x=-0.03),
    View(shift_y=0.03),
    View(shift_y=-0.03),
    View(rotation_deg=6),
    View(rotation_deg=-6),
)
"""As small as films of one patient differ in position, in pairs that cancel; no mirror image: it moves the heart."""


def choose_views(tta: int, scales: Sequence[float]) -> tuple[View, ...]:
    """The film itself and its first `tta` perturbations, each at every scale.

    Args:
        tta: 0 to 8.
        scales: 1 is the film's own.
    """
    return tuple(replace(view, scale=scale) for scale in scales for view in (FILM, *PERTURBATIONS[:tta]))
