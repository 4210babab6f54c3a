"""Groups of films that stay together, each given a place so that the places are alike in what their films show."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from scipy.cluster.hierarchy import DisjointSet

from trainer.films.film import Film

P = TypeVar("P", bound=Hashable)
Groups = Mapping[str, Sequence[Film]]
"""Films by the name of their group."""


def patient_groups(films: Sequence[Film]) -> Groups:
    """Films by patient; patients who share a picture are one group, under the first of their names."""
    patients = DisjointSet({film.patient for film in films})
    owner: dict[str, str] = {}
    for film in films:
        patients.merge(owner.setdefault(film.content, film.patient), film.patient)
    names = {patient: min(members) for members in patients.subsets() for patient in members}
    groups: dict[str, list[Film]] = defaultdict(list)
    for film in films:
        groups[names[film.patient]].append(film)
    return groups


def places_of(groups: Groups, shares: Mapping[P, float], seed: int) -> dict[str, P]:
    """The place of each patient.

    Args:
        groups: of films that stay together.
        shares: of all films, by place; they add up to 1.
        seed: another seed gives other places.
    """
    several = any(film.marks is not None for group in groups.values() for film in group)
    place_groups = _by_rarest_finding if several else _by_class
    order = sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    places = place_groups(order, groups, shares)
    return {film.patient: places[name] for name, group in groups.items() for film in group}


def _by_class(order: Sequence[str], groups: Groups, shares: Mapping[P, float]) -> dict[str, P]:
    """Each group in turn to the place whose label counts it brings nearest to their targets in squared distance."""
    totals = Counter(film.label for group in groups.values() for film in group)
    targets = {place: {label: share * totals[label] for label in totals} for place, share in shares.items()}
    counts: dict[P, Counter[str]] = {place: Counter() for place in shares}
    places: dict[str, P] = {}
    for name in order:
        added = Counter(film.label for film in groups[name])

        def worsening(place: P, added: Counter[str] = added) -> float:
            # Change of sum((count - target)^2 / target) when the group is added to this place.
            return sum(
                n * (n + 2 * (counts[place][label] - targets[place][label])) / targets[place][label]
                for label, n in added.items()
            )

        places[name] = min(shares, key=worsening)
        counts[places[name]].update(added)
    return places


def _by_rarest_finding(order: Sequence[str], groups: Groups, shares: Mapping[P, float]) -> dict[str, P]:
    """Iterative stratification: the groups with the rarest finding first, each to the place that lacks it most.

    Of places that lack it alike the one that lacks most films takes the group. Films without any finding are a stratum
    of their own, see `trainer.films.film.Film.strata`.

    Source: Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011, LNCS 6913, 145-158; here a step takes a whole group.
    """
    strata = {name: Counter(stratum for film in groups[name] for stratum in film.strata) for name in order}
    left = sum(strata.values(), Counter[str]())
    wanted = {place: {stratum: share * left[stratum] for stratum in left} for place, share in shares.items()}
    room = {place: share * sum(map(len, groups.values())) for place, share in shares.items()}
    waiting = dict.fromkeys(order)
    places: dict[str, P] = {}
    while waiting:
        rarest = min((stratum for stratum in left if left[stratum] > 0), key=lambda stratum: (left[stratum], stratum))
        having = [name for name in waiting if strata[name][rarest]]
        for name in sorted(having, key=lambda name: -strata[name][rarest]):  # the largest while there is room for it
            place = max(shares, key=lambda place: (wanted[place][rarest], room[place]))
            places[name] = place
            del waiting[name]
            room[place] -= len(groups[name])
            for stratum, count in strata[name].items():
                left[stratum] -= count
                wanted[place][stratum] -= count
    return places
