"""The gallery tells the films that went wrong, the surest first, by hash and line alone."""

import numpy as np
import pytest

from export.card.mistakes import WORST, find_mistakes
from export.gates.answers import ValidationSet
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint, OutOfDistribution
from schemas.model.mistakes import FilmReference
from schemas.model.provenance import Adoption
from schemas.model.trial import CalibratedNetwork
from schemas.preprocess import PreprocessSpec
from tests.export.untrained import evaluation

SURE = Estimate(value=1, low=1, high=1)
SIDE = 32
BORDER = np.zeros((4, 4), np.float32)
CENTRE = np.zeros((4, 4), np.float32)
BORDER[0], CENTRE[1:3, 1:3] = 1, 1


def network(classes=("NORMAL", "PNEUMONIA"), negative="NORMAL", cutoffs=None):
    return CalibratedNetwork(
        architecture="drawn",
        classes=classes,
        negative_class=negative,
        preprocess=PreprocessSpec(size=SIDE),
        calibration=Calibration(
            temperature=1,
            operating_points=tuple(
                OperatingPoint(
                    finding=name, threshold=0.4, target_sensitivity=0.9, sensitivity=SURE, specificity=SURE, data="v"
                )
                for name in classes
                if name != negative
            ),
            conformal=ConformalQuantiles(alpha=0.1, quantiles=dict.fromkeys(classes, 0.35)),
            out_of_distribution=cutoffs and OutOfDistribution(cutoffs=cutoffs, accepted_share=0.98),
            data="validation: some films",
        ),
        validation=evaluation("validation", 0.4, 0.9),
        test=None,
        provenance=Adoption(
            command="c",
            git_commit="d" * 40,
            adopted_at="2026-01-01T00:00:00Z",
            source="s",
            data="films",
            data_sha256="a" * 64,
            reading=("the output is taken as logits",),
            least_auroc=0.7,
            floor_auroc={},
            faults=(),
            reason=None,
            parameters=1,
            libraries={},
        ),
    )


def films(*levels):
    """Films [V, 1, S, S] of one gray level each."""
    return np.stack([np.full((1, SIDE, SIDE), level, np.float32) for level in levels])


def found(probabilities, truth, record=None, *, embeddings=None, levels=None, maps=None):
    """The gallery of drawn outputs; the graph's heat map of a film is that of its label, or of its gray level."""
    table = np.array(probabilities, np.float32)
    count = len(table)
    outputs = {"probabilities": table, "embedding": np.array(embeddings or [[0.0]] * count, np.float32)}
    statistics = {
        "center": np.zeros(1, np.float32),
        "projection": np.ones((1, 1), np.float32),
        "class_means": np.zeros((2, 1), np.float32),
        "scales": np.ones((2, 1), np.float32),
    }
    validation = ValidationSet(
        films(*(levels or [0.5] * count)),
        np.array(truth),
        np.array([f"p{index}" for index in range(count)]),
        statistics if embeddings else None,
    )
    references = [FilmReference(sha256_prefix=f"{index:012x}", split_line=index + 2) for index in range(count)]

    def run(_films, targets):
        drawn = {} if maps is None else {"gradcam": np.stack([maps[target] for target in targets])}
        return {"logits": np.zeros((len(targets), 2), np.float32), **drawn}

    return find_mistakes(run, outputs, validation, references, record or network())


def kinds(mistakes):
    return {kind.kind: kind for kind in mistakes.kinds}


def lines(kind):
    return [film.film.split_line for film in kind.worst]


def test_missed_findings_and_false_alarms_are_told_apart_at_the_operating_point_the_surest_first() -> None:
    gallery = kinds(
        found([[0.7, 0.3], [0.9, 0.1], [0.55, 0.45], [0.5, 0.5], [0.2, 0.8], [0.95, 0.05]], [1, 1, 1, 0, 0, 0])
    )

    assert lines(gallery["missed"]) == [3, 2]
    assert (gallery["missed"].films, gallery["missed"].of) == (2, 3)
    assert lines(gallery["false alarm"]) == [6, 5]
    assert gallery["false alarm"].share.value == pytest.approx(2 / 3)
    assert gallery["false alarm"].worst[0].label_probability == pytest.approx(0.8)
    assert "confused" not in gallery


