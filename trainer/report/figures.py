"""Figures of one trial: arrays and records in, a figure out."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from schemas.estimate import Estimate
from schemas.model.evaluation import FindingMetrics
from trainer.learning.history import EpochRecord
from trainer.report.curves import GRID, Curve, Curves, Reliability
from trainer.report.style import (
    BAND_ALPHA,
    BLUE,
    GREEN,
    GROUND,
    INK,
    PURPLE,
    QUIET,
    RULE,
    SETS,
    panel,
    short_name,
    styled,
    unit_axes,
)

_MANY_CLASSES = 6
_LETTERS_A_ROW = 36
"""As many fit side by side below a confusion matrix."""
_DARK_CELL = 0.55
_ROUNDING = 1e-12


@styled
def roc_figure(curves: Mapping[str, Curves], metrics: Mapping[str, FindingMetrics]) -> Figure:
    """ROC curves with bands, by set of films; a mark where each is at the operating point.

    Args:
        curves: by the name of the set.
        metrics: of the same sets, at the operating point.
    """
    figure, axes = panel(4.3)
    unit_axes(axes, x="1 - specificity", y="sensitivity")
    axes.set_aspect("equal")
    axes.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=(0, (4, 4)))
    axes.text(0.66, 0.62, "chance", color=QUIET, rotation=45, rotation_mode="anchor", fontsize=8.5)
    for row, (name, set_curves) in enumerate(curves.items()):
        _draw(axes, set_curves.roc, SETS[name], steps=False)
        point = metrics[name]
        axes.plot(
            1 - point.specificity.value, point.sensitivity.value, "o", color=SETS[name], mec="white", ms=9, zorder=4
        )
        _direct_label(axes, row, SETS[name], f"{name}: AUROC {point.auroc}")
    axes.set_title("ROC, ● operating point")
    return figure


@styled
def precision_recall_figure(curves: Mapping[str, Curves], metrics: Mapping[str, FindingMetrics]) -> Figure:
    """Precision-recall curves with bands, and each set's prevalence: the precision of calling every film.

    Args:
        curves: by the name of the set.
        metrics: of the same sets, at the operating point.
    """
    figure, axes = panel(4.3)
    unit_axes(axes, x="sensitivity (recall)", y="PPV (precision)")
    axes.set_aspect("equal")
    for row, (name, set_curves) in enumerate(curves.items()):
        _draw(axes, set_curves.precision_recall, SETS[name], steps=True)
        axes.axhline(set_curves.prevalence, color=SETS[name], lw=0.9, ls=(0, (4, 4)))
        point = metrics[name]
        if point.ppv is not None:
            axes.plot(point.sensitivity.value, point.ppv.value, "o", color=SETS[name], mec="white", ms=9, zorder=4)
        text = f"{name}: AUPRC {point.auprc}\nprevalence (dashed) {set_curves.prevalence:.1%}"
        _direct_label(axes, row, SETS[name], text)
    axes.set_title("Precision and recall, ● operating point")
    return figure


@styled
def threshold_figure(curves: Curves, threshold: float, name: str) -> Figure:
    """Sensitivity and specificity of one set of films against the threshold."""
    figure, axes = panel(3.6)
    unit_axes(axes, x="threshold on the calibrated probability", y="share of the films")
    # At a threshold of 1 nothing is called: sensitivity ends at the bottom, specificity at the top.
    for curve, color, label in (
        (curves.sensitivity, GREEN, "sensi-\ntivity"),
        (curves.specificity, PURPLE, "speci-\nficity"),
    ):
        _draw(axes, curve, color, steps=True)
        axes.annotate(
            label, (1.015, curve.y[-1]), (4, 0), textcoords="offset points", color=color, va="center", weight="bold"
        )
    axes.axvline(threshold, color=INK, lw=1.1)
    right = threshold < 0.5  # noqa: PLR2004 - the label stands on the wider side
    axes.annotate(
        f"operating point {threshold:.3f}",
        (threshold, 0.02),
        (5 if right else -5, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        fontsize=8.5,
    )
    axes.set_title(f"What the threshold costs, on {name}")
    return figure


@styled
def reliability_figure(bins: Reliability, error: Estimate, name: str, finding: str | None = None) -> Figure:
    """Observed against predicted share of right labels, with Wilson intervals, above a histogram of the films.

    Args:
        bins: of `trainer.report.curves.reliability`.
        error: the expected calibration error.
        name: of the set of films.
        finding: that is judged by itself; None: the bins are of the label of each film.
    """
    figure, _ = panel(4.5)
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    low = min(0.5, float(bins.confidence.min()) - 0.03)
    values = np.array([share.value for share in bins.correct])
    limits = np.array([[share.value - share.low, share.high - share.value] for share in bins.correct]).T
    upper.plot([low, 1], [low, 1], color=QUIET, lw=0.8, ls=(0, (4, 4)))
    upper.errorbar(
        bins.confidence, values, limits, fmt="o", ms=5, color=SETS[name], mec="white", mew=0.6, elinewidth=1.2, zorder=3
    )
    upper.set(
        ylabel="share of right labels" if finding is None else f"share with {short_name(finding, 18)}",
        ylim=(max(0, min(low, *(share.low for share in bins.correct)) - 0.1), 1.03),
        xlim=(low, 1.015),
    )
    upper.text(0.98, 0.05, f"ECE {error}", transform=upper.transAxes, ha="right", color=SETS[name], weight="bold")
    edges = np.linspace(low, 1, 26)
    the_label = "the film's label"
    lower.hist(bins.films, edges, color=SETS[name], alpha=0.75)
    lower.set(xlabel=f"calibrated probability of {finding or the_label}", ylabel="films")
    upper.set_title(f"Calibration on {name}" if finding is None else f"Calibration of {finding} on {name}")
    return figure


@styled
def confusion_figure(counts: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Films by truth and label, each cell with its count and its share of the films of that truth."""
    table = np.asarray(counts, np.float64)
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    crowded = len(classes) > _MANY_CLASSES
    figure, axes = panel(3.6 + 0.22 * max(0, len(classes) - 3))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for (row, column), count in np.ndenumerate(table):
        share = shares[row, column]
        text = f"{count:.0f}" if crowded else f"{count:,.0f}\n{share:.1%}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            color="white" if share > _DARK_CELL else INK,
            fontsize=7.5 if crowded else 10,
        )
    names = [_on_lines(name) for name in classes]
    slanted = max(len(line) for name in names for line in name.splitlines()) > _LETTERS_A_ROW / len(names)
    if slanted:
        names = [short_name(name, 14 if crowded else 18) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=60 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="label", ylabel="truth")
    axes.set_title(title)
    return figure


