"""Runs beside one another and beside what others published: a page of the documentation, its figure and its records.

    python -m benchmarks.leaderboard two-classes runs/first runs/second
    python -m benchmarks.leaderboard two-classes docs/results/two-classes.json runs/third

Reads runs that have ended on the same films, and records that an earlier page kept of runs; refuses runs whose split differs.
Writes docs/results/<page>.md, .svg and .json.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.published import PAGES, Page
from bundle.files import write_whole
from schemas.model.evaluation import Evaluation, LabelMetrics
from schemas.model.provenance import Provenance
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig, make_config, read_config
from trainer.folder import RunFolder
from trainer.learning.consumption import Consumption, consumption_of, teachers_consumption
from trainer.report.overview import Standing, leaderboard_figure
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.record import read_trial

RESULTS = Path("docs/results")
ARGMAX, OPERATING_POINT = "argmax", "operating point"


@dataclass(frozen=True, slots=True)
class Row:
    """One trial or ensemble of a run."""

    run: str
    trial: str
    config: RunConfig
    record: TrialRecord

    @property
    def name(self) -> str:
        """As the tables call it."""
        if self.record.members:
            return f"{self.run}: {self.trial}"
        taught = ", taught" if self.config.learn.teachers else ""
        return f"{self.trial.replace('-seed', ', seed ')}, {self.record.preprocess.size} px{taught}"

    @property
    def tested(self) -> Evaluation:
        """Its figures on the test films."""
        if self.record.test is None:
            sys.exit(f"{self.run}/{self.trial} was not tested; let the run end first")
        return self.record.test


def read_rows(sources: Sequence[Path]) -> list[Row]:
    """The trials of folders of runs and of kept records in the order of their validation AUROC, their ensembles after them."""
    rows = [row for source in sources for row in (kept_rows(source) if source.suffix == ".json" else run_rows(source))]
    splits = {row.run: row.record.provenance.split_sha256 for row in rows}
    if len(set(splits.values())) > 1:
        sys.exit(f"the runs stand on different splits and cannot be compared: {splits}")
    return sorted(rows, key=lambda row: (bool(row.record.members), -row.record.validation.auroc.value))


def run_rows(run: Path) -> Iterator[Row]:
    """The trials of a folder of a run."""
    for row in read_leaderboard(RunFolder(run)).rows:
        yield Row(run.name, row.trial, read_config(RunFolder(run)), read_trial(RunFolder(run).trial(row.trial)))


def kept_rows(records: Path) -> Iterator[Row]:
    """The trials whose records an earlier page kept, see `record_of`."""
    for kept in json.loads(records.read_bytes()):
        record = TrialRecord.model_validate_json(json.dumps(kept["record"]))
        yield Row(kept["run"], kept["trial"], make_config(kept["config"]), record)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is a figure."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def how_made(rows: Sequence[Row]) -> str:
    """Networks, how they were trained, what validation said and what they cost."""
    head = (
        "network",
        "validation AUROC",
        "epochs",
        "first weights",
        "augmentation",
        "parameters",
        "minutes (processor)",
        "ms per film",
    )
    return table(
        head,
        [
            (
                row.name,
                str(row.record.validation.auroc),
                epochs(row),
                row.record.provenance.pretrained_weights.split()[0]
                .removesuffix(".safetensors")
                .replace("none", "random"),
                row.config.learn.augment,
                f"{row.record.provenance.parameters / 1e6:.3g} M",
                minutes(row.record.provenance),
                "" if row.record.ms_per_film is None else f"{row.record.ms_per_film:.0f}",
            )
            for row in rows
            if not row.record.members
        ],
    )


def epochs(row: Row) -> str:
    """How many were trained, of how many where patience ended them."""
    return (
        str(row.record.epochs)
        if row.record.epochs == row.config.learn.epochs
        else f"{row.record.epochs} of {row.config.learn.epochs}"
    )


def minutes(made: Provenance) -> str:
    """How long training took, and what it took of the processors where that was measured; then the same of its teachers."""
    own = _minutes(consumption_of(made))
    before = _minutes(teachers_consumption(made))
    return f"{own}, teachers {before}" if made.teachers else own


def _minutes(took: Consumption) -> str:
    spent = "" if took.cpu_seconds is None else f" ({took.cpu_seconds / 60:.0f})"
    return f"{took.seconds / 60:.0f}{spent}"


def labelled(evaluation: Evaluation, rule: str) -> LabelMetrics:
    """The figures of one rule of labelling."""
    return next(labels for labels in evaluation.labels if labels.rule == rule)


def rates(evaluation: Evaluation, rule: str) -> tuple[float, float]:
    """Sensitivity and specificity of the second of two classes under a rule of labelling."""
    (right_negative, wrong_positive), (wrong_negative, right_positive) = labelled(evaluation, rule).confusion
    return right_positive / (right_positive + wrong_negative), right_negative / (right_negative + wrong_positive)


def two_classes(evaluation: Evaluation) -> bool:
    """Whether sensitivity and specificity say all: a finding and its absence."""
    return len(evaluation.class_counts) == 2


def cells(evaluation: Evaluation) -> tuple[str, ...]:
    """The figures of one evaluation; two classes have sensitivity and specificity."""
    argmax = labelled(evaluation, ARGMAX)
    if not two_classes(evaluation):
        own: tuple[str, ...] = (str(argmax.balanced_accuracy), str(argmax.macro_f1))
    else:
        own = tuple(" / ".join(f"{rate:.3f}" for rate in rates(evaluation, rule)) for rule in (ARGMAX, OPERATING_POINT))
    return (str(evaluation.auroc), str(argmax.accuracy), *own, str(evaluation.ece))


def figures_head(evaluation: Evaluation, *first: str) -> tuple[str, ...]:
    """The head of a table of `cells`."""
    two = ("sensitivity / specificity", "at the operating point")
    return (
        *first,
        "AUROC",
        "accuracy",
        *(two if two_classes(evaluation) else ("balanced accuracy", "macro F1")),
        "ECE",
    )


def over_seeds(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Mean and standard deviation of the test figures of networks that were trained with several seeds."""
    alike: dict[str, list[Evaluation]] = {}
    for row in rows:
        if not row.record.members:
            alike.setdefault(f"{row.record.architecture}, {row.record.preprocess.size} px, {row.run}", []).append(
                row.tested
            )
    for name, tested in alike.items():
        if len(tested) > 1:
            figures = [
                [evaluation.auroc.value for evaluation in tested],
                [labelled(evaluation, ARGMAX).accuracy.value for evaluation in tested],
                [evaluation.ece.value for evaluation in tested],
            ]
            if two_classes(tested[0]):
                figures += [[rates(evaluation, OPERATING_POINT)[place] for evaluation in tested] for place in (0, 1)]
            yield (
                f"{name}: {len(tested)} seeds",
                *(f"{fmean(values):.3f} ± {stdev(values):.3f}" for values in figures),
            )


