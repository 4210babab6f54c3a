"""What a film's header, and its caller, state of it, against the intended population of a bundle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imaging.radiograph import Aspect, HeaderFacts, Statement
from schemas.api import PopulationCheck
from schemas.population import ANYBODY, PROJECTIONS, SEXES, Population

CALLERS_PARAMETERS: Final = ("age", "view")
"""By which a caller states something of a film."""
CALLER_CONTRADICTS: Final = "caller_contradicts_header"
"""The warning about a film whose caller states another age or view than its file."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One attribute of a film, and which of its values are of a population."""

    aspect: Aspect
    accepted: Callable[[Population], tuple[str, ...] | None]
    """None: the population does not restrict it."""
    sentence: str
    """Why a film is outside: {value} and {accepted} are of `schemas.population`, {who} states it, {by} names where."""
    asks_caller: bool = False
    """Whether a picture without a header is asked for it."""
    asks_header: Callable[[HeaderFacts], bool] = lambda _: True
    """Whether the silence of a header is noticed."""


def _restricted(values: tuple[str, ...], of: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if set(values) == set(of) else values


def _is_dx(facts: HeaderFacts) -> bool:
    return any(modality.value == "DX" for modality in facts.stated("modality"))


RULES: Final = (
    Rule(
        "view",
        lambda population: population.views,
        "{who} states a view that is {value} ({by}), and the network was trained on {accepted} films alone.",
        asks_caller=True,
    ),
    Rule(
        "projection",
        lambda population: _restricted(population.projections, PROJECTIONS),
        "{who} states the projection {value} ({by}), and the network was trained on {accepted} films alone.",
        asks_caller=True,
    ),
    Rule(
        "body_part",
        lambda population: (population.body_part,),
        "{who} states another part of the body, or more than one ({by}), and the network was trained on films of the "
        "{accepted} alone.",
    ),
    Rule(
        "modality",
        lambda population: population.modalities,
        "{who} states the modality {value} ({by}), and the network was trained on {accepted} films alone.",
    ),
    Rule(
        "presentation_intent",
        lambda population: population.presentation_intents,
        "{who} states that it is {value} ({by}), and the network was trained on films {accepted} alone.",
        asks_header=_is_dx,  # a CR image has no such attribute: PS3.3 A.2
    ),
    Rule(
        "sex",
        lambda population: _restricted(population.sexes, SEXES),
        "{who} states a sex outside of those that the network was trained on ({by}; it takes {accepted}).",
    ),
)
"""In the order in which an answer names them, after the age."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of holding a film against a population."""

    verdict: PopulationCheck
    outside: tuple[str, ...] = ()
    """Sentences: which attribute states what the bundle is not for, and the rule; none where nothing does."""
    warnings: tuple[str, ...] = ()
    """What is not stated, e.g. `age_unknown`."""


def check_population(population: Population | None, facts: HeaderFacts) -> Check:
    """Hold what is stated of a film against the population of a bundle; no sentence holds an age or a sex.

    Args:
        population: None: the bundle states none; it is then for frontal chest films of anybody.
        facts: of its header and, where that is silent, of its caller.
    """
    intended = population or ANYBODY
    if not facts.states_anything:
        return Check("not_checked")
    outside = [] if facts.age_years is None or intended.includes(facts.age_years) else [_age(intended, facts)]
    unknown = ["age_unknown"] if facts.age_years is None and intended.has_ages else []
    for rule in RULES:
        accepted = rule.accepted(intended)
        stated = facts.stated(rule.aspect)
        if accepted is None:
            continue
        outside += [_sentence(rule, each, accepted) for each in stated if each.value not in accepted]
        if not stated and (rule.asks_header(facts) if facts.has_header else rule.asks_caller):
            unknown.append(f"{rule.aspect}_unknown")
    verdict: PopulationCheck = "outside" if outside else "incomplete" if unknown else "inside"
    return Check(verdict, tuple(outside), tuple(unknown))


def merged(header: HeaderFacts, caller: HeaderFacts) -> tuple[HeaderFacts, tuple[str, ...]]:
    """What counts of a film, its header before its caller, and the warning where the two contradict each other."""
    return header.completed_by(caller), (CALLER_CONTRADICTS,) if header.contradicts(caller) else ()


def _age(population: Population, facts: HeaderFacts) -> str:
    return (
        f"{_who(facts.age_by)} states an age outside of those that the network was trained on ({population}), by "
        f"{facts.age_by}."
    )


def _sentence(rule: Rule, stated: Statement, accepted: tuple[str, ...]) -> str:
    return rule.sentence.format(who=_who(stated.by), value=stated.value, by=stated.by, accepted=" or ".join(accepted))


def _who(by: str) -> str:
    return "its caller" if by in CALLERS_PARAMETERS else "its own file"
