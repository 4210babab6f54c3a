"""Figures show the numbers that they are given, and a name is never read as a formula."""

import json
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.container import Container, ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tests.runs import write_run
from trainer.folder import RunFolder
from trainer.learning.history import EpochRecord
from trainer.report.curves import curves, reliability
from trainer.report.figures import (
    confusion_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
    threshold_figure,
    training_figure,
)
from trainer.report.overview import Standing, leaderboard_figure
from trainer.report.records import read_run
from trainer.report.style import SETS


@pytest.fixture(scope="module")
def winner(tmp_path_factory):
    return read_run(RunFolder(write_run(tmp_path_factory.mktemp("runs") / "run"))).winner


@pytest.fixture(scope="module")
def drawn(winner):
    return {
        name: curves(outputs.labels == 1, outputs.logits[:, 1] - outputs.logits[:, 0], outputs.patients, resamples=50)
        for name, outputs in winner.outputs.items()
    }


def _texts(axes) -> str:
    return " ".join(text.get_text() for text in axes.texts)


def _points(line: Line2D) -> NDArray[np.float64]:
    """The points of a line, [2, N]: x, then y."""
    return np.array([line.get_xdata(), line.get_ydata()], np.float64)


def _interval_centres(container: Container) -> NDArray[np.float64]:
    """The points that intervals are drawn around, [2, N]."""
    assert isinstance(container, ErrorbarContainer)
    assert isinstance(container.lines[0], Line2D)
    return _points(container.lines[0])


def _marks(axes) -> dict[str, tuple[float, float]]:
    return {line.get_color(): tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"}


def test_the_roc_names_each_area_and_marks_each_operating_point(winner, drawn) -> None:
    metrics = winner.at_operating_point("PNEUMONIA")

    (axes,) = roc_figure(drawn, metrics).axes

    assert len(axes.collections) == 2  # one band for each set
    for name, found in metrics.items():
        assert f"{name}: AUROC {found.auroc}" in _texts(axes)
        assert _marks(axes)[SETS[name]] == (1 - found.specificity.value, found.sensitivity.value)


def test_points_on_a_straight_line_are_left_out_and_the_curve_stays(winner, drawn) -> None:
    (axes,) = roc_figure(drawn, winner.at_operating_point("PNEUMONIA")).axes
    line = next(line for line in axes.lines if line.get_color() == SETS["test"] and line.get_marker() != "o")
    curve = drawn["test"].roc

    x, y = _points(line)
    assert len(x) < len(curve.x)
    assert np.trapezoid(y, x) == pytest.approx(np.trapezoid(curve.y, curve.x))


def test_precision_and_recall_stand_with_the_prevalence(winner, drawn) -> None:
    metrics = winner.at_operating_point("PNEUMONIA")

    (axes,) = precision_recall_figure(drawn, metrics).axes

    assert f"test: AUPRC {metrics['test'].auprc}\nprevalence (dashed) 50.0%" in _texts(axes)
    assert _marks(axes)[SETS["test"]] == (metrics["test"].sensitivity.value, metrics["test"].ppv.value)


@pytest.mark.parametrize("threshold", [0.125, 0.875])
def test_the_threshold_sweep_marks_the_operating_point(drawn, threshold) -> None:
    (axes,) = threshold_figure(drawn["test"], threshold, "test").axes

    assert f"operating point {threshold:.3f}" in _texts(axes)
    assert any(tuple(_points(line)[0]) == (threshold, threshold) for line in axes.lines)


def test_the_reliability_diagram_shows_every_bin_and_every_film(winner) -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 200)
    bins = reliability(random.random(200) < confidence, confidence)

    upper, lower = reliability_figure(bins, winner.record.validation.ece, "validation").axes

    x, y = _interval_centres(upper.containers[0])
    np.testing.assert_allclose(x, bins.confidence)
    np.testing.assert_allclose(y, [share.value for share in bins.correct])
    assert sum(bar.get_height() for bar in lower.patches if isinstance(bar, Rectangle)) == 200
    assert f"ECE {winner.record.validation.ece}" in _texts(upper)
    assert upper.get_ylim()[0] <= min(share.low for share in bins.correct)


