"""The page of what bundles look at puts them beside one another, and films of another split are refused."""

from pathlib import Path

import pytest

from benchmarks.looking.__main__ import adult_films
from benchmarks.looking.page import BundleLooking, page
from benchmarks.release_check.films import require_own_split
from bundle.opening import open_bundle
from schemas.model.looking import Looking
from tests.export.card.test_looking import LOOKING

MODELS = Path(__file__).parents[1] / "models"


def of(bundle: str, adults: Looking | None = None, remark: str = "") -> BundleLooking:
    return BundleLooking(bundle=bundle, children=LOOKING, adults=adults, remark=remark)


def test_two_bundles_stand_beside_one_another() -> None:
    text = page([of("chest/2.0.0"), of("chest/3.0.0", remark="Heat in the lungs.")], ["A, called A with 0.9"], "a.png")

    assert "| film | AUROC, chest/2.0.0 | answered, chest/2.0.0 | AUROC, chest/3.0.0 | answered, chest/3.0.0 |" in text
    assert "| lungs gray | 0.964 [0.954, 0.974] | 0.731 [0.721, 0.741] | 0.964 [0.954, 0.974] |" in text
    assert "| as it is |  |  |  |  |" in text  # not measured, not invented
    assert "![Twelve chest films with heat maps and outlined lungs](a.png)" in text
    assert "Looked at, `chest/3.0.0`: Heat in the lungs." in text
    assert "adult films" not in text
    assert "`chest/2.0.0`, 0 adult films with boxes" in page([of("chest/2.0.0", LOOKING)], [], "a.png")


def test_films_that_may_have_been_trained_on_are_refused(tmp_path: Path) -> None:
    manifest = open_bundle(MODELS / (MODELS / "current").read_text().strip()).manifest
    (tmp_path / "split.csv").write_text("path,label,patient,split,sha256\n")

    with pytest.raises(SystemExit, match=r"split.csv is not the split of chest-xray-pneumonia"):
        require_own_split(manifest, tmp_path / "split.csv")


def test_adult_films_are_those_with_a_box(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text('image,rsna_boxes\nimages/b.png,"[[0.1,0.1,0.2,0.2]]"\nimages/a.png,[]\n')

    assert [film.path for film in adult_films(tmp_path)] == [tmp_path / "images" / "b.png"]
