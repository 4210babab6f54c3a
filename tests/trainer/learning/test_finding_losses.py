"""The losses of findings are what their formulas say, and count nothing that is not known."""

import math

import numpy as np
import pytest
import torch

from schemas.errors import TrainingConfigError
from trainer.films.task import LabelledFilms
from trainer.folder import TrialFolder
from trainer.learning.learner import FitPlan
from trainer.learning.loader import Batch, epoch_order
from trainer.learning.loop import fit
from trainer.learning.losses import Loss, build_finding_loss, build_loss
from trainer.learning.mixup import mixed
from trainer.learning.options import LearnOptions
from trainer.reporter import SilentReporter

NAN = float("nan")
LOGITS = torch.tensor([[2.0, -1.0], [0.5, 3.0], [-4.0, 0.0]])
LABELS = torch.tensor([[1.0, 0.0], [0.0, NAN], [NAN, 1.0]])
FILMS = np.array([[1, 0], [0, np.nan], [np.nan, 1], [0, 0], [0, 1]], np.float32)


def log_sigmoid(value: float) -> float:
    return -math.log(1 + math.exp(-value))


def loss(**options) -> Loss:
    return build_finding_loss(LearnOptions(**options), FILMS)


def test_binary_cross_entropy_is_the_mean_over_what_is_known() -> None:
    expected = -(log_sigmoid(2) + log_sigmoid(1) + log_sigmoid(-0.5) + log_sigmoid(0)) / 4

    assert float(loss()(LOGITS, LABELS)) == pytest.approx(expected)


def test_what_is_not_known_moves_no_weight() -> None:
    logits = LOGITS.clone().requires_grad_()

    loss()(logits, LABELS).backward()

    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad == 0).tolist() == [[False, False], [False, True], [True, False]]


def test_class_weights_make_presence_and_absence_of_each_finding_count_alike() -> None:
    # known: 4 of the first, 1 present: weights 4 / 2 = 2 and 4 / 6; 4 of the second, 2 present: 1 and 1
    terms = [(2, -log_sigmoid(2)), (1, -log_sigmoid(1)), (4 / 6, -log_sigmoid(-0.5)), (1, -log_sigmoid(0))]
    expected = sum(weight * cost for weight, cost in terms) / sum(weight for weight, _ in terms)

    assert float(loss(class_weights=True)(LOGITS, LABELS)) == pytest.approx(expected)


def test_label_smoothing_draws_both_sides_to_the_middle() -> None:
    labels = torch.tensor([[1.0, 0.0]])
    expected = -(0.95 * log_sigmoid(2) + 0.05 * log_sigmoid(-2) + 0.95 * log_sigmoid(1) + 0.05 * log_sigmoid(-1)) / 2

    assert float(loss(label_smoothing=0.1)(LOGITS[:1], labels)) == pytest.approx(expected)


def test_focal_loss_plays_down_what_is_right_on_both_sides() -> None:
    right = [1 / (1 + math.exp(-value)) for value in (2, 1, -0.5, 0)]
    expected = -sum((1 - p) ** 2 * math.log(p) for p in right) / 4

    assert float(loss(loss="focal")(LOGITS, LABELS)) == pytest.approx(expected)


def test_asymmetric_loss_shifts_and_plays_down_absences_alone() -> None:
    def absent(logit: float) -> float:
        shifted = max(0.0, 1 / (1 + math.exp(-logit)) - 0.05)
        return -(shifted**4) * math.log(1 - shifted)

    expected = (-log_sigmoid(2) + absent(-1) + absent(0.5) - log_sigmoid(0)) / 4

    assert float(loss(loss="asymmetric")(LOGITS, LABELS)) == pytest.approx(expected)
    assert float(loss(loss="asymmetric")(torch.tensor([[-3.5, -9.0]]), torch.zeros(1, 2))) == 0


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "asymmetric"])
def test_parts_of_a_batch_add_up_to_the_whole_and_extreme_logits_stay_finite(name) -> None:
    built = loss(loss=name, class_weights=True)
    parts = [slice(0, 1), slice(1, 3)]
    total = sum(float(built.weight(LABELS[part]).sum()) for part in parts)

    together = sum(float(built.each(LOGITS[part], LABELS[part]).sum()) / total for part in parts)

    assert together == pytest.approx(float(built(LOGITS, LABELS)))
    extreme = torch.tensor([[1e4, -1e4]]).requires_grad_()
    built(extreme, torch.tensor([[0.0, 1.0]])).backward()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


def test_losses_and_samplers_of_classes_are_refused_for_findings_and_the_other_way_round() -> None:
    with pytest.raises(TrainingConfigError, match=r"loss=expected_cost .* choose cross_entropy, focal or asymmetric"):
        loss(loss="expected_cost")
    with pytest.raises(TrainingConfigError, match=r"loss=asymmetric is of findings .* choose another loss"):
        build_loss(LearnOptions(loss="asymmetric"), (3, 3))
    with pytest.raises(TrainingConfigError, match=r"sampler=balanced .* class_weights, or choose loss=asymmetric"):
        epoch_order(FILMS, seed=0, epoch=0, balanced=True)


def test_mixed_films_mix_their_findings_and_know_no_more_than_both() -> None:
    images = 10.0 ** torch.arange(3.0).reshape(3, 1, 1, 1)

    films, labels, *_ = mixed(Batch(images, LABELS), alpha=1.0, classes=2, draw=(0, 0, 3))

    share = float(np.random.default_rng((0, 0, 3)).beta(1, 1))
    for number in range(3):
        blend = [float(share * images[number] + (1 - share) * images[other]) for other in range(3)]
        other = int(np.argmin(np.abs(np.array(blend) - float(films[number]))))
        expected = share * LABELS[number] + (1 - share) * LABELS[other]
        assert torch.allclose(labels[number], expected, equal_nan=True)


def test_the_loop_learns_two_findings_that_come_together(tmp_path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(2, size=(64, 2)).astype(np.float32)
    films = random.random((64, 1, 32, 32), np.float32) * 0.2
    films[labels[:, 0] == 1, :, ::4] += 0.4  # stripes across
    films[labels[:, 1] == 1, :, :, ::4] += 0.4  # stripes down
    labels[:6, 0] = np.nan
    train, validation = (LabelledFilms(films[part], labels[part], 2) for part in (slice(40), slice(40, None)))
    plan = FitPlan("cnn_baseline", 0, train, validation)
    folder = TrialFolder(tmp_path / "run" / "trials" / "one")
    folder.make()

    fitted = fit(plan, LearnOptions(epochs=2, lr=3e-3, batch_size=8, augment="none"), folder, SilentReporter())

    first, *_, last = fitted.history
    assert last.train_loss < first.train_loss
    assert fitted.history[fitted.best_epoch].val_auroc > 0.9
