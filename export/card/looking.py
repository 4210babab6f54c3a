"""What a network looks at, as tables of the card and as metrics for programs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from schemas.estimate import Estimate
from schemas.model.looking import Looking, MapSanity
from trainer.looking.rows import (
    ERASURE_CAPTION,
    ERASURE_HEAD,
    HEAT_CAPTION,
    HEAT_HEAD,
    SANITY_CAPTION,
    SANITY_HEAD,
    Row,
    erasure_rows,
    heat_rows,
    sanity_rows,
)


@dataclass(frozen=True, slots=True)
class CardTable:
    """A table with its heading row."""

    caption: str
    head: Row
    rows: Sequence[Row]

    @property
    def rule(self) -> Row:
        """The row between head and rows."""
        return tuple("---" for _ in self.head)


@dataclass(frozen=True, slots=True)
class LookingSection:
    """What `looking.md.j2` shows."""

    data: str | None
    tables: tuple[CardTable, ...]


def looking_section(looking: Looking | None, sanity: Sequence[MapSanity]) -> LookingSection | None:
    """The tables that have rows; None where none has."""
    tables = (
        CardTable(ERASURE_CAPTION, ERASURE_HEAD, [] if looking is None else erasure_rows(looking)),
        CardTable(HEAT_CAPTION, HEAT_HEAD, [] if looking is None else heat_rows(looking)),
        CardTable(SANITY_CAPTION, SANITY_HEAD, sanity_rows(sanity)),
    )
    filled = tuple(table for table in tables if table.rows)
    return LookingSection(None if looking is None else looking.data, filled) if filled else None


def looking_figures(looking: Looking) -> Iterator[tuple[str, Estimate, str]]:
    """Each figure with its kind, and the films, finding and part that it is about."""
    for row in looking.erasures:
        where = f"{looking.data}, {row.finding}, {row.erasure}"
        if row.auroc is not None:
            yield "AUROC", row.auroc, where
        yield "share answered", row.answered, where
    for heat in looking.heat:
        where = f"{looking.data}, {heat.finding}, {heat.films} heat maps against {heat.region}"
        yield "share of the heat over share of the area", heat.maps.ratio, where
        yield "hottest point inside", heat.maps.inside, where
        yield "hottest point near", heat.maps.near, where


def sanity_figures(checks: Iterable[MapSanity]) -> Iterator[tuple[str, Estimate, str]]:
    """The same of the sanity checks of heat maps."""
    for check in checks:
        for row in check.rows:
            where = f"validation, {check.films} {check.method} maps, {row.layers} random"
            yield "rank correlation of maps", row.rank_correlation, where
            yield "structural similarity of maps", row.ssim, where
