"""The card states the figures of groups of films, of films under shifts and of each class, where they are known."""

import pytest

from bundle.opening import open_bundle
from export.card.card import render_card
from schemas.model.evaluation import SubgroupMetrics
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


def test_figures_of_each_class_stand_with_their_intervals(manifest, card) -> None:
    evaluation = manifest.evaluation[0]
    label = evaluation.labels[0].model_copy(
        update={"class_f1": {"NORMAL": estimate(0.81), "PNEUMONIA": estimate(0.92)}, "mcc": estimate(0.71)}
    )
    known = evaluation.model_copy(update={"labels": (label,), "subgroups": GROUPS})

    new = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    assert "| Matthews correlation | 0.853 [0.833, 0.873] |" in card
    assert "| Matthews correlation | 0.710 [0.690, 0.730] |" in new
    assert "| F1 of `PNEUMONIA` | 0.920 [0.900, 0.940] |" in new
    assert "| F1 of `PNEUMONIA` | 0.930 [0.910, 0.950] |" in card
    assert "Groups of films" not in card


def test_groups_stand_with_their_counts_and_why_a_figure_is_missing(manifest) -> None:
    known = manifest.evaluation[0].model_copy(update={"subgroups": GROUPS})

    card = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    assert (
        "| sex F | `PNEUMONIA` | 12 of 30 | 15 | 0.910 [0.890, 0.930] | 0.940 [0.920, 0.960] | "
        "0.880 [0.860, 0.900] |  |" in card
    )
    assert "| sex not stated | `PNEUMONIA` | 4 of 10 | 5 |  |  |  | fewer than 20 films |" in card


def test_shifts_stand_in_a_table_of_their_own(manifest) -> None:
    shift = GROUPS[0].model_copy(update={"column": "shift", "value": "contrast x 1.6"})
    known = manifest.evaluation[0].model_copy(update={"shifts": (shift,)})

    card = render_card(manifest.model_copy(update={"evaluation": (known,)}))

    _, table = card.split("The same films under changes of exposure, processing and framing, thresholds unchanged:")
    assert "| shift contrast x 1.6 | `PNEUMONIA` | 12 of 30 | 15 | 0.910 [0.890, 0.930] |" in table
    assert "Groups of films" not in card