def test_a_finding_that_is_labelled_another_finding_is_confused() -> None:
    record = network(("BACTERIA", "NORMAL", "VIRUS"))
    gallery = kinds(found([[0.2, 0.1, 0.7], [0.1, 0.8, 0.1]], [0, 0], record))

    assert lines(gallery["confused"]) == [2]
    assert lines(gallery["missed"]) == [3]
    assert gallery["false alarm"].share is None


def test_without_a_negative_class_every_mistake_is_a_confusion() -> None:
    gallery = kinds(found([[0.7, 0.3], [0.2, 0.8]], [1, 1], network(("LEFT", "RIGHT"), negative=None)))

    assert set(gallery) == {"confused", "unclear"}
    assert lines(gallery["confused"]) == [2]


def test_films_that_are_not_answered_stand_with_the_reason_and_the_furthest_first() -> None:
    record = network(cutoffs={"NORMAL": 2.0, "PNEUMONIA": 2.0})
    table = [[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.9, 0.1]]
    gallery = kinds(found(table, [0, 0, 1, 0], record, embeddings=[[3.0], [5.0], [0.0], [0.0]]))

    assert lines(gallery["unfamiliar"]) == [3, 2]
    assert [film.out_of_distribution_score for film in gallery["unfamiliar"].worst] == pytest.approx([2.5, 1.5])
    assert lines(gallery["unclear"]) == [4]
    assert gallery["unclear"].worst[0].answer == "unclear"


def test_a_bundle_without_a_gate_has_no_unfamiliar_films_and_no_scores() -> None:
    gallery = kinds(found([[0.9, 0.1]], [1]))

    assert "unfamiliar" not in gallery
    assert gallery["missed"].worst[0].out_of_distribution_score is None


def test_no_more_than_the_worst_are_told_and_all_are_counted() -> None:
    gallery = kinds(found([[0.7 + index / 100, 0.3 - index / 100] for index in range(9)], [1] * 9))

    assert lines(gallery["missed"]) == [10, 9, 8, 7, 6]
    assert WORST == 5
    assert gallery["missed"].films == 9


def test_the_heat_on_the_border_is_that_of_the_map_for_the_label() -> None:
    gallery = kinds(found([[0.9, 0.1], [0.2, 0.8]], [1, 0], maps={0: BORDER, 1: CENTRE}))

    assert gallery["missed"].worst[0].border_share > 0.5
    assert gallery["false alarm"].worst[0].border_share == pytest.approx(0)


def test_a_map_without_heat_and_a_graph_without_maps_have_no_share() -> None:
    cold = kinds(found([[0.9, 0.1]], [1], maps={0: np.zeros((4, 4), np.float32)}))
    without = kinds(found([[0.9, 0.1]], [1]))

    assert cold["missed"].worst[0].border_share is None
    assert without["missed"].worst[0].border_share is None


def test_sensitivity_and_specificity_stand_for_dark_and_light_films() -> None:
    # 60 films, light ones with a finding are missed.
    levels = [0.1 + index / 100 for index in range(60)]
    truth = [index % 2 for index in range(60)]
    table = [[0.9, 0.1] if index >= 40 or not label else [0.1, 0.9] for index, label in enumerate(truth)]

    rows = {(row.column, row.value): row for row in found(table, truth, levels=levels).by_appearance}

    assert [rows["mean gray level", third].sensitivity.value for third in ("lowest third", "highest third")] == [1, 0]
    assert rows["mean gray level", "middle third"].specificity.value == 1
    assert {column for column, _ in rows} == {"mean gray level", "contrast", "gray level of the border"}
    assert [row.films for (column, _), row in rows.items() if column == "contrast"] == [60]  # all alike: one group
