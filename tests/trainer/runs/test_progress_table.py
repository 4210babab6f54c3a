"""Rules of the table that a user watches."""

from rich.console import Console

from tests.runs import write_run
from trainer.films.dataset import read_data
from trainer.films.patients import PatientSources
from trainer.folder import RunFolder
from trainer.reporter import EpochSummary
from trainer.runs.leaderboard import read_leaderboard
from trainer.runs.progress_table import TrialTable, results
from trainer.trials.trial_spec import TrialSpec

FIRST = TrialSpec("cnn4", 0)
SECOND = TrialSpec("timm:resnet18", 1, fold=2)


def epoch(number: int, auroc: float) -> EpochSummary:
    return EpochSummary(number, 0.5, 0.6, auroc, best=True, seconds=90.0, films_per_second=41.4)


def rows(table: TrialTable) -> list[list[str]]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table)
    lines = [line.split("│")[1:-1] for line in captured.get().splitlines() if "│" in line]
    return [[cell.strip() for cell in line] for line in lines]


def test_a_plan_names_its_folder() -> None:
    assert (FIRST.name, SECOND.name) == ("cnn4-seed0", "timm-resnet18-seed1-fold2")


def test_a_trial_waits_trains_and_is_done() -> None:
    table = TrialTable([FIRST.name, SECOND.name])
    waiting = rows(table)
    table.started(FIRST.name, epochs=3)
    table.advanced(FIRST.name, epoch(0, 0.91))
    table.advanced(FIRST.name, epoch(1, 0.87))
    training = rows(table)
    table.ended(FIRST.name, 0.9123)

    assert waiting == [["cnn4-seed0", "waiting", "", "", "", ""], [SECOND.name, "waiting", "", "", "", ""]]
    assert training[0] == ["cnn4-seed0", "training", "2 of 3", "0.9100", "41", "2 min"]
    assert rows(table)[0] == ["cnn4-seed0", "done", "2 of 3", "0.9123", "41", ""]


def test_a_trial_that_failed_says_so() -> None:
    table = TrialTable([FIRST.name])
    table.started(FIRST.name, epochs=3)
    table.failed(FIRST.name)

    assert rows(table)[0][1] == "failed"


def test_the_results_end_with_what_is_not_known_of_patients(tmp_path) -> None:
    run = RunFolder(write_run(tmp_path / "run"))
    board = read_leaderboard(run)
    data = read_data(run)

    assert results(board, run).caption is None

    run.data.write_text(data.model_copy(update={"patients_known": PatientSources(unknown=270)}).model_dump_json())
    assert str(results(board, run).caption).startswith("patients unknown: every film counts as its own")
