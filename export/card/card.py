"""The model card: what a reader must know before using the bundle, as Markdown made from its manifest alone.

The sentences are in `templates/card.md.j2` and the files that it includes.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, arXiv:1810.03993.
"""

from dataclasses import dataclass

from export.card.limits import LIMITS, NOT_INTENDED, known_limits
from export.card.looking import looking_section
from export.card.markdown import Markdown, render_markdown
from schemas.api import DISCLAIMER
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import BundleManifest
from schemas.model.provenance import Adoption, Provenance
from trainer.heat_maps.attention import FRAME_AREA
from trainer.learning.consumption import Consumption, consumption_of, energy_in_words, teachers_consumption

SHIFTS_TITLE = "The same films under changes of exposure, processing and framing, thresholds unchanged:"


@dataclass(frozen=True, slots=True)
class Cost:
    """What training took, in words."""

    time: str
    energy: str


def render_card(manifest: BundleManifest) -> str:
    """The card of a bundle; its file list is not read, so that the card's own hash can be in it."""
    provenance = manifest.provenance
    training, teachers = (None, None) if isinstance(provenance, Adoption) else _costs(provenance)
    return render_markdown(
        "card.md.j2",
        {
            "manifest": manifest,
            "provenance": provenance,
            "adopted": isinstance(provenance, Adoption),
            "training": training,
            "teachers": teachers,
            "about_films": None if manifest.about_films is None else Markdown(manifest.about_films.strip()),
            "disclaimer": DISCLAIMER,
            "not_intended": NOT_INTENDED,
            "limits": (*known_limits(manifest), *LIMITS),
            "shifts_title": SHIFTS_TITLE,
            "border_area": FRAME_AREA,
            "looking": looking_section(manifest.looking, manifest.map_sanity),
        },
    )


def evaluation_section(evaluation: Evaluation, classes: tuple[str, ...]) -> str:
    """All figures of one set of films, as Markdown."""
    values = {"evaluation": evaluation, "classes": classes, "shifts_title": SHIFTS_TITLE}
    return render_markdown("evaluation.md.j2", values).rstrip("\n")


def _costs(provenance: Provenance) -> tuple[Cost, Cost | None]:
    """Of training the network, and of training its teachers where it had some."""
    training = _cost(consumption_of(provenance))
    return training, _cost(teachers_consumption(provenance)) if provenance.teachers else None


def _cost(consumption: Consumption) -> Cost:
    minutes = f"{consumption.seconds / 60:.1f} minutes over all epochs"
    cpu_seconds = consumption.cpu_seconds
    time = minutes if cpu_seconds is None else f"{minutes}, {cpu_seconds / 3600:.2f} core-hours"
    return Cost(time, energy_in_words(consumption))
