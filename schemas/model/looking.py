"""What a network looks at: its answers when parts of the film are erased, and where the heat of its maps lies."""

from typing import Literal

from pydantic import Field

from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.record import Record

Erasure = Literal["as it is", "lungs gray", "cage gray", "outside gray", "outside swapped"]
"""What is changed of a film: nothing; the lungs, their cage, or all but the cage painted gray; all but the cage taken
from another patient's film."""

POINTING_TOLERANCE = 15 / 224
"""How far from a region the hottest point still counts as near it, as a share of the side: 15 pixels of 224.

Source: Zhang et al., Int. J. Comput. Vis. 126 (2018) 1084-1102, section 5.1 (15 pixels).
"""


class ErasureMetrics(Record):
    """One finding on films of which a part is erased; thresholds, conformal sets and gate stay those of the network."""

    erasure: Erasure
    finding: str
    films: int
    positives: int = Field(description="films with the finding")
    auroc: Estimate | None = Field(description="DeLong's interval by patient; null: films of one kind alone")
    answered: Estimate = Field(description="share of the films that are not abstained from, Wilson's interval")


class Pointing(Record):
    """How maps and a region meet."""

    ratio: Estimate = Field(
        description="share of the heat inside the region over the region's share of the film, each a mean over films; "
        "1: as a map that looks everywhere alike; interval by bootstrap over patients"
    )
    inside: Estimate = Field(description="share of the films whose hottest point lies in the region, Wilson's interval")
    near: Estimate = Field(description="the same within the tolerance of `POINTING_TOLERANCE`")


class RegionHeat(Record):
    """Heat maps of one finding against one region of the films."""

    region: Literal["lungs", "cage", "boxes"]
    finding: str
    films: int
    patients: int
    empty: int = Field(description="films whose map has no heat: no hit, and left out of the shares of heat")
    area: Fraction = Field(description="mean share of the film that the region covers")
    heat: Estimate = Field(description="mean share of the heat that lies inside")
    maps: Pointing = Field(description="of the network's maps")
    centre_prior: Pointing = Field(description="control: for each film the mean of all these maps")
    mirrored: Pointing = Field(description="control: the network's maps against the region mirrored left to right")


class Looking(Record):
    """What a network looks at, measured on films that it was not trained on and whose lungs or findings are marked."""

    data: str = Field(description="the films in words")
    films: int = Field(description="films with masks or boxes")
    lung_masks: int = Field(description="films with a mask of the lungs")
    boxes: int = Field(description="films with boxes of a finding")
    erasures: tuple[ErasureMetrics, ...] = Field(default=(), description="empty: no film has a mask of the lungs")
    heat: tuple[RegionHeat, ...] = Field(default=(), description="empty: too few films for any region")

    def erased(self, erasure: Erasure, finding: str) -> ErasureMetrics | None:
        """The row of an erasure; None where it was not measured."""
        rows = (row for row in self.erasures if (row.erasure, row.finding) == (erasure, finding))
        return next(rows, None)


class RandomisedLayers(Record):
    """How alike maps are before and after layers are randomised, from the last one down."""

    layers: str = Field(description="which layers, e.g. 'last layer', 'last quarter'")
    count: int = Field(ge=1, description="layers with weights that were randomised")
    rank_correlation: Estimate = Field(
        description="mean of Spearman's correlation of each film's two maps, in [-1, 1]; bootstrap over films"
    )
    ssim: Estimate = Field(description="mean structural similarity of each film's two maps, in [-1, 1]; the same")


class MapSanity(Record):
    """The sanity check of heat maps: do they depend on what the network has learned?

    Source: Adebayo et al., NeurIPS 2018, arXiv:1810.03292 (cascading randomisation).
    """

    method: str = Field(description="gradcam, layercam")
    films: int
    draws: int = Field(description="random networks for each row; a film's figure is the mean over them")
    limit: float = Field(description="largest accepted rank correlation of the row `last quarter`")
    rows: tuple[RandomisedLayers, ...]
