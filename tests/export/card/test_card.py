"""The model card says what the manifest says, and nothing that is not known."""

import re

import pytest

from export.card.card import render_card
from schemas.bundle import open_bundle
from schemas.evaluation import SubgroupMetrics
from schemas.precision import PrecisionFiles, PrecisionRecord
from tests.export.figures import GOOD
from tests.export.untrained import estimate

GROUPS = tuple(
    SubgroupMetrics(column="sex", finding="PNEUMONIA", **row)
    for row in (
        {
            "value": "F",
            "films": 30,
            "patients": 15,
            "positives": 12,
            "auroc": estimate(0.91),
            "sensitivity": estimate(0.94),
            "specificity": estimate(0.88),
            "note": "",
        },
        {
            "value": "not stated",
            "films": 10,
            "patients": 5,
            "positives": 4,
            "auroc": None,
            "sensitivity": None,
            "specificity": None,
            "note": "fewer than 20 films",
        },
    )
)


@pytest.fixture(scope="module")
def manifest(bundle):
    return open_bundle(bundle).manifest


@pytest.fixture(scope="module")
def card(manifest):
    return render_card(manifest)


def with_data(manifest, data):
    return manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update={"data": data})})


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


def test_figures_that_version_0_1_did_not_have_stand_where_they_are_known(manifest, card) -> None:
    evaluation = manifest.evaluation[0]
    label = evaluation.labels[0].model_copy(
        update={"class_f1": {"NORMAL": estimate(0.81), "PNEUMONIA": estimate(0.92)}, "mcc": estimate(0.71)}
    )
    known = evaluation.model_copy(update={"labels": (label,), "subgroups": GROUPS})

    new = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    assert "| Matthews correlation | 0.853 |" in card
    assert "| Matthews correlation | 0.710 [0.690, 0.730] |" in new
    assert "| F1 of `PNEUMONIA` | 0.920 [0.900, 0.940] |" in new
    assert "F1 of" not in card
    assert "Groups of films" not in card


def test_groups_stand_with_their_counts_and_why_a_figure_is_missing(manifest) -> None:
    known = manifest.evaluation[0].model_copy(update={"subgroups": GROUPS})

    card = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    assert (
        "| sex F | `PNEUMONIA` | 12 of 30 | 15 | 0.910 [0.890, 0.930] | 0.940 [0.920, 0.960] | 0.880 [0.860, 0.900] |  |"
        in card
    )
    assert "| sex not stated | `PNEUMONIA` | 4 of 10 | 5 |  |  |  | fewer than 20 films |" in card


def test_shifts_stand_in_a_table_of_their_own(manifest) -> None:
    shift = GROUPS[0].model_copy(update={"column": "shift", "value": "contrast x 1.6"})
    known = manifest.evaluation[0].model_copy(update={"shifts": (shift,)})

    card = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    _, table = card.split("The same films under changes of exposure, processing and framing, thresholds unchanged:")
    assert "| shift contrast x 1.6 | `PNEUMONIA` | 12 of 30 | 15 | 0.910 [0.890, 0.930] |" in table
    assert "Groups of films" not in card


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


def trained(manifest, **took):
    return render_card(manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update=took)}))


def test_time_and_energy_of_training_stand_as_they_were_measured(manifest) -> None:
    took = {"training_seconds": 5400.0, "cpu_seconds": 9000.0}
    measured = trained(manifest, **took, energy_joules={"processor package-0 (RAPL)": 180_000.0})
    without = trained(manifest, **took, energy_joules={})

    assert "| Time of training | 90.0 minutes over all epochs, 2.50 core-hours |" in measured
    assert "| Energy of training | 50.0 Wh by processor package-0 (RAPL): of all that ran on the machine" in measured
    assert (
        "| Energy of training | not measured: no energy counter of the machine could be read; 2.50 core-hours"
        in without
    )


def test_a_network_of_before_energy_was_recorded_says_its_time_and_no_energy(card) -> None:
    assert "| Time of training | 1.5 minutes over all epochs |" in card
    assert "| Energy of training | not recorded for every epoch |" in card


def test_what_training_the_teachers_took_stands_beside_it_each_of_them_counted_once(manifest) -> None:
    first = manifest.provenance.model_copy(update={"training_seconds": 600.0, "seed": 1, "teachers": ()})
    second = manifest.provenance.model_copy(update={"training_seconds": 300.0, "seed": 2, "teachers": (first,)})

    taught = trained(manifest, teachers=(first, second))
    alone = trained(manifest, teachers=())
    by_one = trained(manifest, teachers=(first,))

    assert "| Time of training its 2 teachers | 15.0 minutes over all epochs, before |" in taught
    assert "| Energy of training its 2 teachers | not recorded" in taught
    assert "| Time of training its teacher | 10.0 minutes over all epochs, before |" in by_one
    assert "teacher" not in alone


def test_what_is_known_of_the_films_stands_under_data(manifest) -> None:
    about = "Films of one ward, CC BY 4.0."

    data = render_card(manifest.model_copy(update={"about_films": about})).split("## Data")[1].split("\n## ")[0]

    assert about in data
