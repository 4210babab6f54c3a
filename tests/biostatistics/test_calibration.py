"""Rules of the temperature; bands are tested where the trainer makes them, tests/trainer/judging/test_bands.py."""

import numpy as np
import pytest

from biostatistics.calibration import fit_temperature
from schemas.model.decision import softmax


def films(count: int, *, seed: int = 0, temperature: float = 1.0, classes: int = 2):
    """Labels and logits that are `temperature` times too sure."""
    random = np.random.default_rng(seed)
    calibrated = random.normal(0, 2, (count, classes))
    labels = (random.random((count, 1)) > softmax(calibrated).cumsum(axis=1)).sum(axis=1)
    return (calibrated * temperature).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_recovered(temperature, classes) -> None:
    logits, labels = films(4000, temperature=temperature, classes=classes)

    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.1)


def test_the_temperature_makes_the_labels_most_likely() -> None:
    logits, labels = films(1000, temperature=2.0)

    def loss(temperature):
        return -np.log(softmax(logits, temperature)[np.arange(1000), labels]).mean()

    losses = [loss(temperature) for temperature in np.geomspace(0.5, 8, 200)]

    assert loss(fit_temperature(logits, labels)) == pytest.approx(min(losses), abs=1e-4)


def test_films_in_perfect_order_do_not_become_certain() -> None:
    labels = np.arange(100) % 2
    logits = np.stack([1.0 - labels, labels], axis=1) * 0.01

    probability = softmax(logits, fit_temperature(logits, labels))[np.arange(100), labels]

    assert probability.max() < 0.99
    assert softmax(100 * logits, fit_temperature(100 * logits, labels)).max() == pytest.approx(51 / 52, abs=1e-6)


def test_logits_that_say_the_opposite_are_flattened() -> None:
    logits, labels = films(500)

    assert fit_temperature(-logits, labels) == pytest.approx(20, rel=1e-6)
