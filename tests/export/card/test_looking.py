"""The card states what the network looks at where the manifest does, and nothing where it does not."""

import json

import pytest

from bundle.opening import open_bundle
from export.card.card import render_card
from export.card.card_json import render_card_json
from schemas.estimate import Estimate
from schemas.model.looking import ErasureMetrics, Looking, Pointing, RegionHeat


def figure(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.01, high=value + 0.01)


def pointing(value: float) -> Pointing:
    return Pointing(ratio=figure(2 * value), inside=figure(value), near=figure(value + 0.1))


LOOKING = Looking(
    data="validation: 90 films of 80 patients",
    films=90,
    lung_masks=90,
    boxes=0,
    erasures=(
        ErasureMetrics(
            erasure="lungs gray", finding="B", films=90, positives=60, auroc=figure(0.964), answered=figure(0.731)
        ),
        ErasureMetrics(erasure="cage gray", finding="B", films=90, positives=60, auroc=None, answered=figure(0.5)),
    ),
    heat=(
        RegionHeat(
            region="lungs",
            finding="B",
            films=55,
            patients=50,
            empty=2,
            area=0.33,
            heat=figure(0.4),
            maps=pointing(0.6),
            centre_prior=pointing(0.5),
            mirrored=pointing(0.55),
        ),
    ),
)


@pytest.fixture(scope="module")
def manifest(bundle):
    return open_bundle(bundle).manifest.model_copy(update={"looking": LOOKING})


def test_the_card_has_a_row_for_each_erasure_and_three_for_each_region(manifest) -> None:
    card = render_card(manifest)

    assert "## What the network looks at\n\nMeasured on validation: 90 films of 80 patients." in card
    assert "| lungs gray | B | 60 of 90 | 0.964 [0.954, 0.974] | 0.731 [0.721, 0.741] |" in card
    assert "| cage gray | B | 60 of 90 | undefined | 0.500 [0.490, 0.510] |" in card
    assert "| lungs, 33% of the film | B | 55, 2 without heat | 1.20 [1.19, 1.21] | 0.600 [0.590, 0.610] |" in card
    assert "| lungs, 33% of the film | B | centre prior | 1.00 [0.99, 1.01] |" in card
    assert "| lungs, 33% of the film, mirrored | B | 55, 2 without heat | 1.10 [1.09, 1.11] |" in card


def test_programs_get_the_same_figures(manifest) -> None:
    metrics = json.loads(render_card_json(manifest))["quantitative_analysis"]["performance_metrics"]
    where = "validation: 90 films of 80 patients, B, lungs gray"

    assert {
        "type": "AUROC",
        "slice": where,
        "value": 0.964,
        "confidence_interval": {"lower_bound": 0.954, "upper_bound": 0.974},
    } in metrics
    assert [metric["value"] for metric in metrics if metric["type"] == "hottest point inside"] == [0.6]


def test_a_bundle_that_was_not_looked_at_has_no_such_section(manifest) -> None:
    bare = manifest.model_copy(update={"looking": None, "map_sanity": ()})

    assert "What the network looks at" not in render_card(bare)
