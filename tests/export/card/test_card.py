"""The model card says what the manifest says, and nothing that is not known."""

import json
import re
from pathlib import Path

import pytest

from bundle.opening import open_bundle
from export.card.card import render_card
from export.card.card_json import render_card_json
from schemas.model.manifest import CURRENT, MANIFEST, MODEL_CARD, BundleManifest
from schemas.model.precision import PrecisionFiles, PrecisionRecord
from tests.export.figures import GOOD
from tests.export.untrained import estimate
from tests.service.bundles import guide_fields

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def manifest(bundle):
    return open_bundle(bundle).manifest


@pytest.fixture(scope="module")
def card(manifest):
    return render_card(manifest)


def with_data(manifest, data):
    return manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update={"data": data})})


def test_the_shipped_card_is_what_its_manifest_gives_to_the_byte() -> None:
    directory = MODELS / (MODELS / CURRENT).read_text().strip()
    manifest = BundleManifest.model_validate_json((directory / MANIFEST).read_bytes())

    assert render_card(manifest) == (directory / MODEL_CARD).read_text()


def test_a_text_about_the_films_keeps_its_own_tables(manifest) -> None:
    about = "| a | b |\n| --- | --- |\n| 1 | 2 |"

    assert f"\n\n{about}\n\n" in render_card(manifest.model_copy(update={"about_films": f"\n{about}\n"}))


def test_a_card_states_whose_films_are_answered_and_how_well_the_guide_sees_them(manifest, card) -> None:
    stated = manifest.model_dump(mode="json") | guide_fields()
    guided = BundleManifest.model_validate(stated)
    told = render_card(guided)
    metrics = json.loads(render_card_json(guided))["quantitative_analysis"]["performance_metrics"]

    assert "Intended population: child, below 18 years; frontal films of the chest, projection AP or PA" in told
    assert "| population | child | 0.700 | 0.980 [0.960, 0.990] | adult 0.980 [0.960, 0.990] |" in told
    assert "| view | frontal | 0.800 | 0.980 [0.960, 0.990] | lateral 0.900 [0.850, 0.940] |" in told
    assert "Dice coefficient of 0.980 [0.960, 0.990]" in told
    assert "\n\n\n" not in told
    assert {"share passed", "share refused", "Dice coefficient"} <= {metric["type"] for metric in metrics}
    assert "## Films that are answered" not in card


@pytest.mark.parametrize(
    "heading",
    [
        "Intended use",
        "Not intended for",
        "Data",
        "Figures",
        "Decisions",
        "Mistakes",
        "Limits",
        "Provenance",
        "Disclaimer",
    ],
)
def test_every_section_is_there_once(card, heading) -> None:
    assert len(re.findall(rf"^## {heading}$", card, re.MULTILINE)) == 1


def test_validation_and_test_figures_stand_with_their_intervals(card) -> None:
    assert "### On validation (40 films of 20 patients)" in card
    assert "### On test (40 films of 20 patients)" in card
    assert card.count("| AUROC | 0.987 [0.967, 1.000] |") == 2
    assert card.count("| AUROC | 0.965 [0.945, 0.985] |") == 2
    assert "| Sensitivity | 0.962 [0.942, 0.982] |" in card
    assert "| Expected calibration error | 0.032 [0.012, 0.052] |" in card


def test_patients_who_are_not_known_are_not_counted_and_are_a_limit(manifest) -> None:
    validation, test = manifest.evaluation
    some = (validation.model_copy(update={"unknown_patients": 40}), test.model_copy(update={"unknown_patients": 7}))
    unknown = manifest.model_copy(update={"evaluation": some})
    card = render_card(unknown)

    assert "### On validation (40 films, patients unknown)" in card
    assert "### On test (40 films, patients unknown for 7 of them)" in card
    assert "| validation | 40 | unknown |" in card
    assert "- Patients unknown: 40 of 40 films of validation and 7 of 40 films of test name no patient" in card
    assert "leaks of patients cannot be found" in card
    assert "leaks of patients cannot be found" in render_card_json(unknown)
    assert "40 films, patients unknown, from" in render_card_json(unknown)


def test_predictive_values_never_stand_without_the_prevalence(card) -> None:
    assert "| PPV at prevalence 62.5% | 0.942 [0.922, 0.962] |" in card
    assert "| NPV at prevalence 62.5% | undefined: no such answer was given |" in card
    assert not re.search(r"\b[PN]PV\b(?! at prevalence)", card)


def test_decisions_stand_with_the_films_that_made_them(card) -> None:
    assert "Decided by validation: 40 films of 20 patients." in card
    assert "softmax(logits / 1.5000)" in card
    assert "`NORMAL` 0.6123, `PNEUMONIA` 0.4567" in card
    assert "at most 10.0% of the films" in card
    assert "`NORMAL` 1.31, `PNEUMONIA` 1.42" in card


