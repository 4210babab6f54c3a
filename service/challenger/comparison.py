"""Two bundles on the same films: agreement, and where the truth is known sensitivity, specificity and AUROC; pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from biostatistics.agreement import kappa, mcnemar_p, paired_difference
from biostatistics.delong import delong_interval, delong_test
from biostatistics.intervals import wilson_interval
from schemas.evidence.challenger import (
    DECISIONS,
    Agreement,
    FindingComparison,
    GroupAgreement,
    GroupAttribute,
    PairedArea,
    PairedShare,
)
from service.challenger.pairs import JudgedFilms, Pair

MOST_GROUPS: Final = 20
"""Of one attribute that a report shows: a hospital may have a hundred stations."""


def agreement(pairs: Sequence[Pair]) -> Agreement:
    """How often both bundles decide alike.

    Raises:
        ValueError: there is no film.
    """
    table = np.zeros((len(DECISIONS), len(DECISIONS)), np.int64)
    for pair in pairs:
        table[DECISIONS.index(pair.active.decision), DECISIONS.index(pair.challenger.decision)] += 1
    counts = tuple((int(row[0]), int(row[1]), int(row[2])) for row in table)
    share = wilson_interval(int(np.trace(table)), len(pairs))
    return Agreement(films=len(pairs), counts=counts, share=share, kappa=kappa(table))


def group_agreements(pairs: Sequence[Pair]) -> Iterator[GroupAgreement]:
    """Agreement in the largest groups of each attribute; an attribute of which no film states anything is left out."""
    attribute: GroupAttribute
    for attribute in get_args(GroupAttribute):
        sizes = Counter(pair.groups.get(attribute, "") for pair in pairs)
        if set(sizes) <= {""}:
            continue
        for group, _ in sizes.most_common(MOST_GROUPS):
            films = [pair for pair in pairs if pair.groups.get(attribute, "") == group]
            yield GroupAgreement(attribute=attribute, group=group, agreement=agreement(films))


def compare_finding(films: JudgedFilms) -> FindingComparison:
    """Both bundles against the truth about one finding."""
    present = films.present
    has_both = bool(present.any()) and not bool(present.all())
    return FindingComparison(
        finding=films.finding,
        with_finding=int(present.sum()),
        without_finding=int((~present).sum()),
        sensitivity=_share(films, present),
        specificity=_share(films, ~present),
        auroc=_area(films) if has_both else None,
    )


def _share(films: JudgedFilms, side: NDArray[np.bool_]) -> PairedShare | None:
    count = int(side.sum())
    if count == 0:
        return None
    challenger = films.challenger_right[side]
    active = films.active_right[side]
    both = int((challenger & active).sum())
    challenger_only = int((challenger & ~active).sum())
    active_only = int((active & ~challenger).sum())
    neither = count - both - challenger_only - active_only
    return PairedShare(
        films=count,
        both=both,
        challenger_only=challenger_only,
        active_only=active_only,
        challenger=wilson_interval(both + challenger_only, count),
        active=wilson_interval(both + active_only, count),
        difference=paired_difference(both, challenger_only, active_only, neither),
        p_value=mcnemar_p(challenger_only, active_only),
    )


def _area(films: JudgedFilms) -> PairedArea:
    return PairedArea(
        challenger=delong_interval(films.present, films.challenger, patients=films.studies),
        active=delong_interval(films.present, films.active, patients=films.studies),
        comparison=delong_test(films.present, films.challenger, films.active, patients=films.studies),
    )
