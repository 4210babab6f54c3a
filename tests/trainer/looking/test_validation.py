"""A run with lung masks or boxes records what its networks look at, and one whose masks fit no film ends at once."""

import shutil
from pathlib import Path

import pytest

from schemas.errors import TrainingDataError
from schemas.model.trial import TrialRecord
from tests.films import write_kermany
from tests.once import BuiltOnce
from tests.trainer.looking.marked_run import build, config, write_boxes, write_masks
from trainer.folder import RunFolder
from trainer.report.document import write_report
from trainer.runs.run import train
from trainer.trials.record import read_trial, write_trial
from trainer.trials.refit import look_again


@pytest.fixture(scope="module")
def folder(built_once: BuiltOnce) -> Path:
    """A finished run whose validation films have masks and boxes."""
    return built_once("looking_run", build) / "run"


@pytest.fixture(scope="module")
def record(folder: Path) -> TrialRecord:
    return read_trial(RunFolder(folder).trial("cnn_baseline-seed0"))


def test_a_look_that_is_taken_again_is_the_one_that_training_took(folder: Path, tmp_path: Path) -> None:
    again = RunFolder(Path(shutil.copytree(folder, tmp_path / "run"))).trial("cnn_baseline-seed0")
    before = read_trial(again)
    write_trial(again, before.model_copy(update={"looking": None}))

    assert look_again(again)
    assert read_trial(again) == before


def test_the_record_has_every_erasure_and_every_region(record: TrialRecord) -> None:
    looking = record.looking
    assert looking is not None
    erasures = [row.erasure for row in looking.erasures]

    assert erasures == ["as it is", "lungs gray", "cage gray", "outside gray", "outside swapped"]
    assert looking.lung_masks == record.validation.films
    assert looking.boxes == record.validation.class_counts["PNEUMONIA"]
    assert {row.region for row in looking.heat} <= {"lungs", "cage", "boxes"}
    assert "boxes" in {row.region for row in looking.heat}


def test_the_film_as_it_is_has_the_auroc_of_the_evaluation(record: TrialRecord) -> None:
    assert record.looking is not None
    row = record.looking.erased("as it is", "PNEUMONIA")

    assert row is not None
    assert row.auroc is not None
    assert row.auroc.value == pytest.approx(record.validation.auroc.value, abs=1e-6)


def test_the_report_states_it(folder: Path) -> None:
    page = write_report(RunFolder(folder)).read_text(encoding="utf-8")

    assert "What the network looks at, on validation:" in page
    assert "outside swapped" in page
    assert "centre prior" in page


def test_masks_that_fit_no_film_end_the_run_before_it_trains(tmp_path: Path) -> None:
    films = write_kermany(tmp_path / "films", patients=12)
    other = write_masks(write_kermany(tmp_path / "others", patients=1, splits=("val",)), tmp_path / "masks")
    for mask in Path(other).iterdir():
        mask.rename(mask.with_stem(f"other {mask.stem}"))

    boxes = write_boxes(tmp_path / "others", tmp_path / "boxes.csv")
    Path(boxes).write_text(Path(boxes).read_text().replace("person", "somebody"))

    with pytest.raises(TrainingDataError, match=r"no validation film has a mask in judge\.lung_masks=.*masks"):
        train(config(films, tmp_path, lung_masks=other), RunFolder(tmp_path / "run"), command="train")
    with pytest.raises(TrainingDataError, match=r"no validation film has a box in judge\.boxes="):
        train(config(films, tmp_path, boxes=boxes), RunFolder(tmp_path / "run 2"), command="train")


def test_films_without_marks_have_no_such_record(shifted_run: Path) -> None:
    assert read_trial(RunFolder(shifted_run).trial("cnn_baseline-seed0")).looking is None
