"""The figure of a run: its trials beside one another."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from schemas.estimate import Estimate
from trainer.report.style import QUIET, SETS, panel, styled, words

_ROW_IN = 0.42


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the leaderboard."""

    name: str
    auroc: dict[str, Estimate]
    """By the name of the set of films."""


@styled
def leaderboard_figure(standings: Sequence[Standing]) -> Figure:
    """AUROC with intervals of every trial, best first; a line leads down from the winner's validation figure."""
    figure, axes = panel(1.1 + _ROW_IN * len(standings), width_in=6.4)
    sets = [name for name in SETS if any(name in standing.auroc for standing in standings)]
    for place, name in enumerate(sets):
        offset = 0.3 * (place - (len(sets) - 1) / 2)
        lines = [
            (row + offset, standing.auroc[name]) for row, standing in enumerate(standings) if name in standing.auroc
        ]
        rows, areas = zip(*lines, strict=True)
        values = [area.value for area in areas]
        limits = [[area.value - area.low for area in areas], [area.high - area.value for area in areas]]
        axes.errorbar(values, rows, xerr=limits, fmt="os"[place], ms=6, color=SETS[name], mec="white", elinewidth=1.6)
        # One label above, the other below: they never overlap, however near their figures are.
        label = axes.annotate(name, (values[0], rows[0]), (0, (7, -14)[place]), textcoords="offset points", ha="center")
        label.set(color=SETS[name], weight="bold", fontsize=9)
    winner = standings[0].auroc.get("validation")
    if winner is not None:
        axes.axvline(winner.value, color=QUIET, lw=0.8, ls=(0, (4, 4)), zorder=0)
    axes.set_yticks(range(len(standings)), [words(standing.name, 34) for standing in standings])
    axes.set_ylim(len(standings) - 0.4, -0.85)
    axes.set_xlim(right=min(1.0, axes.get_xlim()[1]))
    axes.set_xlabel("AUROC, 95 % interval")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
