"""What the card says of one set of films: every figure with its interval, for each rule, group and shift."""

from export.card.markdown import table
from schemas.estimate import Estimate
from schemas.model.evaluation import Evaluation, FindingMetrics, LabelMetrics, SubgroupMetrics

SHIFTS_TITLE = "The same films under changes of exposure, processing and framing, thresholds unchanged:"


def evaluation_section(evaluation: Evaluation, classes: tuple[str, ...]) -> str:
    """All figures of one set of films, as Markdown."""
    macro = " (macro average, one against the rest)" if len(classes) > 2 else ""  # noqa: PLR2004 - two classes have one AUROC
    by_class = evaluation.class_auroc.items() if macro else ()
    overall = (
        (f"AUROC{macro}", str(evaluation.auroc)),
        *((f"AUROC of `{name}` against the rest", str(area)) for name, area in by_class),
        ("Brier score", str(evaluation.brier)),
        ("Expected calibration error", str(evaluation.ece)),
    )
    parts = (
        f"### On {evaluation.data} ({evaluation.films:,} films of {evaluation.patients:,} patients)",
        table(("figure", "value [interval]"), overall),
        *(part for metrics in evaluation.findings for part in _finding(metrics)),
        *(part for metrics in evaluation.labels for part in _label(metrics, classes)),
        *groups("Groups of films, at the operating point (films: with the finding, of all):", evaluation.subgroups),
        *groups(SHIFTS_TITLE, evaluation.shifts),
    )
    return "\n\n".join(parts)


def _finding(metrics: FindingMetrics) -> tuple[str, str]:
    def predictive(estimate: Estimate | None) -> str:
        return "undefined: no such answer was given" if estimate is None else str(estimate)

    rows = (
        ("AUROC", str(metrics.auroc)),
        ("AUPRC", str(metrics.auprc)),
        ("Sensitivity", str(metrics.sensitivity)),
        ("Specificity", str(metrics.specificity)),
        (f"PPV at prevalence {metrics.prevalence:.1%}", predictive(metrics.ppv)),
        (f"NPV at prevalence {metrics.prevalence:.1%}", predictive(metrics.npv)),
        ("F1", f"{metrics.f1:.3f}"),
    )
    return f"`{metrics.finding}` against the rest, threshold {metrics.threshold:.3f}:", table(("figure", "value"), rows)


def _label(metrics: LabelMetrics, classes: tuple[str, ...]) -> tuple[str, str, str]:
    rows = (
        ("Balanced accuracy", str(metrics.balanced_accuracy)),
        ("Accuracy", str(metrics.accuracy)),
        ("Macro F1", str(metrics.macro_f1)),
        *((f"F1 of `{name}`", str(figure)) for name, figure in metrics.class_f1.items()),
        ("Matthews correlation", f"{metrics.mcc:.3f}"),
    )
    confusion = [(f"`{name}`", *map(str, counts)) for name, counts in zip(classes, metrics.confusion, strict=True)]
    return (
        f"One label a film, by {metrics.rule}:",
        table(("figure", "value"), rows),
        table(("truth \\ label", *(f"`{name}`" for name in classes)), confusion),
    )


def groups(title: str, rows: tuple[SubgroupMetrics, ...]) -> tuple[str, ...]:
    """The figures of groups of films under a title; nothing where there are none."""
    if not rows:
        return ()

    def cell(figure: Estimate | None) -> str:
        return "" if figure is None else str(figure)

    head = ("group", "finding", "films", "patients", "AUROC", "sensitivity", "specificity", "note")
    body = [
        (
            f"{row.column} {row.value}",
            f"`{row.finding}`",
            f"{row.positives:,} of {row.films:,}",
            f"{row.patients:,}",
            *map(cell, (row.auroc, row.sensitivity, row.specificity)),
            row.note,
        )
        for row in rows
    ]
    return title, table(head, body)
