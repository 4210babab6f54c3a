"""The report of a run as one file."""

from collections.abc import Iterator
from pathlib import Path

from bundle.files import write_whole
from schemas.api import DISCLAIMER
from trainer.folder import RunFolder
from trainer.report.film_sections import explanations_html, mistakes_html
from trainer.report.html import Section, render_page
from trainer.report.markup import bullets, folded, paragraph
from trainer.report.records import RecordedRun, read_run
from trainer.report.run_sections import (
    claim_html,
    failures_html,
    films_html,
    leaderboard_html,
    repeat_html,
    summary_html,
)
from trainer.report.trial_section import trial_html

HOW_TO_READ = (
    (
        "Brackets are 95 % intervals: Wilson for proportions of films, DeLong with the films of a patient taken together for the "
        "AUROC of two classes, bootstrap over patients for all else."
    ),
    (
        "Validation figures are flattered: validation chose the epoch, the temperature, the thresholds and the winner. The test set "
        "decided nothing."
    ),
    "Trials whose paired difference has an interval that includes 0 tie, whatever their order.",
    "PPV and NPV hold at the stated prevalence alone; among patients with fewer findings the PPV is lower.",
    "Probabilities are calibrated on validation and hold at its class frequencies.",
    "A heat map shows what moved the answer, not where disease is.",
)


def write_report(folder: RunFolder) -> Path:
    """Write report.html into the folder of a run, whole or not at all; return its path.

    Raises:
        CxrError: see `trainer.report.records.read_run`.
    """
    write_whole(folder.report, render_report(read_run(folder)).encode())
    return folder.report


def render_report(run: RecordedRun) -> str:
    """The report as one HTML document that needs no other file and no network."""
    classes = ", ".join(run.data.classes)
    subtitle = f"{classes}; {sum(map(sum, (counts.values() for counts in run.data.counts.values()))):,} films of {run.data.data}"
    return render_page(f"Training report: {run.folder.name}", subtitle, list(_sections(run)))


def _sections(run: RecordedRun) -> Iterator[Section]:
    yield Section("In short", paragraph(DISCLAIMER) + summary_html(run))
    yield Section("Leaderboard", leaderboard_html(run))
    yield Section(f"The winner: {run.winner.row.trial}", trial_html(run.winner))
    yield Section("What the winner gets wrong", mistakes_html(run))
    yield Section("Where the winner looks", explanations_html(run))
    if others := run.trials[1:]:
        yield Section(
            "The other trials",
            "".join(folded(f"{trial.row.trial}: {trial.row.validation_auroc}", trial_html(trial)) for trial in others),
        )
    if run.failures:
        yield Section("Trials that failed", failures_html(run))
    yield Section("Films", films_html(run))
    yield Section("To repeat it", repeat_html(run))
    yield Section("CLAIM checklist", claim_html(run))
    yield Section("How to read this", bullets(HOW_TO_READ) + paragraph(DISCLAIMER))
