"""Test-time augmentation and multi-scale inference are a further evaluation, calibrated on validation, of the same network."""

import numpy as np
import pytest

from schemas.decision import softmax
from trainer.config import read_config
from trainer.data import films_of, labelled, read_data
from trainer.inference import outputs
from trainer.many_views import judge_views, validate_views
from trainer.metrics import auroc
from trainer.trial import load_trial
from trainer.views import choose_views


@pytest.fixture
def trial(viewed_run):
    return load_trial(viewed_run / "trials" / "cnn_baseline-seed0")


def test_a_run_that_asks_for_views_records_a_further_evaluation_of_both_sets(trial):
    views = trial.record.many_views

    assert views.views == 6
    assert (views.validation.data, views.test.data) == ("validation, 6 views", "test, 6 views")
    assert views.calibration.data.startswith("validation, 6 views: ")
    assert (trial.record.validation.data, trial.record.test.data) == ("validation", "test")
    assert views.test.data_sha256 == trial.record.test.data_sha256


def test_its_figures_are_those_of_the_logits_averaged_over_the_views(trial):
    films, labels = trial.inputs("val")
    logits, _ = outputs(trial.network, films, views=choose_views(2, (1.0, 1.2)))
    probability = softmax(logits.numpy(), trial.record.many_views.calibration.temperature)[:, 1]

    found = trial.record.many_views.validation

    assert found.auroc.value == pytest.approx(float(auroc(labels == 1, probability)))
    assert found.brier.value == pytest.approx(np.mean((probability - labels) ** 2), abs=1e-6)


def test_a_run_that_asks_for_the_film_alone_has_no_further_evaluation(viewed_run, trial):
    config = read_config(viewed_run).model_copy(update={"tta": 0, "scales": (1.0,)})
    films = films_of(config, viewed_run, "val")
    found = labelled(films, trial.record.classes, trial.record.preprocess, viewed_run / "cache")

    assert validate_views(config, trial.network, found, films, read_data(viewed_run)) is None
    record = trial.record.model_copy(update={"many_views": None})
    assert judge_views(config, trial.network, found, films, record) is None
