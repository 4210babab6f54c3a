"""The model card: what a reader must know before believing the bundle, as Markdown made from its manifest alone.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, arXiv:1810.03993.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from export.limits import LIMITS, NOT_INTENDED, known_limits
from schemas.api import DISCLAIMER
from schemas.bundle import BundleManifest
from schemas.calibration import OutOfDistribution
from schemas.estimate import Estimate
from schemas.evaluation import Evaluation, FindingMetrics, LabelMetrics, SubgroupMetrics

SHIFTS_TITLE = "The same films under changes of exposure, processing and framing, thresholds unchanged:"


def render_card(manifest: BundleManifest) -> str:
    """The card of a bundle; its file list is not read, so that the card's own hash can be in it."""
    sections = (
        _summary(manifest),
        ("## Intended use", manifest.intended_use),
        ("## Not intended for", _bullets(NOT_INTENDED)),
        _data(manifest),
        (
            "## Figures",
            (
                "Intervals are 95 %. Probabilities are calibrated on validation, whose own figures are flattered by that. "
                "Predictive values hold at the stated prevalence alone."
            ),
        ),
        *((evaluation_section(evaluation, manifest.classes),) for evaluation in manifest.evaluation),
        _decisions(manifest),
        ("## Limits", _bullets((*known_limits(manifest), *LIMITS))),
        _provenance(manifest),
        ("## Disclaimer", DISCLAIMER),
    )
    return "\n\n".join("\n\n".join(section) for section in sections) + "\n"


def _summary(manifest: BundleManifest) -> tuple[str, ...]:
    side, graph = manifest.preprocess.size, manifest.graph
    grid = "none" if graph.cam_grid is None else f"{graph.cam_grid[0]} x {graph.cam_grid[1]} cells, `{graph.cam_layer}`"
    negative = (
        f"`{manifest.negative_class}` means that none of the findings was called; it does not mean healthy."
        if manifest.negative_class
        else "Every class is a finding; there is no class for none of them."
    )
    facts = (
        ("Architecture", f"{manifest.architecture}, {manifest.provenance.parameters:,} parameters"),
        ("Classes", ", ".join(f"`{name}`" for name in manifest.classes)),
        ("Input", f"one film, {side} x {side}, {manifest.preprocess.resize}, {manifest.preprocess.intensity}"),
        ("CLAHE", "no" if manifest.preprocess.clahe is None else f"clip {manifest.preprocess.clahe.clip_limit:g}"),
        ("Heat maps", grid),
        ("Graph", f"ONNX opset {graph.opset}, batches up to {graph.max_batch} checked against torch"),
        ("Made", f"{_utc(manifest.created_at)}"),
    )
    return f"# {manifest.name} {manifest.version}", f"> **{DISCLAIMER}**", _table(("", ""), facts), negative


def _data(manifest: BundleManifest) -> tuple[str, ...]:
    rows = [
        (
            evaluation.data,
            f"{evaluation.films:,}",
            f"{evaluation.patients:,}",
            ", ".join(f"{name} {count:,}" for name, count in evaluation.class_counts.items()),
            f"`{evaluation.data_sha256[:12]}`",
        )
        for evaluation in manifest.evaluation
    ]
    split = (
        f"Films: {manifest.provenance.data}\n\nTraining and validation were split by patient, as far as the data tells "
        "patients apart; validation chose the epoch and everything under Decisions. The exact split has the SHA-256 "
        f"`{manifest.provenance.split_sha256[:12]}…`."
    )
    return "## Data", split, _table(("set", "films", "patients", "classes", "SHA-256"), rows)


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
        _table(("figure", "value [interval]"), overall),
        *(part for metrics in evaluation.findings for part in _finding(metrics)),
        *(part for metrics in evaluation.labels for part in _label(metrics, classes)),
        *_groups("Groups of films, at the operating point (films: with the finding, of all):", evaluation.subgroups),
        *_groups(SHIFTS_TITLE, evaluation.shifts),
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
    return f"`{metrics.finding}` against the rest, threshold {metrics.threshold:.3f}:", _table(
        ("figure", "value"), rows
    )


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
        _table(("figure", "value"), rows),
        _table(("truth \\ label", *(f"`{name}`" for name in classes)), confusion),
    )


def _groups(title: str, rows: tuple[SubgroupMetrics, ...]) -> tuple[str, ...]:
    if not rows:
        return ()

    def cell(figure: Estimate | None) -> str:
        return "" if figure is None else str(figure)

    head = ("group", "finding", "films", "patients", "AUROC", "sensitivity", "specificity", "note")
    table = [
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
    return title, _table(head, table)


def _decisions(manifest: BundleManifest) -> tuple[str, ...]:
    calibration = manifest.calibration
    points = [
        (
            f"`{point.finding}`",
            f"{point.threshold:.4f}",
            f"{point.target_sensitivity:.3f}",
            str(point.sensitivity),
            str(point.specificity),
            point.data,
        )
        for point in calibration.operating_points
    ]
    quantiles = ", ".join(f"`{name}` {value:.4f}" for name, value in calibration.conformal.quantiles.items())
    return (
        "## Decisions",
        f"Decided by {calibration.data}.",
        f"**Calibration.** Probabilities are softmax(logits / {calibration.temperature:.4f}).",
        "**Operating points.** A finding is called present from its threshold on.",
        _table(("finding", "threshold", "target sensitivity", "sensitivity", "specificity", "measured on"), points),
        (
            f"**Conformal sets.** A class is in the set when 1 - p is at most its quantile ({quantiles}); for films like those "
            f"of validation the set misses the true class in at most {calibration.conformal.alpha:.1%} of the films of each "
            "class. A set of not exactly one class makes the answer an abstention."
        ),
        f"**Out of distribution.** {_distribution(calibration.out_of_distribution)}",
    )


def _distribution(distribution: OutOfDistribution | None) -> str:
    if distribution is None:
        return "Not checked: this bundle cannot tell an unfamiliar film from a familiar one."
    cutoffs = ", ".join(f"`{name}` {value:.4g}" for name, value in distribution.cutoffs.items())
    return (
        "A film whose embedding is further from the training films than the cut-off of the class it is given "
        f"({cutoffs}) is not answered; {distribution.accepted_share:.1%} of the validation films of each class are within. "
        "A film within the cut-off may still be unfamiliar."
    )


def _provenance(manifest: BundleManifest) -> tuple[str, ...]:
    provenance = manifest.provenance
    rows = (
        ("Command", f"`{provenance.command}`"),
        ("Commit", f"`{provenance.git_commit}`"),
        ("Trained", f"{_utc(provenance.trained_at)}, {provenance.training_seconds / 60:.1f} minutes"),
        ("Device", provenance.device),
        ("Seed", str(provenance.seed)),
        ("Data", f"{provenance.data}, SHA-256 `{provenance.data_sha256}`"),
        ("Split", f"SHA-256 `{provenance.split_sha256}`"),
        ("Pretrained weights", provenance.pretrained_weights),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())),
    )
    return "## Provenance", _table(("", ""), rows)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
