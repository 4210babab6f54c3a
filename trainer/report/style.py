"""The look of every figure: a palette that colour-blind readers can distinguish, and labels next to what they name."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Source: Okabe and Ito, Color Universal Design (2008).
BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
ORANGE = "#e69f00"
SKY = "#56b4e9"

INK = "#22303a"
QUIET = "#5c6b76"
RULE = "#d5dce1"
GROUND = "#ffffff"
SETS = {"validation": BLUE, "test": VERMILLION}
"""Colours by the name of the set of films, the same in every figure."""
BAND_ALPHA = 0.18
WIDTH_IN = 4.6  # of a figure that fills a phone: 10 points stay above 11 pixels there

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "legend.frameon": False,
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in this style, whatever the caller's settings of matplotlib are."""

    @functools.wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with rc_context(_RC):  # type: ignore[arg-type]  # the stub knows its keys as literals
            return draw(*args, **kwargs)

    return draw_styled


def panel(height_in: float) -> tuple[Figure, Axes]:
    """A figure of one panel."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.add_subplot()


def unit_axes(axes: Axes, *, x: str, y: str) -> None:
    """Both axes from 0 to 1, with a little room for lines that run along them."""
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xlabel=x, ylabel=y)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])


def short_name(text: str, longest: int = 24) -> str:
    """A name as a label: never read as a formula, and cut where it would leave the figure."""
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return short.replace("$", r"\$")
