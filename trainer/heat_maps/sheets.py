"""Pictures of heat maps for a reader: films and their maps, mean maps, curves; it does not compute any of them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from imaging.overlay import render
from imaging.radiograph import Radiograph
from schemas.preprocess import PreprocessSpec
from trainer.heat_maps.attention import FRAME
from trainer.heat_maps.faithfulness import Faithfulness

_DPI = 100
_CELL = 1.55  # inches a film
_MAP, _RANDOM = "#7e03a8", "#767676"  # from the colours of the maps; a gray that prints


@dataclass(frozen=True, slots=True)
class Panel:
    """One film with its map."""

    film: NDArray[np.float32]  # [S, S] in [0, 1], as the network sees it
    map: NDArray[np.float32]  # [h, w], >= 0
    caption: str


def film_sheet(title: str, rows: Mapping[str, Sequence[Panel]]) -> bytes:
    """A PNG with a row of films for each kind, each film next to its map; a kind without films has a note.

    Args:
        title: over all.
        rows: kind: panels.
    """
    columns = max(1, *(len(panels) for panels in rows.values()))
    figure = _figure(2 * _CELL * columns + 0.4, (_CELL + 0.42) * len(rows) + 0.35)
    bands = figure.subplots(len(rows), 2 * columns, squeeze=False)
    for (kind, panels), band in zip(rows.items(), bands, strict=True):
        for axes in band:
            axes.set_axis_off()
        band[0].text(
            -0.08, 0.5, kind, rotation=90, ha="right", va="center", transform=band[0].transAxes, fontweight="bold"
        )
        if not panels:
            band[0].text(0.02, 0.5, "no such film", va="center", transform=band[0].transAxes)
        for number, panel in enumerate(panels):
            plain, explained = band[2 * number : 2 * number + 2]
            plain.imshow(panel.film, cmap="gray", vmin=0, vmax=1)
            explained.imshow(_overlay(panel.film, panel.map))
            plain.set_title(panel.caption, fontsize=7.5, loc="left", linespacing=1.15)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return _png(figure)


def attention_sheet(mean_film: NDArray[np.float32], maps: NDArray[np.float64], centers: NDArray[np.float64]) -> bytes:
    """A PNG of the mean film, the mean map over it, and each map's centre of mass.

    Args:
        mean_film: [S, S] in [0, 1].
        maps: [N, h, w], of mass 1.
        centers: [N, 2], (x, y) in [0, 1].
    """
    figure = _figure(9.0, 3.3)
    plain, heat, scatter = figure.subplots(1, 3)
    side = len(mean_film)
    _show(plain, mean_film, "mean film")
    heat.imshow(_overlay(mean_film, maps.mean(axis=0).astype(np.float32)))
    heat.set_title("mean heat map", fontsize=9)
    heat.set_axis_off()
    _show(scatter, mean_film, "centres of mass")
    low, high = FRAME * side - 0.5, (1 - FRAME) * side - 0.5
    scatter.plot([low, high, high, low, low], [low, low, high, high, low], "--", color="white", linewidth=1)
    scatter.scatter(*(centers.T * side - 0.5), s=14, color="#f89540", edgecolor="black", linewidth=0.4, alpha=0.8)
    return _png(figure)


def curve_sheet(faithfulness: Faithfulness) -> bytes:
    """A PNG of the mean insertion and deletion curves, by the maps and at random."""
    figure = _figure(7.0, 3.1)
    for axes, title, ours, random in zip(
        figure.subplots(1, 2, sharey=True),
        ("insertion", "deletion"),
        (faithfulness.insertion, faithfulness.deletion),
        (faithfulness.random_insertion, faithfulness.random_deletion),
        strict=True,
    ):
        share = np.linspace(0, 1, ours.shape[1])
        axes.plot(share, ours.mean(axis=0), color=_MAP, label="by heat map")
        axes.plot(share, random.mean(axis=0), "--", color=_RANDOM, label="random order")
        axes.set(title=title, xlabel="share of the pixels", ylim=(0, 1.02), xlim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right" if title == "insertion" else "upper right")
    figure.axes[0].set_ylabel("probability of the called class")
    return _png(figure)


def _show(axes: Axes, film: NDArray[np.float32], title: str) -> None:
    axes.imshow(film, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _overlay(film: NDArray[np.float32], map_: NDArray[np.float32]) -> NDArray[np.uint8]:
    """RGB [S, S, 3]: drawn as the service draws it, over the square that the network sees."""
    side = len(film)
    pixels = (film * 255).round().astype(np.uint8)
    radiograph = Radiograph(pixels, 8, "png", side, side, "MONOCHROME2", ())
    png = render(map_, radiograph, PreprocessSpec(size=side)).overlay_png
    drawn = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None  # noqa: S101 - our own PNG
    return np.asarray(drawn[..., ::-1], np.uint8)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