def averages(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Means of networks, and networks that looked at several views of each film."""
    for row in rows:
        views = row.record.many_views
        if row.record.members:
            yield (row.name, str(row.record.validation.auroc), *cells(row.tested))
        elif views and views.test:
            name = f"{row.name}, mean of {views.views} views"
            yield (name, str(views.validation.auroc), *cells(views.test))


def provenance(rows: Sequence[Row]) -> Iterator[str]:
    """What each run was started with, by which it can be made again."""
    for run in dict.fromkeys(row.run for row in rows):
        one = next(row for row in rows if row.run == run and not row.record.members).record.provenance
        weights = {
            row.record.provenance.pretrained_weights for row in rows if row.run == run and not row.record.members
        }
        yield f"    {one.command.replace(f'{Path.cwd()}/', '')}"
        yield f"This command ran at commit `{one.git_commit[:12]}` on {one.device}; first weights: {'; '.join(sorted(weights))}."


def document(page: Page, rows: Sequence[Row], name: str, command: str) -> str:
    """The page."""
    networks = [row for row in rows if not row.record.members]
    first = networks[0].record
    tested = networks[0].tested
    validation = first.validation
    counts = ", ".join(f"{count:,} {name}" for name, count in tested.class_counts.items())
    parts = [
        f"# {page.title}",
        page.text,
        (
            f"Validation: {validation.films:,} films of {validation.patients:,} patients. Test: {tested.films:,} films ({counts}), "
            f"which each run opened once, after its winner was chosen. Data `{first.provenance.data_sha256[:12]}`, split "
            f"`{first.provenance.split_sha256[:12]}`. Brackets: 95 % intervals."
        ),
        f"![AUROC of every network on validation and test]({name}.svg)",
        "## Chosen on validation",
        how_made(rows),
        (
            "Minutes are the time of training on two shared CPU cores, some while other work ran and with pauses, which the processor time (in "
            "brackets) excludes. Ms per film: one film, one CPU thread, in PyTorch."
        ),
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


def record_of(row: Row) -> dict[str, object]:
    """What the page's figures rest on, for a program."""
    figures = {name: {"subgroups", "shifts"} for name in ("validation", "test")}
    record = row.record.model_dump(mode="json", exclude={**figures, "many_views": figures})
    record["calibration"]["out_of_distribution"] = None  # half a megabyte that no page shows
    config = row.config.model_dump(mode="json", exclude={"data": {"cache"}})
    return {"run": row.run, "trial": row.trial, "config": config, "record": record}


def main() -> None:
    """Read, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", choices=PAGES)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or .json files that an earlier page kept")
    options = parser.parse_args()
    rows = read_rows(options.runs)
    command = f"python -m benchmarks.leaderboard {options.page} {' '.join(map(str, options.runs))}"
    text = document(PAGES[options.page], rows, options.page, command)
    figure = leaderboard_figure(
        [Standing(row.name, {"validation": row.record.validation.auroc, "test": row.tested.auroc}) for row in rows]
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(RESULTS / f"{options.page}.svg", metadata={"Date": None})
    write_whole(RESULTS / f"{options.page}.md", text.encode())
    records = json.dumps([record_of(row) for row in rows], indent=1).replace(f"{Path.cwd()}/", "")
    write_whole(RESULTS / f"{options.page}.json", records.encode())
    print(text)


if __name__ == "__main__":
    main()
