"""The simulation of sites: its bundle's own cuts are the service's decisions, and its draws break what they should."""

import numpy as np
import pytest

from benchmarks.site_profile.__main__ import own_cuts, page
from benchmarks.site_profile.outputs import seen_films
from benchmarks.site_profile.resample import RESAMPLES, Cell, Population, cell, limit_of_chance
from biostatistics.exact import binomial_cdf
from biostatistics.risk_control import Risks
from bundle.opening import open_bundle
from schemas.model.decision import calibrated
from service.answers.decision import decide
from service.engine.engine import Outputs
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from trainer.films.film import Film


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models"), statistics=False))


def population(random, films=4000, *, distance=3.0):
    truth = random.random(films) < 0.5
    return Population(truth, random.standard_normal(films) + distance * (truth - 0.5), random.random(films) < 0.05)


def test_the_bundles_own_cuts_are_the_decisions_of_the_service(bundle) -> None:
    manifest = bundle.manifest
    cuts = own_cuts(manifest)
    for odds in np.linspace(-8, 8, 201):
        logits = np.array([[0, odds * manifest.calibration.temperature]], np.float32)
        outputs = Outputs(
            logits, calibrated(logits, manifest.calibration, manifest.classes), np.zeros((1, 1), np.float32)
        )
        decision = decide(manifest, None, outputs, np.zeros(256)).decision

        assert decision == ("negative" if odds < cuts.lower else "positive" if odds > cuts.upper else "abstain")


def test_films_are_seen_under_each_shift_once_and_then_come_from_the_cache(bundle, tmp_path) -> None:
    films = []
    for gray in (200, 210, 60):
        path = tmp_path / f"{gray}.png"
        path.write_bytes(flat_film(gray))
        films.append(Film(path, "PNEUMONIA" if gray > 100 else "NORMAL", str(gray), "val", sha256=str(gray)))
    first = seen_films(bundle, films, tmp_path / "cache" / "seen.npz")
    for film in films:
        film.path.unlink()
    again = seen_films(bundle, films, tmp_path / "cache" / "seen.npz")

    assert len(first) == 15
    assert first["none"].truth.tolist() == [True, True, False]
    for name, seen in first.items():
        np.testing.assert_array_equal(seen.logits, again[name].logits)
        np.testing.assert_array_equal(seen.withheld, again[name].withheld)
    assert np.diff(first["none"].logits[2])[0] < np.diff(first["none"].logits[0])[0]


@pytest.mark.simulation
def test_a_promise_is_kept_and_a_rule_without_a_bound_would_break_it() -> None:
    films = population(np.random.default_rng(0))
    found = cell(films, 0.5, Risks(missed=0.1, false_alarms=0.1), 0.0, seed=1)
    random = np.random.default_rng(2)
    naive = 0
    for _ in range(200):
        site = films.drawn(random, 200, 0.5)
        cut = np.quantile(site.scores[site.truth], 0.1)
        naive += ((films.scores < cut) & ~films.withheld)[films.truth].mean() > 0.1

    assert found.refused == 0
    assert found.broken <= limit_of_chance([found], 0.05)
    assert naive / 200 > 0.2


def test_chance_is_the_binomials_with_all_cells_looked_at() -> None:
    cells = [Cell(0, 0, 0, None)] * 10
    limit = limit_of_chance(cells, 0.05)

    assert 1 - binomial_cdf(limit, RESAMPLES, 0.05) <= 0.005 < 1 - binomial_cdf(limit - 1, RESAMPLES, 0.05)


@pytest.mark.simulation
def test_the_page_says_whether_a_promise_is_broken(bundle) -> None:
    films = population(np.random.default_rng(0), distance=4.0)
    text, broken = page(bundle.manifest, "val", {"none": films})

    assert not broken
    assert "No promise is broken more often than chance allows, in any cell." in text
    assert "\n| none |" in text
