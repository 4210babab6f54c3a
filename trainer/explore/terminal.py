"""What the terminal shows of a data set; the report has more."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainer.explore.data_report import DataReport
from trainer.explore.findings import findings

_LISTED = 12
"""Leaks, contradictions and files left out."""


def print_data_report(console: Console, report: DataReport) -> None:
    """Counts of films and patients, then findings and notes, then the places that they speak of."""
    console.print(_counts(report))
    for line in (*findings(report), *report.notes):
        console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    for line in (*report.contradictions, *report.leaks, *report.dropped)[:_LISTED]:
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)


def _counts(report: DataReport) -> Table:
    """Films and patients of each split, and of each class in it."""
    table = Table("split", "films", "patients", *map(escape, report.classes), box=box.SIMPLE)
    for split, counts in report.counts.items():
        films = f"{report.films_of(split):,}"
        table.add_row(
            split, films, report.patients_in_words(split), *(f"{counts[label]:,}" for label in report.classes)
        )
    return table
