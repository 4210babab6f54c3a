"""The tables of a page of results, as Markdown."""

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from benchmarks.leaderboard.rows import Row
from schemas.model.evaluation import Evaluation, LabelMetrics
from schemas.model.provenance import Provenance
from trainer.learning.consumption import Consumption, consumption_of, teachers_consumption

ARGMAX, OPERATING_POINT = "argmax", "operating point"


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
    """How long training took, with processor time where it was measured; then the same of its teachers."""
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
