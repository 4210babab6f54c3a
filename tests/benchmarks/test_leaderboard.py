"""Pages of results: from runs, and from the records that an earlier page kept of runs."""

import json
import sys
from pathlib import Path

import pytest

import benchmarks.leaderboard.__main__ as leaderboard
from benchmarks.leaderboard.published import PAGES
from benchmarks.leaderboard.rows import read_rows
from tests.runs import write_run

KEPT = Path(__file__).parent.parent.parent / leaderboard.RESULTS


@pytest.fixture
def page(monkeypatch, tmp_path):
    """Writes the page of given sources in an empty folder and returns its text."""
    monkeypatch.chdir(tmp_path)

    def write(*sources: Path) -> str:
        monkeypatch.setattr(sys, "argv", ["leaderboard", "two-classes", *map(str, sources)])
        leaderboard.main()
        return (leaderboard.RESULTS / "two-classes.md").read_text()

    return write


def lines(text: str, first: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {first}")]


def test_a_page_orders_the_trials_of_all_runs_by_validation_and_says_how_each_was_made(page, tmp_path) -> None:
    strong = write_run(tmp_path / "strong", trials={"cnn4-seed0": 3.0, "cnn4-seed1": 2.0})
    weak = write_run(tmp_path / "weak", trials={"resnet50-seed0": 0.5})

    text = page(weak, strong)

    trained, tested = text.split("## On the test films")
    for half in (trained, tested.split("## Over seeds")[0]):
        named = [line.split(" | ")[0] for line in half.splitlines() if ", seed " in line]
        assert named == ["| cnn4, seed 0, 32 px", "| cnn4, seed 1, 32 px", "| resnet50, seed 0, 32 px"]
    assert len(lines(text, "cnn4, 32 px, strong: 2 seeds")) == 1
    assert (leaderboard.RESULTS / "two-classes.svg").stat().st_size > 0


def test_a_page_goes_on_from_the_records_that_an_earlier_one_kept(page, tmp_path) -> None:
    first = write_run(tmp_path / "first", trials={"cnn4-seed0": 3.0})
    second = write_run(tmp_path / "second", trials={"resnet50-seed0": 0.5})
    kept = leaderboard.RESULTS / "two-classes.json"
    at_once = page(first, second)
    page(first)

    in_turn = page(kept, second)

    without_commands = [text.rpartition("\n\n")[0] for text in (at_once, in_turn)]
    assert without_commands[0] == without_commands[1]
    assert [row["trial"] for row in json.loads(kept.read_bytes())] == ["cnn4-seed0", "resnet50-seed0"]


def test_runs_on_different_splits_are_not_compared(page, tmp_path) -> None:
    first = write_run(tmp_path / "first")
    second = write_run(tmp_path / "second")
    record = next(second.glob("trials/*/trial.json"))
    record.write_text(record.read_text().replace("b" * 64, "f" * 64))

    with pytest.raises(SystemExit, match="different splits"):
        page(first, second)


@pytest.mark.parametrize("name", PAGES)
def test_the_records_that_a_page_keeps_are_read_again(name) -> None:
    assert read_rows([KEPT / f"{name}.json"])
