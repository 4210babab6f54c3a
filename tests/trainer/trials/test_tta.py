"""Test-time augmentation and multi-scale inference are a further evaluation, calibrated on validation, of the same
network."""

import numpy as np
import pytest

from biostatistics.metrics import auroc
from schemas.model.decision import softmax
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.folder import RunFolder
from trainer.judging.options import JudgeOptions
from trainer.networks.inference import outputs
from trainer.networks.views import choose_views
from trainer.trials.trial import load_trial
from trainer.trials.tta import judge_views, validate_views


@pytest.fixture
def trial(viewed_run):
    return load_trial(RunFolder(viewed_run).trial("cnn_baseline-seed0"))


def test_a_run_that_asks_for_views_records_a_further_evaluation_of_both_sets(trial) -> None:
    views = trial.record.many_views

    assert views.views == 6
    assert (views.validation.data, views.test.data) == ("validation, 6 views", "test, 6 views")
    assert views.calibration.data.startswith("validation, 6 views: ")
    assert (trial.record.validation.data, trial.record.test.data) == ("validation", "test")
    assert views.test.data_sha256 == trial.record.test.data_sha256


def test_the_germs_of_kermanys_names_are_groups_of_every_evaluation(trial) -> None:
    record = trial.record
    for evaluation in (record.validation, record.test, record.many_views.validation, record.many_views.test):
        groups = {row.value: row.positives for row in evaluation.subgroups}

        assert {row.column for row in evaluation.subgroups} == {"germ"}
        assert groups["bacteria"] + groups["virus"] == evaluation.class_counts["PNEUMONIA"]
        assert groups["not stated"] == 0


@pytest.mark.parametrize(("name", "split"), [("validation", "val"), ("test", "test")])
def test_its_figures_are_those_of_the_logits_averaged_over_the_views(viewed_run, trial, name, split) -> None:
    record = trial.record
    dataset = read_dataset(RunFolder(viewed_run), read_config(RunFolder(viewed_run)).data)
    found = dataset.prepared(dataset.split.of(split), record.preprocess)
    logits, _ = outputs(trial.network, found.films, views=choose_views(2, (1.0, 1.2)))
    probability = softmax(logits.numpy(), record.many_views.calibration.temperature)[:, 1]
    called = probability >= record.many_views.calibration.operating_points[0].threshold

    evaluation = getattr(record.many_views, name)

    assert evaluation.auroc.value == pytest.approx(float(auroc(found.labels == 1, probability)))
    assert evaluation.brier.value == pytest.approx(np.mean((probability - found.labels) ** 2), abs=1e-9)
    assert evaluation.labels[1].accuracy.value == np.mean(called == found.labels)


def test_a_run_that_asks_for_the_film_alone_has_no_further_evaluation(viewed_run, trial) -> None:
    films = trial.dataset.films("val")
    found = trial.films("val")
    alone = JudgeOptions()

    assert validate_views(trial.network, films, found, trial.dataset.task, alone) is None
    record = trial.record.model_copy(update={"many_views": None})
    assert judge_views(trial.network, films, found, record, alone) is None
