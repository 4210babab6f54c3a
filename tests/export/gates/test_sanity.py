"""Maps that do not depend on the network's last layers are refused with a remedy, and others are recorded."""

import re

import numpy as np
import pytest

from bundle.opening import open_bundle
from export.gates.sanity import FILMS, check_sanity
from schemas.errors import SanityError
from tests.export.untrained import phantoms
from tests.trainer.looking.test_sanity import EdgeDetector


def test_the_bundle_states_how_its_maps_change(bundle) -> None:
    manifest = open_bundle(bundle).manifest
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    (check,) = manifest.map_sanity

    assert check.method == "gradcam"
    assert [row.layers for row in check.rows] == ["last layer", "last quarter", "last half", "all layers"]
    assert check.rows[1].rank_correlation.value <= check.limit
    assert f"| gradcam, limit 0.8 | last layer (1) | {check.rows[0].rank_correlation} |" in card


def test_a_map_that_shows_the_film_is_refused() -> None:
    films = phantoms(12, 64)

    with pytest.raises(SanityError, match=re.escape("at most 0.8 is accepted: they show the film, not the answer")):
        check_sanity(EdgeDetector().eval(), films, np.arange(12).astype(str))


def test_each_patient_gives_one_film_and_sixteen_are_enough(trial) -> None:
    films = np.repeat(phantoms(20, 32), 2, axis=0)
    found = check_sanity(trial.network, films, np.repeat(np.arange(20), 2).astype(str))

    assert found is not None
    assert found.films <= FILMS
