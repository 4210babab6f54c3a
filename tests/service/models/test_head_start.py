"""Rules of the head start: who asks for the bundle gets what became of it, once, and every other bundle as always."""

from pathlib import Path
from typing import Any

import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError
from service.models.head_start import HeadStart
from service.models.loading import BundleLoader
from service.models.prover import NoProver
from service.settings import EngineSettings
from tests.service.bundles import write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.spoilt import other_weights


def begin(models_dir: Path, **settings: Any) -> HeadStart | None:
    return HeadStart.of(settings_of(models_dir=models_dir, **settings), NoProver())


def test_the_chosen_bundle_is_given_once(tiny_models) -> None:
    bundle = open_bundle(tiny_models / "tiny" / "1.0.0")
    start = begin(tiny_models)

    assert start.take(bundle).bundle == bundle
    assert start.take(bundle) is None


def test_a_loader_takes_the_bundle_that_was_loaded_ahead_and_opens_no_second_network(tiny_models) -> None:
    def refuses(bundle, **options):
        message = "no engine"
        raise BundleError(message)

    bundle = open_bundle(tiny_models / "tiny" / "1.0.0")
    loader = BundleLoader(refuses, EngineSettings(), ahead=begin(tiny_models).take)

    assert loader.load(bundle).bundle == bundle
    with pytest.raises(BundleError, match="no engine"):
        loader.load(bundle)


def test_another_bundle_is_left_to_who_asks_for_it(tiny_models, tmp_path) -> None:
    other = write_tiny_bundle(tmp_path)

    assert begin(tiny_models).take(open_bundle(other)) is None


def test_a_refusal_is_given_once_and_then_the_bundle_is_loaded_as_always(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    other_weights(directory)
    start = begin(tmp_path)

    with pytest.raises(BundleError, match="golden"):
        start.take(open_bundle(directory))
    assert start.take(open_bundle(directory)) is None


@pytest.mark.parametrize(
    "settings",
    [{"least_version": "2.0.0"}, {"models": ("tiny/1.0.0", "other/1.0.0")}, {"model": "absent"}],
    ids=["too old", "several", "absent"],
)
def test_what_it_cannot_load_is_left_to_the_service(tiny_models, settings) -> None:
    assert begin(tiny_models, **settings) is None
