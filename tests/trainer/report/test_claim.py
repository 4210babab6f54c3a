"""The checklist has the 44 items of the 2024 update, and a run answers what its records know and no more."""

from collections import Counter

import pytest

from tests.runs import write_run
from trainer.folder import RunFolder
from trainer.report.claim import answer_checklist, checklist_items
from trainer.report.records import read_run

AUTHORS = {2, 3, 4, 5, 8, 11, 13, 14, 15, 16, 17, 18, 21, 30, 33, 34, 36, 41, 42, 44}


def _known(run) -> dict[int, str]:
    """The answers that come from the records, by the number of their item."""
    return {item.number: answer for item, answer in answer_checklist(run).items() if answer is not None}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    run = read_run(
        RunFolder(write_run(tmp_path_factory.mktemp("runs") / "run", trials={"cnn4-seed0": 3, "ensemble": 2}))
    )
    return run, _known(run)


def test_the_items_are_numbered_through() -> None:
    assert [item.number for item in checklist_items()] == list(range(1, 45))


def test_the_sections_have_as_many_items_as_the_checklist() -> None:
    assert list(Counter(item.section for item in checklist_items()).values()) == [
        1,
        1,
        2,
        2,
        7,
        5,
        2,
        1,
        3,
        3,
        7,
        2,
        3,
        2,
        3,
    ]


def test_what_no_run_can_know_is_left_to_the_authors(answers) -> None:
    assert {item.number for item in checklist_items()} - set(answers[1]) == AUTHORS


def test_answers_come_from_the_records(answers) -> None:
    run, known = answers
    metrics = run.winner.at_operating_point("PNEUMONIA")["test"]

    assert known[7].startswith(f"Folder films, SHA-256 {'a' * 64}.")
    assert "32 x 32" in known[9]
    assert known[19].endswith("b" * 64 + ".")
    assert "train 45, val 45, test 45" in known[20]
    assert "454,626 parameters" in known[22]
    assert known[23] == "python 3.11.7, torch 2.15.0"
    assert known[27] == "The leaderboard has averages of trials (ensemble); none of them is the winner."
    assert known[37] == f"Test AUROC {run.winner.record.test.auroc}; the section on the winner has the other figures."
    assert f"test, PNEUMONIA: sensitivity {metrics.sensitivity}, specificity {metrics.specificity}" in known[38]
    assert "d" * 40 in known[43]
    assert known[35] == (
        "train: 90 films, val: 90 films, test: 90 films. Left out: the val folder's 16 films became part of train."
    )


def test_no_answer_holds_markup_or_a_line_end(answers) -> None:
    assert not [
        answer for answer in answers[1].values() if any(mark in answer for mark in ("{", "}", "\n", "  ", " ,"))
    ]


def test_answers_say_what_was_not_done(tmp_path) -> None:
    run = read_run(RunFolder(write_run(tmp_path / "run", opened=False, kept=False)))
    known = _known(run)

    assert known[37] == "The test set is sealed."
    assert known[39].startswith("Not possible")
    assert known[27] == "None."
    assert known[31] == "None were made for the winner."
