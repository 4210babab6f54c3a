"""The figure of a run: the AUROC of its trials, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from schemas.estimate import Estimate
from trainer.report.style import QUIET, SETS, panel, short_name, styled

_ROW_IN = 0.62


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the leaderboard."""

    name: str
    auroc: dict[str, Estimate]
    """By the name of the set of films."""


@styled
def leaderboard_figure(standings: Sequence[Standing]) -> Figure:
    """AUROC with intervals of every trial, best first; a dashed line marks the winner's validation AUROC."""
    figure, axes = panel(0.9 + _ROW_IN * len(standings))
    sets = [name for name in SETS if any(name in standing.auroc for standing in standings)]
    for place, name in enumerate(sets):
        offset = 0.2 * (place - (len(sets) - 1) / 2)
        lines = [
            (row + offset, standing.auroc[name]) for row, standing in enumerate(standings) if name in standing.auroc
        ]
        rows, areas = zip(*lines, strict=True)
        values = [area.value for area in areas]
        limits = [[area.value - area.low for area in areas], [area.high - area.value for area in areas]]
        axes.errorbar(values, rows, xerr=limits, fmt="os"[place], ms=6, color=SETS[name], mec="white", elinewidth=1.6)
        # Left of its interval, on a line of its own: the labels never overlap, however near the figures are.
        label = axes.annotate(
            name, (areas[0].low, rows[0]), (-5, 0), textcoords="offset points", ha="right", va="center"
        )
        label.set(color=SETS[name], weight="bold", fontsize=9)
    winner = standings[0].auroc.get("validation")
    if winner is not None:
        axes.axvline(winner.value, color=QUIET, lw=0.8, ls=(0, (4, 4)), zorder=0)
    for row, standing in enumerate(standings):
        # The name stands above its figures, not beside them: beside, it would leave a phone no room for them.
        axes.text(
            0, row - 0.33, short_name(standing.name, 48), transform=axes.get_yaxis_transform(), fontsize=9, va="bottom"
        )
    axes.set_yticks([])
    axes.set_ylim(len(standings) - 0.45, -0.75)
    axes.set_xlim(right=min(1.004, axes.get_xlim()[1]))
    axes.set_xlabel("AUROC, 95 % interval")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure
