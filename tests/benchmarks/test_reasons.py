"""The table of networks that were asked for the right reasons."""

import shutil
from pathlib import Path

import pytest

from benchmarks.reasons.__main__ import asked, table
from schemas.errors import TrainingDataError
from tests.once import BuiltOnce
from tests.trainer.looking.marked_run import build
from trainer.folder import RunFolder
from trainer.learning.options import LearnOptions
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.record import read_trial, write_trial


@pytest.fixture(scope="module")
def run(built_once: BuiltOnce) -> Path:
    return built_once("looking_run", build) / "run"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "labels alone"),
        ({"swapped_background": 0.5}, "other backgrounds, 50% of the films"),
        ({"attention_loss": 0.3, "consistency_loss": 2}, "attention, weight 0.3; consistency, weight 2"),
    ],
)
def test_what_was_asked_is_said_in_words(options, words) -> None:
    assert asked(LearnOptions(**options)) == words


def test_a_run_has_a_line_of_its_figures(run) -> None:
    head, rule, line, *rest = table([run]).splitlines()

    assert rest == []
    assert head.count("|") == rule.count("|") == line.count("|")
    assert line.startswith("| labels alone | ")


def test_a_run_without_masks_is_refused_with_the_remedy(run, tmp_path) -> None:
    bare = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    trial = bare.trial(read_leaderboard(bare).winner.trial)
    write_trial(trial, read_trial(trial).model_copy(update={"looking": None}))

    with pytest.raises(TrainingDataError, match=r"has no lung masks of validation films.*judge\.lung_masks"):
        table([bare.path])
