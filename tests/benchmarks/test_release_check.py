"""The card's figures under shifts are found again from files that carry what the network saw."""

import numpy as np
import pytest

from benchmarks.release_check.__main__ import MODELS
from benchmarks.release_check.asking import file_of, repeatable
from benchmarks.release_check.card import left_out, nearly
from bundle.opening import open_bundle
from imaging.decode import decode
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.model.evaluation import SubgroupMetrics
from schemas.model.manifest import CURRENT
from schemas.preprocess import ClaheSpec, PreprocessSpec
from trainer.judging.shifts import SHIFTS, shifted

SPEC = PreprocessSpec(size=64)
GROUP = SubgroupMetrics(
    column="shift",
    value="none",
    films=10,
    patients=10,
    finding="PNEUMONIA",
    positives=5,
    auroc=None,
    sensitivity=None,
    specificity=None,
    note="fewer than 20 films",
)


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shifted_film_that_is_sent_as_a_file_is_prepared_to_itself(name) -> None:
    film = phantom(64, 64, seed=1)[np.newaxis, np.newaxis].astype(np.float32) / np.float32(255)
    changed = shifted(film, SHIFTS[name])[0]

    assert np.abs(prepare(decode(file_of(changed)), SPEC) - changed).max() < 1e-5


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, True), ({"resize": "pad"}, True), ({"intensity": "percentile"}, False), ({"clahe": ClaheSpec()}, False)],
)
def test_a_film_whose_levels_were_stretched_would_be_stretched_again(options, expected) -> None:
    assert repeatable(PreprocessSpec(size=64, **options)) is expected


def test_what_is_not_looked_for_is_named_with_the_reason() -> None:
    manifest = open_bundle(MODELS / (MODELS / CURRENT).read_text().strip()).manifest
    stretched = manifest.preprocess.model_copy(update={"intensity": "percentile"})
    shifts = tuple(row.model_copy(update={"shifts": (GROUP,)}) for row in manifest.evaluation)

    lines = list(left_out(manifest, ["test"]))
    with_split = list(left_out(manifest, ["test", "validation"]))
    unsendable = list(left_out(manifest.model_copy(update={"evaluation": shifts, "preprocess": stretched}), ["test"]))

    assert "On validation: the bundle does not hold which films these are; give --split" in lines
    assert not any(line.startswith("On ") for line in with_split)
    assert any(line.startswith("On test, under shifts: ") for line in unsendable)
    assert any(line.startswith("Provenance: time and energy") for line in lines)


@pytest.mark.parametrize(
    ("found", "near"),
    [
        ("| 234 | 0.803 [0.748, 0.849] |", []),
        ("| 234 | 0.808 [0.752, 0.849] |", ["0.803, 0.808", "0.748, 0.752"]),
        ("| 234 | 0.809 [0.748, 0.849] |", []),
        ("| 233 | 0.803 [0.748, 0.849] |", []),
        ("| 234 | undefined [0.748, 0.849] |", []),
    ],
)
def test_figures_are_near_that_a_film_or_a_rounding_moves_and_counts_never(found, near) -> None:
    others = "0.5 " * 40

    assert nearly(f"{others}| 234 | 0.803 [0.748, 0.849] |", others + found) == near


@pytest.mark.parametrize(("films", "is_near"), [("81 of 579", True), ("94 of 585", False), ("498 of 579", True)])
def test_a_film_counts_as_much_as_the_row_has_films_of_the_fewer_kind(films, is_near) -> None:
    # One film more of 81 that have the finding is right: 63/81 = 0.778, 64/81 = 0.790.
    row = f"| crop to 85 % | {films} | 361 | {'0.5 ' * 40}| "

    assert bool(nearly(row + "0.778 |", row + "0.790 |")) == is_near
    assert nearly(f"{row}0.778 |\n| 94 of 585 | 0.778 |", f"{row}0.778 |\n| 94 of 585 | 0.790 |") == []


def test_many_figures_that_are_near_are_none() -> None:
    assert nearly("0.500 " * 40, "0.501 " * 40) == []