def test_a_confusion_matrix_shows_counts_and_shares_of_each_truth() -> None:
    (axes,) = confusion_figure([[30, 10], [0, 0]], ["NORMAL", "PNEUMONIA"], "Test").axes

    assert [text.get_text() for text in axes.texts] == ["30\n75.0%", "10\n25.0%", "0\n0.0%", "0\n0.0%"]


@pytest.mark.parametrize(
    ("names", "slant"),
    [
        (["NORMAL", "BACTERIAL_PNEUMONIA", "VIRAL_PNEUMONIA"], 0),
        (["COVID", "Normal", "TB", "Viral_Pneumonia"], 0),
        (["NORMAL", "BACTERIAL_PNEUMONIA", "VIRAL_PNEUMONIA", "an immeasurably long name"], 60),
    ],
)
def test_names_side_by_side_do_not_run_into_one_another(names, slant) -> None:
    figure = confusion_figure(np.full((len(names),) * 2, 7).tolist(), names, "Test")
    figure.draw_without_rendering()

    labels = figure.axes[0].get_xticklabels()
    assert [label.get_rotation() for label in labels] == [slant] * len(names)
    spans = [label.get_window_extent() for label in labels]
    assert all(span.x0 >= 0 and span.x1 <= figure.bbox.width and span.y0 >= 0 for span in spans)
    assert slant or all(left.x1 < right.x0 for left, right in pairwise(spans))


def test_many_classes_fit_with_their_counts_alone_and_names_are_no_formulas(tmp_path) -> None:
    names = [f"${index}$ <b>a name that is far too long to fit" for index in range(14)]

    figure = confusion_figure(np.arange(196).reshape(14, 14).tolist(), names, "$x")
    figure.savefig(tmp_path / "confusion.svg")

    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[3] == r"\$3\$ <b>a name…"
    assert figure.axes[0].texts[195].get_text() == "195"


def test_training_curves_mark_the_epoch_that_was_kept(winner) -> None:
    history = [EpochRecord(epoch, 1e-3, 0.5, 0.6, 0.8 + epoch / 100, 1, 10) for epoch in range(5)]

    loss, area, rate = training_figure(history, 3).axes

    assert area.get_title(loc="left") == "best epoch 4: AUROC 0.830"
    assert [values[0] for values in _points(area.lines[-1])] == [4, pytest.approx(0.83)]
    assert [_points(line)[1].tolist() for line in loss.lines[:2]] == [[0.5] * 5, [0.6] * 5]
    assert _points(rate.lines[0])[1].tolist() == [1e-3] * 5


def test_one_epoch_is_still_a_figure(winner, tmp_path) -> None:
    training_figure(winner.history[:2], 1).savefig(tmp_path / "two.svg")
    figure = training_figure(winner.history[:1], 0)

    figure.savefig(tmp_path / "one.svg")

    assert [line.get_marker() for line in figure.axes[0].lines[:2]] == ["o", "o"]


def test_the_leaderboard_figure_has_an_interval_for_each_trial_and_set(winner) -> None:
    standings = [
        Standing("first", {name: found.auroc for name, found in winner.evaluations.items()}),
        Standing("sealed", {"validation": winner.record.validation.auroc}),
    ]

    (axes,) = leaderboard_figure(standings).axes

    assert [text.get_text() for text in axes.texts] == ["validation", "test", "first", "sealed"]
    assert [len(_interval_centres(container)[0]) for container in axes.containers] == [2, 1]
    assert _interval_centres(axes.containers[1])[0][0] == winner.record.test.auroc.value


def test_the_history_of_a_trial_is_read_as_training_wrote_it(winner) -> None:
    assert [record.epoch for record in winner.history] == [0, 1, 2]
    assert json.dumps(winner.history[1].train_loss) == "0.5"
