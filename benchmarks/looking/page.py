"""The page of results: what every bundle keeps of its judgement, and where the heat of its maps lies."""

from collections.abc import Sequence

from pydantic import Field

from benchmarks.leaderboard.tables import table
from schemas.model.looking import Erasure, Looking
from schemas.record import Record
from trainer.looking.erasures import ERASURES
from trainer.looking.rows import ERASURE_CAPTION, HEAT_CAPTION, HEAT_HEAD, heat_rows

TEXT = """# What the network looks at

This page shows how much of its judgement a bundle keeps when parts of the films are erased, and where the heat of its
maps lies. Everything was asked of the real service through HTTP (`python -m benchmarks.looking … --write`), on
validation films of the bundle's own run that have a lung mask. Nothing was trained on them; validation chose the epoch
and the thresholds, so AUROCs are slightly flattered, but nothing was chosen by the masks. There are masks for films of
the official training split alone, so the official test films are not among these.
"""
SOURCE = """Films: Kermany, Zhang and Goldbaum, Mendeley Data, doi:10.17632/rscbjbr9sj (CC BY 4.0). Lung masks: V7 Labs,
covid-19-xray-dataset (CC BY 4.0)."""


class BundleLooking(Record):
    """What a bundle looks at."""

    bundle: str
    children: Looking
    adults: Looking | None
    remark: str = Field(default="", description="what a person saw who looked at the twelve maps")


def erasure_table(bundles: Sequence[BundleLooking], finding: str) -> str:
    """One row for each erasure, two columns for each bundle."""
    head = ["film", *(f"{kind}, {one.bundle}" for one in bundles for kind in ("AUROC", "answered"))]

    def cells(one: BundleLooking, erasure: Erasure) -> tuple[str, str]:
        row = one.children.erased(erasure, finding)
        return ("", "") if row is None else (str(row.auroc or "undefined"), str(row.answered))

    rows = [[erasure, *(cell for one in bundles for cell in cells(one, erasure))] for erasure in ERASURES]
    return table(head, rows)


def page(bundles: Sequence[BundleLooking], captions: Sequence[str], picture_file: str) -> str:
    """The page of results."""
    findings = dict.fromkeys(row.finding for one in bundles for row in one.children.erasures)
    parts = [TEXT.strip(), "## Erased films"]
    parts += [f"`{one.bundle}`: {one.children.data}, {one.children.lung_masks} with a mask." for one in bundles]
    parts += [part for finding in findings for part in (f"{finding}:", erasure_table(bundles, finding))]
    parts += [ERASURE_CAPTION, "## Heat maps"]
    for one in bundles:
        parts += [f"`{one.bundle}`:", table(HEAT_HEAD, heat_rows(one.children))]
        if one.adults is not None:
            where = "adult films with boxes (NIH ChestX-ray14, boxes of NIH and of the RSNA challenge)"
            parts += [f"`{one.bundle}`, {one.adults.boxes} {where}:", table(HEAT_HEAD, heat_rows(one.adults))]
    lot = (
        f"Drawn from the films with a mask by a generator of seed 0, for `{bundles[-1].bundle}`; heat of the predicted "
        "label, the lungs outlined in white; from the left to the right, row by row:"
    )
    shown = [f"{number}. {caption}" for number, caption in enumerate(captions, start=1)]
    parts += [
        HEAT_CAPTION,
        "## Twelve films by lot",
        lot,
        f"![Twelve chest films with heat maps and outlined lungs]({picture_file})",
        "\n".join(shown),
        *(f"Looked at, `{one.bundle}`: {one.remark}" for one in bundles if one.remark),
        SOURCE,
    ]
    return "\n\n".join(parts) + "\n"