def _on_lines(name: str) -> str:
    """A name broken where its words end, so that names side by side do not run into one another."""
    return "\n".join(short_name(part, 12) for part in re.findall(r"[^_ ]+_?|_", name))


@styled
def training_figure(history: Sequence[EpochRecord], best_epoch: int) -> Figure:
    """Loss, validation AUROC and learning rate by epoch; the epoch whose weights were kept is marked."""
    figure, _ = panel(5.2)
    figure.clear()
    loss, area, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    epochs = [record.epoch + 1 for record in history]
    marker = "o" if len(epochs) < 3 else ""  # noqa: PLR2004 - a line of one or two points is hardly seen
    lines = (
        ([record.train_loss for record in history], INK, "training"),
        ([record.val_loss for record in history], BLUE, "validation"),
    )
    # The label of the line that ends higher stands above its end, the other's below: they never overlap.
    for (values, color, name), align in zip(
        sorted(lines, key=lambda line: line[0][-1]), ("top", "bottom"), strict=True
    ):
        loss.plot(epochs, values, color=color, marker=marker)
        loss.annotate(name, (epochs[-1], values[-1]), (4, 0), textcoords="offset points", color=color, va=align)
    area.plot(epochs, [record.val_auroc for record in history], color=BLUE, marker=marker)
    rate.plot(epochs, [record.lr for record in history], color=QUIET, marker=marker)
    best = next(record for record in history if record.epoch == best_epoch)
    for axes in (loss, area, rate):
        axes.axvline(best_epoch + 1, color=RULE, lw=6, zorder=0)
    area.plot(best_epoch + 1, best.val_auroc, "o", color=BLUE, mec="white", ms=9)
    area.set_title(f"best epoch {best_epoch + 1}: AUROC {best.val_auroc:.3f}", fontsize=9, color=BLUE)
    loss.margins(y=0.15)  # room for the name below the lower line
    loss.set_ylabel("loss")
    area.set_ylabel("validation\nAUROC")
    rate.set(ylabel="learning\nrate", xlabel="epoch")
    rate.xaxis.get_major_locator().set_params(integer=True)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    loss.set_xlim(right=epochs[-1] + 0.16 * max(1, epochs[-1] - epochs[0]))
    loss.set_title("Training")
    figure.align_ylabels()
    return figure


def _draw(axes: Axes, curve: Curve, color: str, *, steps: bool) -> None:
    axes.fill_between(GRID, curve.band.low, curve.band.high, color=color, alpha=BAND_ALPHA, lw=0)
    draw: Callable[..., object] = axes.step if steps else axes.plot
    x, y = _thinned(curve.x, curve.y)
    draw(x, y, color=color, **({"where": "pre"} if steps else {}))


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points where the curve turns; a point on the line between its neighbours is not needed."""
    if len(x) < 3:  # noqa: PLR2004 - a line has no inner points
        return x, y
    steps_x = np.diff(x)
    steps_y = np.diff(y)
    turns = np.abs(steps_x[:-1] * steps_y[1:] - steps_y[:-1] * steps_x[1:]) > _ROUNDING
    drawn = np.concatenate(([True], turns, [True]))
    return x[drawn], y[drawn]


def _direct_label(axes: Axes, row: int, color: str, text: str) -> None:
    label = axes.text(0.98, 0.04 + 0.13 * row, text, transform=axes.transAxes, ha="right", color=color, fontsize=9)
    label.set(weight="bold", bbox={"color": GROUND, "alpha": 0.8, "pad": 1})
