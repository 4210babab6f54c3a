"""A page of results: what was trained, chosen on validation and tested."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.leaderboard.published import Page
from benchmarks.leaderboard.rows import Row
from benchmarks.leaderboard.tables import averages, cells, figures_head, how_made, over_seeds, table, two_classes
from schemas.model.evaluation import Evaluation
from schemas.model.trial import TrialRecord

MINUTES: Final = (
    "Minutes are the time of training on two shared CPU cores, some while other work ran and with pauses, which the "
    "processor time (in brackets) excludes. Ms per film: one film, one CPU thread, in PyTorch."
)


def document(page: Page, rows: Sequence[Row], name: str, command: str) -> str:
    """The page."""
    networks = [row for row in rows if not row.record.members]
    first = networks[0].record
    tested = networks[0].tested
    parts = [
        f"# {page.title}",
        page.text,
        _films(first, tested),
        f"![AUROC of every network on validation and test]({name}.svg)",
        "## Chosen on validation",
        how_made(rows),
        MINUTES,
        "## On the test films",
        table(figures_head(tested, "network"), [(row.name, *cells(row.tested)) for row in networks]),
    ]
    if seeds := list(over_seeds(rows)):
        rest = ("sensitivity, operating point", "specificity, operating point") if two_classes(tested) else ()
        parts += [
            "## Over seeds",
            "Figures on the test films: mean ± standard deviation.",
            table(("network", "AUROC", "accuracy", "ECE", *rest), seeds),
        ]
    if means := list(averages(rows)):
        parts += ["## Averages", table(figures_head(tested, "average of", "validation AUROC"), means)]
    if page.claims:
        published = [(claim.network, claim.figures, claim.source) for claim in page.claims]
        parts += ["## What others published", page.caution, table(("network", "figures", "where"), published)]
    parts += ["## Reproduce", *provenance(rows), f"    {command}"]
    return "\n\n".join(parts) + "\n"


def _films(first: TrialRecord, tested: Evaluation) -> str:
    validation = first.validation
    counts = ", ".join(f"{count:,} {name}" for name, count in tested.class_counts.items())
    return (
        f"Validation: {validation.films:,} films of {validation.patients:,} patients. Test: {tested.films:,} films "
        f"({counts}), which each run opened once, after its winner was chosen. Data "
        f"`{first.provenance.data_sha256[:12]}`, "
        f"split `{first.provenance.split_sha256[:12]}`. Brackets: 95 % intervals."
    )


def provenance(rows: Sequence[Row]) -> Iterator[str]:
    """What each run was started with, by which it can be made again."""
    for run in dict.fromkeys(row.run for row in rows):
        one = next(row for row in rows if row.run == run and not row.record.members).record.provenance
        weights = {
            row.record.provenance.pretrained_weights for row in rows if row.run == run and not row.record.members
        }
        yield f"    {one.command.replace(f'{Path.cwd()}/', '')}"
        yield (
            f"This command ran at commit `{one.git_commit[:12]}` on {one.device}; first weights: "
            f"{'; '.join(sorted(weights))}."
        )
