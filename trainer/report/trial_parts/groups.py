"""Tables of a trial on groups of films, and under shifts."""

from collections.abc import Callable, Iterator

from schemas.estimate import Estimate
from schemas.model.evaluation import Evaluation, SubgroupMetrics
from trainer.report.html import Table
from trainer.report.records import RecordedTrial


def group_tables(trial: RecordedTrial) -> Iterator[Table]:
    """The groups of films and the shifts, where the records have them."""
    subgroups = _group_rows(trial, lambda evaluation: evaluation.subgroups)
    shifts = _group_rows(trial, lambda evaluation: evaluation.shifts)
    head = ("set", "group", "finding", "films with it", "AUROC", "sensitivity", "specificity", "note")
    if subgroups:
        yield Table("Groups of films at the operating point; small groups have wide intervals.", head, subgroups)
    if shifts:
        caption = "The same films under changes of exposure, processing and framing, thresholds unchanged."
        yield Table(caption, head, shifts)


def _group_rows(
    trial: RecordedTrial, groups: Callable[[Evaluation], tuple[SubgroupMetrics, ...]]
) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{group.column} {group.value}",
            group.finding,
            f"{group.positives:,} of {group.films:,}",
            *map(_or_undefined, (group.auroc, group.sensitivity, group.specificity)),
            group.note,
        )
        for name, evaluation in trial.evaluations.items()
        for group in groups(evaluation)
    ]


def _or_undefined(value: Estimate | None) -> str:
    return "undefined" if value is None else str(value)
