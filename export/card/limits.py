"""What every model card says against its bundle: uses that were not intended, and what is known to fail."""

from collections.abc import Iterable, Iterator, Mapping

from schemas.model.evaluation import Evaluation
from schemas.model.manifest import BundleManifest

NOT_INTENDED = (
    "diagnosis, triage, screening, or any decision about a patient",
    "ruling out disease: a film without a reported finding is not a normal film",
    "films that are not frontal chest radiographs, and other modalities",
    "populations, hospitals or devices that differ from those of the training films, before it was measured there",
    "locating a finding: the heat map shows what moved the answer, not where disease is",
)

LIMITS = (
    (
        "Grad-CAM is not localisation: heat maps agree with radiologists' outlines much less than radiologists do "
        "among themselves (Saporta et al., Nature Machine Intelligence 2022, doi:10.1038/s42256-022-00536-x)."
    ),
    (
        "A network may answer from shortcuts that have nothing to do with the lung: side markers, burned-in text, "
        "borders, exposure, the device's processing. Good figures on films of the same origin do not exclude that."
    ),
    (
        "Under a change of contrast, brightness, framing or patient mix the threshold fails before the AUROC does: "
        "sensitivity and specificity have to be measured again wherever the network is used."
    ),
    "Calibrated probabilities hold at the class frequencies of the calibration films.",
)

DATA_LIMITS: Mapping[str, tuple[str, ...]] = {
    "kermany": (
        (
            "All films are of children aged one to five from one hospital (Guangzhou Women and Children's Medical "
            "Center); nothing is known about adults. Source: Kermany et al., Cell 172 (2018) 1122-1131."
        ),
        (
            "In the original files image size and aspect ratio alone separate the classes well (AUROC .89 and .85): "
            "the classes differ in how films were taken and stored, not in disease alone."
        ),
        (
            "Most training films show pneumonia (about 74 %), more than in the test set (62.5 %) and far more than "
            "among patients who are examined: predictive values do not carry over."
        ),
        "Labels come from physicians' reading of the films, not from follow-up.",
    ),
}
"""What is known about a public data set, by a word in the name of the data."""


def known_limits(manifest: BundleManifest) -> tuple[str, ...]:
    """What `DATA_LIMITS` holds of the data that the network was trained on, and what is not known of its patients."""
    named = manifest.provenance.data.lower()
    public = tuple(limit for word, limits in DATA_LIMITS.items() if word in named for limit in limits)
    return (*_unknown_patients(manifest.evaluation), *public)


def _unknown_patients(evaluations: Iterable[Evaluation]) -> Iterator[str]:
    counts = [
        f"{evaluation.unknown_patients:,} of {evaluation.films:,} films of {evaluation.data}"
        for evaluation in evaluations
        if evaluation.unknown_patients
    ]
    if counts:
        yield (
            f"Patients unknown: {' and '.join(counts)} name no patient; each counts as its own, or "
            "each study does. Films of one patient may stand in training and in these sets: leaks of patients cannot "
            "be found, the figures may be too good and their intervals too narrow."
        )