def test_a_bundle_that_does_not_check_for_unfamiliar_films_says_so(manifest) -> None:
    calibration = manifest.calibration.model_copy(update={"out_of_distribution": None})

    card = render_card(manifest.model_copy(update={"calibration": calibration}))

    assert "**Out of distribution.** Not checked" in card


def test_the_training_can_be_repeated_from_the_card(card) -> None:
    assert "`python -m trainer train --data films --arch cnn_baseline --out runs/r1`" in card
    for fact in ("a" * 64, "b" * 64, "0123456789abcdef", "2025-03-01 12:30 UTC", "torch 2.15.0", "1.5 minutes"):
        assert fact in card


def test_kermany_data_brings_its_known_limits(card) -> None:
    assert "children aged one to five" in card


def test_other_data_brings_no_claim_about_children(manifest) -> None:
    card = render_card(with_data(manifest, "films of our own hospital"))

    assert "children" not in card
    assert "Grad-CAM is not localisation" in card
    assert "shortcuts" in card


def test_without_a_negative_class_the_card_does_not_speak_of_one(manifest) -> None:
    point = manifest.calibration.operating_points[0]
    calibration = manifest.calibration.model_copy(
        update={"operating_points": (point, point.model_copy(update={"finding": "NORMAL"}))}
    )

    card = render_card(manifest.model_copy(update={"negative_class": None, "calibration": calibration}))

    assert "Every class is a finding" in card
    assert "does not mean healthy" not in card


def test_three_classes_have_a_macro_auroc_and_a_confusion_matrix_of_three(manifest) -> None:
    classes = ("NORMAL", "BACTERIAL", "VIRAL")
    evaluation = manifest.evaluation[0]
    label = evaluation.labels[0].model_copy(
        update={"confusion": ((7, 1, 2), (0, 8, 2), (1, 3, 6)), "macro_f1": estimate(0.7)}
    )
    three = evaluation.model_copy(update={"labels": (label,)})

    card = render_card(manifest.model_copy(update={"classes": classes, "evaluation": (three,)}))

    assert "AUROC (macro average, one against the rest)" in card
    assert "| `VIRAL` | 1 | 3 | 6 |" in card


def test_a_bundle_without_heat_maps_says_none(manifest) -> None:
    card = render_card(manifest.model_copy(update={"graph": manifest.graph.model_copy(update={"cam_grid": None})}))

    assert "| Heat maps | none |" in card


def test_every_table_is_a_table_whatever_its_cells_hold(manifest) -> None:
    card = render_card(with_data(manifest, "a|b"))

    assert "a\\|b" in card
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1, block


def test_precisions_stand_with_their_figures_and_those_that_were_refused_with_the_reason(manifest) -> None:
    files = PrecisionFiles(graph="model.int8.onnx", golden="golden.int8.npz", tolerance=0.05)
    kept = PrecisionRecord(precision="int8", method="static, QDQ", files=files, refused=None, figures=GOOD)
    other = PrecisionRecord(precision="fp16", method="float16", files=None, refused="no such kernel", figures=None)

    card = render_card(manifest.model_copy(update={"precisions": (kept, other)}))

    assert "| int8 | kept | -0.0004 [-0.0014, +0.0006] | 99.74% [99.64%, 99.84%] |" in card
    assert "| 1.85 [1.75, 1.95] | 3.8 (13.5) |" in card
    assert "| fp16 | refused: no such kernel |" in card
    assert "- int8: static, QDQ; measured on CPUExecutionProvider" in card


def test_a_bundle_whose_precisions_were_not_tried_does_not_speak_of_them(card) -> None:
    assert "Precisions" not in card


def test_mistakes_are_counted_with_intervals_and_the_worst_are_named_by_hash_and_line(manifest, card) -> None:
    missed = manifest.mistakes.kinds[0]
    worst = missed.worst[0]

    assert f"| missed | a finding, labelled NORMAL | {missed.films} of 20 | {missed.share} |" in card
    assert (
        f"| missed | `{worst.film.sha256_prefix}` | {worst.film.split_line} | `PNEUMONIA` {worst.truth_probability:.3f}"
        in card
    )
    assert "| mean gray level lowest third | `PNEUMONIA` |" in card


def test_a_bundle_whose_mistakes_were_not_looked_for_does_not_speak_of_them(manifest) -> None:
    assert "## Mistakes" not in render_card(manifest.model_copy(update={"mistakes": None}))


def test_what_is_known_of_the_films_stands_under_data(manifest) -> None:
    about = "Films of one ward, CC BY 4.0."

    data = render_card(manifest.model_copy(update={"about_films": about})).split("## Data")[1].split("\n## ")[0]

    assert about in data
