"""What a guide saw of a film, whom a bundle answers, and what a header contradicts."""

import numpy as np
import pytest

from bundle.opening import open_bundle
from imaging.radiograph import HeaderFacts, Statement
from schemas.errors import InferenceError
from service.answers.decision import decide
from service.answers.guide import look_at
from service.engine.engine import Outputs
from tests.service.bundles import change_manifest, write_tiny_bundle

CHILD, ADULT, LATERAL = (1.0, 0.0, 1.0, 0.0), (0.03, 0.97, 1.0, 0.0), (1.0, 0.0, 0.01, 0.99)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Answers children below 18 years: from .7 of the trait population, and .8 of the trait view."""
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models"), guide=True)).manifest


def outputs(*traits):
    row = np.array([[0.03, 0.97]], np.float32)
    seen = np.array([traits], np.float32) if traits else None
    return Outputs(row, row, np.zeros((1, 3), np.float32), traits=seen)


def facts(age_years=None, *, frontal=None):
    """Of a header that states an age and a view."""
    views = {None: (), True: ("frontal",), False: ("lateral",)}[frontal]
    return HeaderFacts(age_years, statements=tuple(Statement("view", view, "ViewPosition") for view in views))


def answer(manifest, look):
    return decide(manifest, None, outputs(), np.zeros(256), look)


def test_a_film_of_the_bundles_population_is_answered_and_shows_what_was_seen(manifest) -> None:
    prediction = answer(manifest, look_at(manifest, outputs(*CHILD), HeaderFacts()))

    assert (prediction.decision, prediction.abstention_reasons) == ("positive", ())
    assert prediction.traits is not None
    assert {name: (seen.value, seen.accepted) for name, seen in prediction.traits.items()} == {
        "population": ("child", True),
        "view": ("frontal", True),
    }
    assert prediction.traits["population"].probability == 1


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        (ADULT, "one of an adult (population: adult, .97), and the network was trained on child films alone."),
        (LATERAL, "a lateral view (view: lateral, .99), and the network was trained on frontal films alone."),
        ((0.6, 0.4, 1, 0), "one of a child, but not surely enough (population: child, .60; it takes .70)."),
    ],
)
def test_a_film_outside_the_population_is_not_answered_and_the_reason_names_what_was_seen(
    manifest, traits, words
) -> None:
    prediction = answer(manifest, look_at(manifest, outputs(*traits), HeaderFacts()))

    assert (prediction.decision, prediction.abstention_reasons) == ("abstain", ("outside_population",))
    assert prediction.recommendation == (f"No answer: the film looks like {words} Have the film read by a radiologist.")
    assert prediction.confidence_band == "low"


def test_each_trait_that_does_not_pass_is_named(manifest) -> None:
    look = look_at(manifest, outputs(0.03, 0.97, 0.01, 0.99), HeaderFacts())

    assert "one of an adult" in answer(manifest, look).recommendation
    assert "child films alone. The film looks like a lateral view" in answer(manifest, look).recommendation


@pytest.mark.parametrize(
    ("traits", "header", "warnings"),
    [
        (CHILD, facts(4, frontal=True), ()),
        (CHILD, HeaderFacts(), ()),
        (CHILD, HeaderFacts(40), ("population_contradicts_header",)),
        (ADULT, HeaderFacts(4), ("population_contradicts_header",)),
        (ADULT, HeaderFacts(40), ()),
        (CHILD, facts(None, frontal=False), ("view_contradicts_header",)),
        (LATERAL, facts(None, frontal=True), ("view_contradicts_header",)),
        (LATERAL, facts(None, frontal=False), ()),
        (LATERAL, facts(40, frontal=True), ("population_contradicts_header", "view_contradicts_header")),
    ],
)
def test_a_header_that_contradicts_what_was_seen_is_a_warning(manifest, traits, header, warnings) -> None:
    noticed = look_at(manifest, outputs(*traits), header, ("overlay",)).warnings

    assert tuple(name for name in noticed if not name.endswith("_unknown")) == ("overlay", *warnings)


def test_an_age_outside_the_population_is_enough_whatever_is_seen(manifest, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    change_manifest(directory, population={"name": "child", "least_age_years": 1, "age_below_years": 6})
    unguided = open_bundle(directory).manifest

    seen = answer(manifest, look_at(manifest, outputs(*CHILD), HeaderFacts(18)))
    stated = [answer(unguided, look_at(unguided, outputs(), HeaderFacts(age))) for age in (0.9, 1, 5.9, 6, None)]

    assert seen.abstention_reasons == ("outside_population",)
    assert "its own file states an age outside" in seen.recommendation
    assert "(child, below 18 years)" in seen.recommendation
    assert [each.decision for each in stated] == ["abstain", "positive", "positive", "abstain", "positive"]
    assert "(child, from 1 and below 6 years)" in stated[0].recommendation
    assert stated[0].traits is None


def test_a_bundle_that_states_no_population_answers_frontal_films_of_every_age(tiny_models) -> None:
    manifest = open_bundle(tiny_models / "tiny" / "1.0.0").manifest

    assert look_at(manifest, outputs(), facts(90, frontal=True)).outside == ()
    (sentence,) = look_at(manifest, outputs(), facts(90, frontal=False)).outside
    assert sentence.startswith("its own file states a view that is lateral (ViewPosition), and the network was trained")


def test_what_a_guide_sees_that_is_no_number_is_never_an_answer(manifest) -> None:
    with pytest.raises(InferenceError, match="guide"):
        look_at(manifest, outputs(np.nan, 0, 1, 0), HeaderFacts())
