"""The card for programs says what the manifest says, in the vocabulary of the Model Card Toolkit."""

import json
from collections.abc import Mapping

import pytest

from bundle.opening import open_bundle
from export.card.card_json import render_card_json
from schemas.estimate import Estimate
from schemas.model.manifest import MODEL_CARD, MODEL_CARD_JSON
from schemas.model.precision import PrecisionRecord
from tests.export.figures import GOOD

# The objects of model_card.schema.json 0.0.2 and what each may hold; nothing else may stand at the top. The toolkit's
# data classes add `confidence_interval` and `threshold` to a metric.
SCHEMA = {
    "": {"schema_version", "model_details", "model_parameters", "quantitative_analysis", "considerations"},
    "model_details": {"name", "overview", "documentation", "owners", "version", "licenses", "references", "citations"},
    "version": {"name", "date", "diff"},
    "model_parameters": {"model_architecture", "data", "input_format", "output_format"},
    "data": {"name", "link", "sensitive", "graphics", "description"},
    "quantitative_analysis": {"performance_metrics", "graphics"},
    "performance_metrics": {"type", "value", "slice", "confidence_interval", "threshold"},
    "confidence_interval": {"lower_bound", "upper_bound"},
    "considerations": {"users", "use_cases", "limitations", "tradeoffs", "ethical_considerations"},
    "use_cases": {"description"},
    "limitations": {"description"},
}


@pytest.fixture(scope="module")
def manifest(bundle):
    return open_bundle(bundle).manifest


@pytest.fixture(scope="module")
def card(bundle):
    return json.loads((bundle / MODEL_CARD_JSON).read_text())


def metrics(card):
    return {(row["type"], row["slice"]): row for row in card["quantitative_analysis"]["performance_metrics"]}


def objects(value, name=""):
    """Every object of the card under the name that it stands by."""
    if isinstance(value, Mapping):
        yield name, value
        for key, part in value.items():
            yield from objects(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from objects(part, name)


def test_every_object_is_one_of_the_toolkits_schema(card) -> None:
    found = list(objects(card))

    assert {name for name, _ in found} == set(SCHEMA)
    for name, value in found:
        assert set(value) <= SCHEMA[name], name


def test_the_card_is_made_from_the_manifest_alone(manifest, card) -> None:
    assert json.loads(render_card_json(manifest)) == card
    assert card["model_details"]["name"] == manifest.name
    assert card["model_details"]["version"]["name"] == manifest.version
    assert "Research use" in card["model_details"]["documentation"]


def test_figures_stand_with_their_intervals_and_slices(card) -> None:
    found = metrics(card)
    area = found["AUROC", "test"]

    assert area["value"] == 0.965
    assert area["confidence_interval"] == pytest.approx({"lower_bound": 0.945, "upper_bound": 0.985})
    assert found["accuracy", "validation, label by operating point"]["value"] == 0.931
    assert (
        found["Matthews correlation", "test, label by operating point"]["confidence_interval"]["upper_bound"] == 0.873
    )


def test_predictive_values_never_stand_without_the_prevalence_nor_where_they_are_undefined(card) -> None:
    rows = [row for row in card["quantitative_analysis"]["performance_metrics"] if row["type"] in {"PPV", "NPV"}]

    assert [row["type"] for row in rows] == ["PPV", "PPV"]
    assert all("prevalence 0.6250" in row["slice"] for row in rows)


def test_every_estimate_of_an_evaluation_is_told(manifest, card) -> None:
    def estimates(value):
        if isinstance(value, Estimate):
            yield value.value
        elif isinstance(value, tuple):
            for part in value:
                yield from estimates(part)
        elif isinstance(value, Mapping):
            yield from estimates(tuple(value.values()))
        elif hasattr(value, "__pydantic_fields__"):
            yield from estimates(tuple(getattr(value, name) for name in type(value).model_fields))

    told = {row["value"] for row in card["quantitative_analysis"]["performance_metrics"]}

    assert set(estimates(manifest.evaluation)) <= told


def test_limits_are_those_of_the_card_for_people(bundle, card) -> None:
    text = (bundle / MODEL_CARD).read_text()
    limits = [row["description"].removeprefix("Not intended for: ") for row in card["considerations"]["limitations"]]

    assert len(limits) > 5
    assert all(limit in text for limit in limits)


def test_a_precision_that_was_tried_has_its_figures_and_its_verdict(manifest) -> None:
    tried = PrecisionRecord(precision="int8", method="static", files=None, refused="too slow", figures=GOOD)

    found = metrics(json.loads(render_card_json(manifest.model_copy(update={"precisions": (tried,)}))))

    where = "int8 beside fp32, validation, refused: too slow"
    assert found["same label", where]["value"] == 0.9974
    assert found["AUROC difference", where]["confidence_interval"]["upper_bound"] == pytest.approx(0.0006)
    assert found["times as fast", f"{where}, {GOOD.measured_on}"]["value"] == 1.85


def test_mistakes_have_their_shares_and_the_figures_by_appearance(manifest, card) -> None:
    found = metrics(card)
    missed = manifest.mistakes.kinds[0]
    group = manifest.mistakes.by_appearance[0]

    assert found["share missed", f"validation, {missed.films} of 20 films: a finding, labelled NORMAL"]["value"] == (
        missed.share.value
    )
    where = f"validation, PNEUMONIA, mean gray level lowest third, {group.films} films"
    assert group.films >= 20 or ("sensitivity", where) not in found
    assert group.films < 20 or found["sensitivity", where]["value"] == group.sensitivity.value
