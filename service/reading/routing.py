"""Which of the bundles that serve answers a film: by the age in its file, by what the guides see, by the caller's word.

An age that the caller states counts as one in the file, where that is silent. The caller's word for a population counts
last, and where they contradict what else is known the answer says so: an adult's film that
somebody sends as a child's must not be answered by the network for children.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.api import Prediction, Route
from schemas.errors import InvalidParameterError
from schemas.model.guide import POPULATION
from schemas.model.manifest import BundleManifest
from schemas.population import Population
from service.models.live import LiveBundle, ServingBundles

CONTRADICTION: Final = ("population_contradicts_caller",)
"""The warning about a film whose caller names another population than its file or the guides."""

_AGE: Final = "the age that is stated of the patient is not that of their patients"
_UNSEEN: Final = "neither its file nor its caller states the patient's age, and no bundle can see it"


@dataclass(frozen=True, slots=True)
class Plan:
    """To whom a film is shown, before any network has seen it.

    Invariant: there is at least one bundle, and only one where the route is known.
    """

    bundles: tuple[LiveBundle, ...]
    """In the order in which they are asked."""
    route: Route | None
    """None: what they see decides, and then the caller's word."""
    contradicted: bool = False
    """Whether the caller names a population to which the age in the file does not belong."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What came of showing a film to a bundle."""

    manifest: BundleManifest
    accepted: bool | None
    """False: its guide, or what is stated of the film, speaks against it; None: nothing does, and it has no guide, or
    none that knows populations, and cannot tell."""

    @property
    def population(self) -> str | None:
        """The name of whose films it answers, in small letters; None: it states none."""
        return _name_of(self.manifest.population)

    @property
    def takes_any(self) -> bool:
        """Whether nothing that the bundle states or sees speaks against any film."""
        return self.accepted is None and self.manifest.population is None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the bundles that were asked answers, and why."""

    index: int
    route: Route
    reason: str | None = None
    """In words, why the film has no answer, where the bundle's own answer does not say it."""
    contradicted: bool = False
    """Whether the caller's word is another population than that which decided."""


def plan(bundles: ServingBundles, age_years: float | None, word: str | None) -> Plan:
    """Plan the route of a film by its file.

    A bundle that states the patient's population goes before one that states none; among equals the preferred one.

    Args:
        bundles: those that serve.
        age_years: of the patient, from the film's file or else from its caller; None: not stated.
        word: the population that the caller names; None: none.
    """
    if bundles.is_alone:
        return Plan(bundles.live, "only_bundle")
    if age_years is None:
        return Plan(bundles.live, None)
    includes = {live: each.includes(age_years) for live in bundles.live if (each := _population_of(live)) is not None}
    named = [is_his for live, is_his in includes.items() if _name_of(_population_of(live)) == word]
    contradicted = bool(named) and not any(named)
    if fitting := [live for live, is_his in includes.items() if is_his]:
        return Plan((fitting[0],), "header", contradicted)
    if indifferent := tuple(live for live in bundles.live if live not in includes):
        return Plan(indifferent, None, contradicted)
    return Plan((bundles.first,), "none", contradicted)


def sight(manifest: BundleManifest, prediction: Prediction) -> Sight:
    """What a bundle makes of a film; `prediction` is its answer."""
    if "outside_population" in prediction.abstention_reasons:
        return Sight(manifest, accepted=False)
    if manifest.guide is None:
        return Sight(manifest, None)
    knows = manifest.population is None or any(trait.name == POPULATION for trait in manifest.guide.traits)
    return Sight(manifest, True if knows else None)


def is_enough(planned: Plan, seen: Sequence[Sight]) -> bool:
    """Whether no further bundle need be asked."""
    return len(seen) == len(planned.bundles) or bool(seen[-1].accepted)


def choose(planned: Plan, seen: Sequence[Sight], word: str | None) -> Choice:
    """Choose who answers.

    Args:
        planned: of the film.
        seen: of the bundles that were asked, in the plan's order, until it `is_enough`.
        word: the population that the caller names; it counts for a bundle whose guide cannot tell.
    """
    last = len(seen) - 1
    if planned.route is not None:
        return Choice(last, planned.route, _AGE if planned.route == "none" else None, planned.contradicted)
    if seen[last].accepted:
        differs = word is not None and seen[last].population not in (None, word)
        return Choice(last, "guide", contradicted=planned.contradicted or differs)
    blind = [index for index, each in enumerate(seen) if each.accepted is None]
    if named := [index for index in blind if word is not None and seen[index].population == word]:
        return Choice(named[0], "caller")
    contradicted = planned.contradicted or any(each.population == word for each in seen if word is not None)
    if indifferent := [index for index in blind if seen[index].takes_any]:
        return Choice(indifferent[0], "any_film", contradicted=contradicted)
    return Choice(0, "none", _UNSEEN if blind else None, contradicted)


def withheld(prediction: Prediction, reason: str | None, bundles: ServingBundles) -> Prediction:
    """The prediction of a film that none of the bundles answers, with the reason in words.

    Args:
        prediction: of the bundle that was chosen to say so.
        reason: in words; None: the prediction says it.
        bundles: those that serve, and those that ought to.
    """
    missing = f" {' and '.join(bundles.missing)} might be for it, and cannot answer now." if bundles.missing else ""
    if reason is None:
        return prediction.model_copy(update={"recommendation": prediction.recommendation + missing})
    names = ", ".join(each.address.name for each in bundles.live)
    others = tuple(each for each in prediction.abstention_reasons if each != "outside_population")
    return prediction.model_copy(
        update={
            "decision": "abstain",
            "abstention_reasons": ("outside_population", *others),
            "confidence_band": "low",
            "findings": tuple(
                each.model_copy(update={"decision": "abstain", "confidence_band": "low"})
                for each in prediction.findings
            ),
            "recommendation": f"No answer: none of the bundles that serve ({names}) is for this film: {reason}. "
            f"Have it read by a radiologist.{missing}",
        }
    )


def _population_of(live: LiveBundle) -> Population | None:
    """Whose films a bundle answers; None: it does not state it."""
    return live.loaded.manifest.population


def _name_of(population: Population | None) -> str | None:
    """Its name in small letters, as callers' words are compared."""
    return None if population is None else population.name.lower()


def check_word(bundles: ServingBundles, word: str | None) -> None:
    """Refuse a population that no bundle states; while a bundle is missing, nobody knows what it would state.

    Raises:
        InvalidParameterError: there is no such population.
    """
    known = sorted({name for live in bundles.live if (name := _name_of(_population_of(live))) is not None})
    if word is None or word in known or bundles.missing:
        return
    remedy = f"name one of {', '.join(known)}" if known else "no bundle that serves states one: leave it out"
    msg = f"the population is not one of those that the bundles answer; {remedy}"
    raise InvalidParameterError(msg)
