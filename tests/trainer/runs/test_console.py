"""Rules of what a terminal shows of a run."""

from rich.console import Console

from trainer.reporter import EpochSummary
from trainer.runs.console import ConsoleReporter


def shown(reporter: ConsoleReporter) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(reporter)
    return captured.get()


def test_the_bar_of_a_stage_advances_within_it_and_is_gone_after_it() -> None:
    reporter = ConsoleReporter(Console(quiet=True), ["cnn4-seed0"])
    with reporter.stage("cnn4 seed 0 epoch 1/3") as progress:
        progress(3, 10)
        early = shown(reporter)
        progress(4, 10)
        late = shown(reporter)

    assert "cnn4 seed 0 epoch 1/3" in early
    assert " 3/10" in early
    assert " 4/10" in late
    assert "epoch 1/3" not in shown(reporter)


def test_an_epoch_is_a_line_and_changes_the_row_of_its_trial() -> None:
    console = Console(record=True, width=100)
    reporter = ConsoleReporter(console, ["cnn4-seed0"])
    epoch = EpochSummary(1, 0.5, 0.6, 0.9123, best=True, seconds=61, films_per_second=31.4)
    reporter.trial_started("cnn4-seed0", 3)
    reporter.epoch_ended("cnn4-seed0", epoch)
    reporter.epoch_ended("cnn4-002", epoch)  # a fit of a search has no row

    assert console.export_text().count("AUROC 0.9123*  61 s  31 films/s") == 2
    assert "2 of 3" in shown(reporter)


def test_a_message_is_printed_as_it_is() -> None:
    console = Console(record=True, width=100)
    ConsoleReporter(console, []).message("  cnn4-seed0 failed (code): [bold] of 3")

    assert console.export_text() == "  cnn4-seed0 failed (code): [bold] of 3\n"
