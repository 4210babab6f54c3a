"""The measures of what a network looks at as rows of tables, for the report, the card and the pages of results."""

from collections.abc import Iterable, Iterator

from schemas.model.looking import POINTING_TOLERANCE, Looking, MapSanity, Pointing, RegionHeat

Row = tuple[str, ...]

ERASURE_HEAD = ("film", "finding", "films with it", "AUROC", "answered")
ERASURE_CAPTION = (
    "Films with lung masks, parts of them erased: painted in the mean gray of their surroundings, or taken from "
    "another patient's film. The cage is the convex hull of the lungs, widened by 4 % of the side. Outlines stay "
    "visible. A network that looks at lungs loses its AUROC, or abstains, where they are gray, and neither where what "
    "is outside changes. Thresholds and gate are unchanged."
)

HEAT_HEAD = (
    "region",
    "finding",
    "maps",
    "heat inside / area",
    "hottest point inside",
    f"within {POINTING_TOLERANCE:.3f}",
)
HEAT_CAPTION = (
    "Heat maps against marked regions; lungs and cage: films with the finding that are called so; boxes: all films "
    "with one. Heat inside / area: 1 is a map that looks everywhere alike. Hottest point: the pointing game, strictly "
    f"and within {POINTING_TOLERANCE:.3f} of the side (15 of 224 pixels). Controls: the mean of all these maps for "
    "every film, and the region mirrored left to right, which lungs hardly notice."
)


SANITY_HEAD = ("maps", "random layers", "rank correlation", "SSIM")
SANITY_CAPTION = (
    "Heat maps before and after layers are randomised, from the last one down (Adebayo et al., NeurIPS 2018): what is "
    "left does not come from what was learned. The export refuses maps whose rank correlation is above "
    "the limit once the last quarter of the layers is random."
)


def sanity_rows(checks: Iterable[MapSanity]) -> list[Row]:
    """Rows of `SANITY_HEAD`."""
    return [
        (
            f"{check.method}, limit {check.limit}",
            f"{row.layers} ({row.count})",
            str(row.rank_correlation),
            str(row.ssim),
        )
        for check in checks
        for row in check.rows
    ]


def erasure_rows(looking: Looking) -> list[Row]:
    """Rows of `ERASURE_HEAD`."""
    return [
        (
            row.erasure,
            row.finding,
            f"{row.positives:,} of {row.films:,}",
            "undefined" if row.auroc is None else str(row.auroc),
            str(row.answered),
        )
        for row in looking.erasures
    ]


def heat_rows(looking: Looking) -> list[Row]:
    """Rows of `HEAT_HEAD`: the network's maps against each region, then the controls."""
    return [row for heat in looking.heat for row in _rows_of(heat)]


def _rows_of(heat: RegionHeat) -> Iterator[Row]:
    empty = f", {heat.empty} without heat" if heat.empty else ""
    region = f"{heat.region}, {heat.area:.0%} of the film"
    yield (region, heat.finding, f"{heat.films:,}{empty}", *_cells(heat.maps))
    yield (region, heat.finding, "centre prior", *_cells(heat.centre_prior))
    yield (f"{region}, mirrored", heat.finding, f"{heat.films:,}{empty}", *_cells(heat.mirrored))


def _cells(pointing: Pointing) -> Row:
    return (f"{pointing.ratio:.2f}", str(pointing.inside), str(pointing.near))
