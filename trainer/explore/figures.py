"""Figures of a set of films: counts, distributions of facts, probes, and a montage of each class."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from trainer.explore.probes import ALARM, Probe
from trainer.report.style import BLUE, GREEN, ORANGE, PURPLE, QUIET, SKY, VERMILLION, panel, short_name, styled

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_BINS = 40


@styled
def counts_figure(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Films of each class in each split, as bars with their numbers."""
    classes = list(next(iter(counts.values())))
    figure, axes = panel(0.9 + 0.28 * len(counts) * len(classes))
    places = []
    names = []
    for row, (split, by_class) in enumerate(counts.items()):
        for column, label in enumerate(classes):
            place = row * (len(classes) + 0.7) + column
            colour = COLOURS[column % len(COLOURS)]
            axes.barh(place, by_class[label], color=colour, height=0.86)
            axes.annotate(f" {by_class[label]:,}", (by_class[label], place), va="center", fontsize=8.5)
            places.append(place)
            names.append(short_name(f"{split}: {label}", 26))
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("films")
    axes.margins(x=0.14)
    return figure


@styled
def fact_figure(values: Mapping[str, NDArray[np.float64]], *, name: str) -> Figure:
    """How a fact is distributed in each class, as steps of equal area.

    Args:
        values: [n] by class.
        name: of the fact, with its unit.
    """
    figure, axes = panel(2.6)
    together = np.concatenate(list(values.values()))
    low, high = np.quantile(together, (0.002, 0.998))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    for row, (label, facts) in enumerate(values.items()):
        share, _ = np.histogram(np.clip(facts, edges[0], edges[-1]), edges)
        colour = COLOURS[row % len(COLOURS)]
        axes.stairs(share / len(facts), edges, color=colour, fill=True, alpha=0.22)
        axes.stairs(share / len(facts), edges, color=colour, lw=1.6)
        axes.annotate(
            short_name(label),
            (0.98, 0.93 - 0.1 * row),
            xycoords="axes fraction",
            ha="right",
            color=colour,
            weight="bold",
        )
    axes.set_xlabel(name)
    axes.set_ylabel("share of the class")
    axes.xaxis.set_major_locator(MaxNLocator(5))  # more labels of four digits run into one another
    return figure


@styled
def probe_figure(probes: Sequence[Probe]) -> Figure:
    """AUROC of each probe with its interval; a probe whose interval lies right of the red line alarms."""
    areas = [(probe.name, probe.auroc) for probe in probes if probe.auroc is not None]
    figure, axes = panel(1.0 + 0.36 * max(1, len(areas)))
    for row, (_, area) in enumerate(areas):
        colour = VERMILLION if area.low > ALARM else BLUE
        limits = [[area.value - area.low], [area.high - area.value]]
        axes.errorbar([area.value], [row], xerr=limits, fmt="o", ms=6, color=colour, mec="white", elinewidth=1.6)
        axes.annotate(
            f"{area.value:.2f}", (area.value, row), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.axvline(0.5, color=QUIET, lw=0.8, ls=(0, (4, 4)))
    axes.axvline(ALARM, color=VERMILLION, lw=0.8)
    axes.set_yticks(range(len(areas)), [short_name(name) for name, _ in areas])
    axes.set_ylim(len(areas) - 0.4, -0.7)
    axes.set_xlim(min(0.4, *(area.low - 0.02 for _, area in areas)) if areas else 0.4, 1.02)
    axes.set_xlabel("AUROC, 95 % interval; dashed: chance; red: alarm")
    axes.grid(visible=False, axis="y")
    return figure


def montage(films: NDArray[np.float32], columns: int) -> bytes:
    """Films side by side, as the network sees them.

    Args:
        films: float32 [V, 1, S, S] in [0, 1].
        columns: films in a row.

    Returns:
        An 8-bit gray PNG.
    """
    side = films.shape[-1]
    rows = -(-len(films) // columns)
    sheet = np.full((rows * (side + 4) - 4, columns * (side + 4) - 4), 255, np.uint8)
    for place, film in enumerate(films):
        top = (place // columns) * (side + 4)
        left = (place % columns) * (side + 4)
        sheet[top : top + side, left : left + side] = (film[0] * 255).round()
    _, png = cv2.imencode(".png", sheet)
    return png.tobytes()
