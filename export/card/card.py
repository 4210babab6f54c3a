"""The model card: what a reader must know before believing the bundle, as Markdown made from its manifest alone.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, arXiv:1810.03993.
"""

from datetime import UTC, datetime

from export.card import precisions
from export.card.figures import evaluation_section
from export.card.limits import LIMITS, NOT_INTENDED, known_limits
from export.card.markdown import bullets, table
from export.card.mistakes_section import mistakes_section
from schemas.api import DISCLAIMER
from schemas.model.calibration import OutOfDistribution
from schemas.model.manifest import BundleManifest
from schemas.model.provenance import Adoption, Provenance
from trainer.learning.consumption import Consumption, consumption_of, energy_in_words, teachers_consumption


def render_card(manifest: BundleManifest) -> str:
    """The card of a bundle; its file list is not read, so that the card's own hash can be in it."""
    sections = (
        _summary(manifest),
        ("## Intended use", manifest.intended_use),
        ("## Not intended for", bullets(NOT_INTENDED)),
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
        *(() if manifest.mistakes is None else (mistakes_section(manifest.mistakes),)),
        *_precisions(manifest),
        ("## Limits", bullets((*known_limits(manifest), *LIMITS))),
        _provenance(manifest),
        ("## Disclaimer", DISCLAIMER),
    )
    return "\n\n".join("\n\n".join(section) for section in sections) + "\n"


def _summary(manifest: BundleManifest) -> tuple[str, ...]:
    side = manifest.preprocess.size
    graph = manifest.graph
    grid = "none" if graph.cam_grid is None else f"{graph.cam_grid[0]} x {graph.cam_grid[1]} cells, `{graph.cam_layer}`"
    reference = "films one by one" if isinstance(manifest.provenance, Adoption) else "torch"
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
        ("Graph", f"ONNX opset {graph.opset}, batches up to {graph.max_batch} checked against {reference}"),
        ("Made", f"{_utc(manifest.created_at)}"),
    )
    return f"# {manifest.name} {manifest.version}", f"> **{DISCLAIMER}**", table(("", ""), facts), negative


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
    about = () if manifest.about_films is None else (manifest.about_films.strip(),)
    return (
        "## Data",
        *about,
        _origin(manifest.provenance),
        table(("set", "films", "patients", "classes", "SHA-256"), rows),
    )


def _origin(provenance: Provenance | Adoption) -> str:
    if isinstance(provenance, Adoption):
        return (
            f"Films: {provenance.data}\n\nThe network was trained elsewhere, on films that are not known here; those below "
            "decided everything under Decisions. Figures on films that it was trained on would flatter it."
        )
    return (
        f"Films: {provenance.data}\n\nTraining and validation were split by patient, as far as the data tells "
        "patients apart; validation chose the epoch and everything under Decisions. The exact split has the SHA-256 "
        f"`{provenance.split_sha256[:12]}…`."
    )


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
        table(("finding", "threshold", "target sensitivity", "sensitivity", "specificity", "measured on"), points),
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
        "A film that lies further from the training films of every class, by the network's embedding or by its thumbnail, than "
        f"the cut-off of that class ({cutoffs}) is not answered; {distribution.accepted_share:.1%} of the validation films of "
        "each class are within. "
        "A film within the cut-off may still be unfamiliar."
    )


def _precisions(manifest: BundleManifest) -> tuple[tuple[str, ...], ...]:
    tried = manifest.precisions
    if not tried:
        return ()
    rows = table(precisions.HEAD, precisions.rows(tried))
    return (("## Precisions", precisions.MEANING, rows, bullets(precisions.methods(tried))),)


def _provenance(manifest: BundleManifest) -> tuple[str, ...]:
    provenance = manifest.provenance
    if isinstance(provenance, Adoption):
        return "## Provenance", table(("", ""), _adoption(provenance))
    took = consumption_of(provenance)
    rows = (
        ("Command", f"`{provenance.command}`"),
        ("Commit", f"`{provenance.git_commit}`"),
        ("Trained", _utc(provenance.trained_at)),
        ("Device", provenance.device),
        ("Time of training", _time(took)),
        ("Energy of training", energy_in_words(took)),
        *_teachers(provenance),
        ("Seed", str(provenance.seed)),
        ("Data", f"{provenance.data}, SHA-256 `{provenance.data_sha256}`"),
        ("Split", f"SHA-256 `{provenance.split_sha256}`"),
        ("Pretrained weights", provenance.pretrained_weights),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())),
    )
    return "## Provenance", table(("", ""), rows)


def _teachers(provenance: Provenance) -> tuple[tuple[str, str], ...]:
    if not provenance.teachers:
        return ()
    took = teachers_consumption(provenance)
    count = len(provenance.teachers)
    names = "its teacher" if count == 1 else f"its {count} teachers"
    return (
        (f"Time of training {names}", f"{_time(took)}, before"),
        (f"Energy of training {names}", energy_in_words(took)),
    )


def _time(took: Consumption) -> str:
    minutes = f"{took.seconds / 60:.1f} minutes over all epochs"
    return minutes if took.cpu_seconds is None else f"{minutes}, {took.cpu_seconds / 3600:.2f} core-hours"


def _adoption(provenance: Adoption) -> tuple[tuple[str, str], ...]:
    return (
        ("Adopted", f"{_utc(provenance.adopted_at)}, from {provenance.source}; trained elsewhere"),
        ("Command", f"`{provenance.command}`"),
        ("Commit", f"`{provenance.git_commit}`"),
        ("Calibrated on", f"{provenance.data}, SHA-256 `{provenance.data_sha256}`"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())),
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
