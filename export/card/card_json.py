"""The model card for programs: the manifest's figures in the vocabulary of Google's Model Card Toolkit, schema 0.0.2.

Source: https://github.com/tensorflow/model-card-toolkit, after Mitchell et al., FAT* 2019, arXiv:1810.03993.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import Any

from export.card.limits import LIMITS, NOT_INTENDED, known_limits
from export.card.looking import looking_figures, sanity_figures
from schemas.api import DISCLAIMER
from schemas.estimate import Estimate
from schemas.model.evaluation import Evaluation, SubgroupMetrics
from schemas.model.guide import GuideRecord
from schemas.model.manifest import BundleManifest
from schemas.model.mistakes import Mistakes
from schemas.model.precision import PrecisionRecord

SCHEMA_VERSION = "0.0.2"


def render_card_json(manifest: BundleManifest) -> str:
    """The card of a bundle as JSON; its file list is not read, so that the card's own hash can be in it.

    Every metric has its `value`, its `slice` (set, then finding, threshold, rule or group) and, where it has one, its
    95 % `confidence_interval`.
    """
    card = {
        "schema_version": SCHEMA_VERSION,
        "model_details": {
            "name": manifest.name,
            "overview": manifest.intended_use,
            "documentation": DISCLAIMER if manifest.about_films is None else f"{DISCLAIMER}\n\n{manifest.about_films}",
            "version": {"name": manifest.version, "date": f"{manifest.created_at:%Y-%m-%d}"},
        },
        "model_parameters": _parameters(manifest),
        "quantitative_analysis": {
            "performance_metrics": [
                *(metric for evaluation in manifest.evaluation for metric in _metrics(evaluation, manifest.classes)),
                *(() if manifest.guide is None else _guide_metrics(manifest.guide)),
                *(() if manifest.looking is None else starmap(_metric, looking_figures(manifest.looking))),
                *starmap(_metric, sanity_figures(manifest.map_sanity)),
                *(() if manifest.mistakes is None else _mistake_metrics(manifest.mistakes)),
                *(metric for record in manifest.precisions for metric in _precision_metrics(record)),
            ]
        },
        "considerations": {
            "use_cases": [{"description": manifest.intended_use}],
            "limitations": [
                {"description": text}
                for text in (*(f"Not intended for: {use}" for use in NOT_INTENDED), *known_limits(manifest), *LIMITS)
            ],
        },
    }
    return json.dumps(card, indent=2) + "\n"


def _parameters(manifest: BundleManifest) -> dict[str, Any]:
    provenance = manifest.provenance
    return {
        "model_architecture": f"{manifest.architecture}, {provenance.parameters:,} parameters",
        "data": [
            {
                "name": evaluation.data,
                "description": (
                    f"{_films(evaluation)} from {provenance.data}: "
                    f"{', '.join(f'{name} {count}' for name, count in evaluation.class_counts.items())}; "
                    f"SHA-256 {evaluation.data_sha256}"
                ),
            }
            for evaluation in manifest.evaluation
        ],
        "input_format": (
            f"one film, {manifest.preprocess.size} x {manifest.preprocess.size}: "
            f"{manifest.preprocess.model_dump_json()}"
        ),
        "output_format": f"calibrated probabilities of {', '.join(manifest.classes)}{_scope(manifest)}",
    }


def _scope(manifest: BundleManifest) -> str:
    """What a program must know of them; nothing where classes exclude one another and no population is stated."""
    alone = "; each is judged by itself" if manifest.activation == "sigmoid" else ""
    return alone if manifest.population is None else f"{alone}; of films of {manifest.population}"


def _films(evaluation: Evaluation) -> str:
    """The counts without separators, for programs."""
    if evaluation.unknown_patients:
        return f"{evaluation.films} films, patients {evaluation.patients_in_words},"
    return f"{evaluation.films} films of {evaluation.patients} patients"


def _metrics(evaluation: Evaluation, classes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    data = evaluation.data
    yield _metric("AUROC", evaluation.auroc, data)
    yield _metric("Brier score", evaluation.brier, data)
    yield _metric("expected calibration error", evaluation.ece, data)
    many = evaluation.labels and len(classes) > 2  # noqa: PLR2004 - one curve for two
    for name, area in evaluation.class_auroc.items() if many else ():
        yield _metric("AUROC", area, f"{data}, {name} against the rest")
    for row in evaluation.findings:
        where = f"{data}, {row.finding} from {row.threshold:.4f}, prevalence {row.prevalence:.4f}"
        for name in ("auroc", "auprc", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece"):
            figure = getattr(row, name)
            if figure is not None:
                yield _metric(_NAMES.get(name, name), figure, where, threshold=row.threshold)
    for rule in evaluation.labels:
        where = f"{data}, label by {rule.rule}"
        yield _metric("accuracy", rule.accuracy, where)
        yield _metric("balanced accuracy", rule.balanced_accuracy, where)
        yield _metric("macro F1", rule.macro_f1, where)
        yield _metric("Matthews correlation", rule.mcc, where)
        for name, figure in rule.class_f1.items():
            yield _metric("F1", figure, f"{where}, {name}")
    yield from _band_metrics(evaluation)
    yield from _group_metrics((*evaluation.subgroups, *evaluation.shifts), data)
    if (mean := evaluation.corruption) is not None:
        yield _metric("balanced error", mean.clean, data)
        yield _metric("mean balanced error", mean.shifted, f"{data}, under {mean.shifts} shifts")


def _band_metrics(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for finding, bands in evaluation.bands.items():
        for band in bands:
            where = f"{evaluation.data}, {finding}, probability {band.in_words}, {band.films} films"
            yield _metric("mean probability", band.claimed, where)
            yield _metric("share with the finding", band.observed, where)


def _group_metrics(groups: Iterable[SubgroupMetrics], data: str) -> Iterator[dict[str, Any]]:
    for group in groups:
        where = f"{data}, {group.finding}, {group.column} {group.value}, {group.films} films"
        for name in ("auroc", "sensitivity", "specificity"):
            figure = getattr(group, name)
            if figure is not None:
                yield _metric(_NAMES.get(name, name), figure, where)


def _guide_metrics(guide: GuideRecord) -> Iterator[dict[str, Any]]:
    if guide.dice is not None:
        yield _metric("Dice coefficient", guide.dice, "held-out masks, lungs of the guide")
    for trait in guide.traits:
        where = f"validation, {trait.name} {' or '.join(trait.accepted)} from {trait.cutoff:.4f}"
        if trait.passed is not None:
            yield _metric("share passed", trait.passed, where, threshold=trait.cutoff)
        for value, share in trait.refused.items():
            yield _metric("share refused", share, f"{where}, films of {value}", threshold=trait.cutoff)


def _mistake_metrics(mistakes: Mistakes) -> Iterator[dict[str, Any]]:
    for kind in mistakes.kinds:
        if kind.share is not None:
            yield _metric(
                f"share {kind.kind}", kind.share, f"validation, {kind.films} of {kind.of} films: {kind.meaning}"
            )
    yield from _group_metrics(mistakes.by_appearance, "validation")


def _precision_metrics(record: PrecisionRecord) -> Iterator[dict[str, Any]]:
    verdict = "kept" if record.refused is None else f"refused: {record.refused}"
    where = f"{record.precision} beside fp32, validation, {verdict}"
    figures = record.figures
    if figures is None:
        return
    yield _metric("AUROC difference", figures.auroc_difference, where)
    yield _metric("same label", figures.label_agreement, where)
    if figures.in_distribution_agreement is not None:
        yield _metric("same verdict on distribution", figures.in_distribution_agreement, where)
    yield _metric("largest logit difference", figures.largest_logit_difference, where)
    yield _metric("median correlation of heat maps", figures.heatmap_correlation, where)
    yield _metric("times as fast", figures.speedup, f"{where}, {figures.measured_on}")


_NAMES = {
    **{name: name.upper() for name in ("auroc", "auprc", "ppv", "npv", "f1")},
    "brier": "Brier score",
    "ece": "expected calibration error",
}


def _metric(kind: str, figure: Estimate | float, where: str, *, threshold: float | None = None) -> dict[str, Any]:
    metric: dict[str, Any] = {"type": kind, "slice": where}
    if threshold is not None:
        metric["threshold"] = threshold
    if isinstance(figure, Estimate):
        interval = {"lower_bound": figure.low, "upper_bound": figure.high}
        return {**metric, "value": figure.value, "confidence_interval": interval}
    return {**metric, "value": figure}
