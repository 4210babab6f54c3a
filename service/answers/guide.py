"""What a bundle's guide saw of a whole film, against whom the bundle answers and what the film's header states."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from imaging.radiograph import HeaderFacts
from schemas.api import PopulationCheck, SeenTrait
from schemas.errors import InferenceError
from schemas.model.guide import POPULATION, Sighting, Trait, sightings
from schemas.model.manifest import BundleManifest
from service.answers.population import check_population
from service.engine.engine import Outputs

VIEW: Final = "view"
FRONTAL: Final = "frontal"
"""The value of `VIEW` that a header's AP and PA state."""

_NOUNS: Final[Mapping[str, str]] = {
    POPULATION: "one of {article} {value}",
    VIEW: "{article} {value} view",
    "pose": "{article} {value} film",
    "polarity": "{article} {value} film",
}
"""What a film looks like, by trait; another trait is named as it is called."""
_FIGURE: Final = re.compile(r" \(\w+: [^(),]+, \d?\.\d\d(; it takes \d?\.\d\d)?\)")
"""What `_refusal` puts in brackets."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a whole film, in addition to its findings."""

    warnings: tuple[str, ...] = ()
    """Those about its file and pixels, and what its header states and the film does not show."""
    traits: Mapping[str, SeenTrait] | None = None
    """None: the bundle has no guide."""
    outside: tuple[str, ...] = ()
    """Sentences: why the film is outside the bundle's population; none where nothing shows it."""
    population: PopulationCheck = "not_checked"


def look_at(manifest: BundleManifest, outputs: Outputs, header: HeaderFacts, warnings: tuple[str, ...] = ()) -> Look:
    """Judge a whole film.

    Args:
        manifest: its guide and its population.
        outputs: of one film, N = 1.
        header: what the film's file states, and where it is silent its caller.
        warnings: about the film, so far.

    Raises:
        InferenceError: what the guide saw is not a number.
    """
    seen = _seen(manifest, outputs)
    checked = check_population(manifest.population, header)
    outside = list(checked.outside)
    if manifest.guide is not None:
        outside += [
            _refusal(trait, seen[trait.name]) for trait in manifest.guide.traits if not seen[trait.name].accepted
        ]
    traits = None if manifest.guide is None else {name: _shown(sight) for name, sight in seen.items()}
    noticed = (*warnings, *checked.warnings, *_contradictions(manifest, seen, header))
    return Look(noticed, traits, tuple(outside), "outside" if outside else checked.verdict)


def without_figures(sentences: str) -> str:
    """Sentences about a film without what the guide computed of it."""
    return _FIGURE.sub("", sentences)


def _seen(manifest: BundleManifest, outputs: Outputs) -> Mapping[str, Sighting]:
    if manifest.guide is None:
        return {}
    assert outputs.traits is not None  # noqa: S101 a graph without them was refused when it was opened
    if not np.isfinite(outputs.traits[0]).all():
        msg = "the guide gave probabilities that are not numbers; the bundle or this machine is at fault"
        raise InferenceError(msg)
    return sightings(manifest.guide.traits, outputs.traits[0])


def _shown(sight: Sighting) -> SeenTrait:
    return SeenTrait(value=sight.value, probability=sight.probability, accepted=sight.accepted)


def _contradictions(manifest: BundleManifest, seen: Mapping[str, Sighting], header: HeaderFacts) -> tuple[str, ...]:
    conditions = {
        "population_contradicts_header": _population_differs(manifest, seen, header),
        "view_contradicts_header": header.frontal is not None
        and VIEW in seen
        and (seen[VIEW].value == FRONTAL) != header.frontal,
    }
    return tuple(name for name, is_true in conditions.items() if is_true)


def _population_differs(manifest: BundleManifest, seen: Mapping[str, Sighting], header: HeaderFacts) -> bool:
    """Whether the stated age is of the bundle's population and the film looks like another's, or the reverse."""
    population = manifest.population
    if population is None or header.age_years is None or POPULATION not in seen:
        return False
    return (seen[POPULATION].value == population.name) != population.includes(header.age_years)


def _refusal(trait: Trait, sight: Sighting) -> str:
    """Why a film does not pass a trait, e.g. "the film looks like one of an adult (population: adult, .97), and …"."""
    article = "an" if sight.value[0] in "aeiou" else "a"
    noun = _NOUNS.get(trait.name, "{article} film of {trait} {value}")
    look = noun.format(article=article, value=sight.value, trait=trait.name)
    figure = f"{trait.name}: {sight.value}, {_short(sight.probability)}"
    if sight.value in trait.accepted:
        return f"the film looks like {look}, but not surely enough ({figure}; it takes {_short(trait.cutoff)})."
    accepted = " or ".join(trait.accepted)
    return f"the film looks like {look} ({figure}), and the network was trained on {accepted} films alone."


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")
