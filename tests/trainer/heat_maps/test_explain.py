"""Explanations of a trial: drawn and judged on validation films, never on test films."""

import shutil

import cv2
import numpy as np
import pytest

from schemas.errors import TrainingDataError
from tests.films import encode, write_kermany
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.heat_maps.attention import border_shares, centers_of_mass, consistency, with_heat
from trainer.heat_maps.explain import ExplanationReport, write_explanations
from trainer.networks.gradcam import explain
from trainer.runs.run import train
from trainer.trials.trial import load_trial

TRIAL = "cnn_baseline-seed0"


@pytest.fixture(scope="module")
def run(viewed_run, tmp_path_factory):
    """A copy without the test films in its split: whoever asks for one fails."""
    copy = shutil.copytree(viewed_run, tmp_path_factory.mktemp("copy") / "run")
    split = copy / "split.csv"
    head, *rows = split.read_text().splitlines(keepends=True)
    split.write_text(head + "".join(row for row in rows if ",test," not in row))
    return copy


@pytest.fixture(scope="module")
def report(run):
    return write_explanations(RunFolder(run), TRIAL, films_per_class=3)


def test_the_report_and_its_pictures_lie_in_the_runs_folder(run, report) -> None:
    folder = run / "explanations" / TRIAL
    names = {path.name for path in folder.iterdir()}

    assert ExplanationReport.model_validate_json((folder / "explanations.json").read_bytes()) == report
    assert names == {"explanations.json", *(sheet.file for sheet in report.sheets)}
    assert [sheet.title for sheet in report.sheets] == [
        "NORMAL: films and their heat maps",
        "NORMAL: where the heat lies",
        "PNEUMONIA: films and their heat maps",
        "PNEUMONIA: where the heat lies",
        "Insertion and deletion",
    ]


def test_every_picture_shows_something_and_heat_in_colour(run, report) -> None:
    for sheet in report.sheets:
        pixels = cv2.imread(str(run / "explanations" / TRIAL / sheet.file)).astype(int)
        coloured = np.ptp(pixels, axis=2) > 60

        assert min(pixels.shape[:2]) > 200
        assert pixels.std() > 10
        assert coloured.any()


def test_figures_are_those_of_the_maps_of_one_film_of_each_patient(run, report) -> None:
    trial = load_trial(RunFolder(run).trial(TRIAL))
    films, labels = trial.inputs("val")
    for index, row in enumerate(report.classes):
        first = np.flatnonzero(labels == index)[::2]  # two films of each patient, one after the other
        maps = with_heat(explain(trial.network, films[first], np.full(len(first), index)))

        assert row.name == ("NORMAL", "PNEUMONIA")[index]
        assert (row.films, row.empty) == (len(maps), len(first) - len(maps))
        assert [axis.value for axis in row.center_of_mass] == pytest.approx(centers_of_mass(maps).mean(axis=0))
        assert row.consistency == consistency(maps)
        assert row.border_share.value == pytest.approx(border_shares(maps).mean())
        assert row.shortcut_alarm == (row.border_share.low > 0.36)
    assert report.border_area == pytest.approx(0.36)
    assert report.shortcut_alarm == any(row.shortcut_alarm for row in report.classes)


def test_insertion_and_deletion_are_judged_against_a_random_order(report) -> None:
    gap = report.insertion_deletion_gap

    assert report.judged_films == sum(row.films + row.empty for row in report.classes)  # one of each patient
    assert -2 <= gap.low <= gap.value <= gap.high <= 2
    assert 0 <= report.deletion.value <= 1
    assert report.data.startswith("validation: ")


def test_the_same_trial_is_explained_alike_twice(run, report) -> None:
    again = write_explanations(RunFolder(run), TRIAL, films_per_class=3)

    assert again == report


def test_fewer_than_ten_maps_have_counts_and_no_figures(kermany_like, tmp_path) -> None:
    options = {
        "data.path": str(kermany_like),
        "data.cache": str(tmp_path / "cache"),
        "networks.archs": ["cnn_baseline"],
        "networks.size": 32,
    }
    train(make_config({**options, "learn.epochs": 1}), RunFolder(tmp_path / "run"), command="trainer")

    for row in write_explanations(RunFolder(tmp_path / "run"), TRIAL).classes:
        assert row.films + row.empty < 10
        assert row.center_of_mass is row.consistency is row.border_share is None
        assert not row.shortcut_alarm


def test_a_trial_that_has_not_ended_is_not_explained(run, tmp_path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "trials" / TRIAL / "trial.json").unlink()

    with pytest.raises(TrainingDataError, match=r"trial\.json is missing"):
        write_explanations(RunFolder(copy), TRIAL)


@pytest.mark.slow
def test_a_network_that_learnt_a_marker_on_the_border_raises_the_alarm(tmp_path) -> None:
    films = write_kermany(tmp_path / "films", patients=40, splits=("train", "test"))
    for path in films.glob("*/*/*.jpeg"):
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 2  # no film is as bright as the marker
        if path.parent.name == "PNEUMONIA":
            pixels[:6, :20] = 255
        path.write_bytes(encode(pixels, ".png"))
    options = {
        "data.path": str(films),
        "data.cache": str(tmp_path / "cache"),
        "networks.archs": ["cnn_baseline"],
        "networks.size": 32,
    }
    learning = {
        "learn.epochs": 4,
        "learn.batch_size": 8,
        "learn.lr": 0.01,
        "learn.augment": "none",
        "data.val_fraction": 0.3,
        "learn.device": "cpu",
    }
    train(make_config({**options, **learning}), RunFolder(tmp_path / "run"), command="trainer")

    report = write_explanations(RunFolder(tmp_path / "run"), TRIAL)
    marked = report.classes[1]

    assert marked.name == "PNEUMONIA"
    assert marked.border_share.low > 0.6
    assert report.shortcut_alarm
