"""The formulas against published values, against each other, and against single films."""

import math

import numpy as np
import pytest

from benchmarks.capacity.queueing import cores_for, erlang_c, simulated, wait_quantile


@pytest.mark.parametrize(
    ("cores", "load", "waits"),
    [
        (1, 0.5, 0.5),  # M/M/1: the load itself
        (2, 1.0, 1 / 3),  # Allen (1990), by hand
        (5, 4.0, 0.5541),  # Cooper, Introduction to Queueing Theory (1981), figure 3.2
        (10, 0.0, 0.0),
    ],
)
def test_the_probability_of_a_wait_is_erlangs(cores, load, waits) -> None:
    assert erlang_c(cores, load) == pytest.approx(waits, abs=1e-4)


def test_a_load_of_thousands_of_cores_is_no_overflow_and_one_above_the_cores_is_refused() -> None:
    assert 0 < erlang_c(3000, 2900) < 1
    with pytest.raises(ValueError, match="a load of 2 needs more than 2 cores"):
        erlang_c(2, 2)


def test_of_one_exponential_server_the_wait_is_the_known_distribution() -> None:
    # M/M/1: P(W > t) = rho exp(-(mu - lambda) t)
    wait = wait_quantile(0.99, 1, 0.8, 1.0, variability=1)

    assert 0.8 * math.exp(-0.2 * wait) == pytest.approx(0.01)


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_single_films_wait_as_the_formula_says(utilisation) -> None:
    cores, service_s = 2, 0.1
    sojourn = simulated(utilisation * cores / service_s, [service_s], cores, films=60_000, seed=3)
    predicted = wait_quantile(0.99, cores, utilisation * cores, service_s)

    assert np.quantile(sojourn, 0.99) - service_s == pytest.approx(predicted, rel=0.2)


def test_so_many_cores_suffice_and_one_fewer_does_not() -> None:
    cores = cores_for(50, 0.2, wait_s=0.1, quantile=0.99, variability=0.3)

    assert wait_quantile(0.99, cores, 10, 0.2, 0.3) <= 0.1
    assert wait_quantile(0.99, cores - 1, 10, 0.2, 0.3) > 0.1


def test_a_seed_draws_the_same_films_again() -> None:
    first, second, other = (simulated(5, [0.1, 0.3], 2, films=50, seed=seed) for seed in (1, 1, 2))

    assert (first == second).all()
    assert (first != other).any()
