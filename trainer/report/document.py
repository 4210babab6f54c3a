"""The report of a run as one file."""

from collections.abc import Iterator
from pathlib import Path

from bundle.files import write_whole
from trainer.folder import RunFolder
from trainer.report.film_sections import explanations, mistake_gallery
from trainer.report.html import Section, render_page
from trainer.report.records import RecordedRun, read_run
from trainer.report.run_sections import (
    checklist,
    failure_table,
    film_counts,
    leaderboard_tables,
    reproduction,
    summary,
)
from trainer.report.trial_section import trial_figures


def write_report(folder: RunFolder) -> Path:
    """Write report.html into the folder of a run, whole or not at all; return its path.

    Raises:
        CxrError: see `trainer.report.records.read_run`.
    """
    write_whole(folder.report, render_report(read_run(folder)).encode())
    return folder.report


def render_report(run: RecordedRun) -> str:
    """The report as one HTML document that needs no other file and no network."""
    films = sum(sum(counts.values()) for counts in run.data.counts.values())
    subtitle = f"{', '.join(run.data.classes)}; {films:,} films of {run.data.data}"
    return render_page(f"Training report: {run.folder.name}", subtitle, list(_sections(run)))


def _sections(run: RecordedRun) -> Iterator[Section]:
    yield Section("Summary", "summary.html.j2", summary(run))
    yield Section("Leaderboard", "tables.html.j2", leaderboard_tables(run))
    yield Section(f"The winner: {run.winner.row.trial}", "trial.html.j2", trial_figures(run.winner))
    yield Section("What the winner gets wrong", "mistakes.html.j2", mistake_gallery(run))
    yield Section("Where the winner looks", "explanations.html.j2", explanations(run))
    if others := run.trials[1:]:
        yield Section("The other trials", "trials.html.j2", tuple(map(trial_figures, others)))
    if run.failures:
        yield Section("Trials that failed", "tables.html.j2", (failure_table(run),))
    yield Section("Films", "films.html.j2", film_counts(run))
    yield Section("How to reproduce this run", "reproduction.html.j2", reproduction(run))
    yield Section("CLAIM checklist", "claim.html.j2", checklist(run))
    yield Section("How to read this report", "reading.html.j2", None)
