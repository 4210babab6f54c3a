"""Which objects an archive gets about a film, by what was decided about it: data, and pure rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from schemas.api import AbstentionReason, Prediction

ResultObject = Literal["note", "report", "picture", "outline"]
"""note: the short report, without figures; report: the whole one; picture: the film under its heat map; outline: the
heat map's outline on the film."""

OBJECTS: Final[tuple[ResultObject, ...]] = get_args(ResultObject)
OUTCOMES: Final = tuple(dict.fromkeys(("positive", "negative", "abstain", *get_args(AbstentionReason), "suspended")))
"""The decisions, and the reasons for none, for which objects may be chosen; a reason that is not chosen for is as
`abstain`."""

_NOTE: Final = frozenset[ResultObject](("note",))


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The objects of each outcome.

    Invariant: there are objects for `positive`, `negative` and `abstain`; no outcome has both reports.
    """

    objects: Mapping[str, frozenset[ResultObject]]

    def of(self, prediction: Prediction) -> frozenset[ResultObject]:
        """The objects about a film; of several reasons for no answer the first counts for which objects are chosen."""
        if prediction.decision != "abstain":
            return self.objects[prediction.decision]
        chosen = (self.objects[reason] for reason in prediction.abstention_reasons if reason in self.objects)
        return next(chosen, self.objects["abstain"])

    def with_changes(self, changes: Mapping[str, frozenset[ResultObject]]) -> "DeliveryPolicy":
        """The policy with other objects for some outcomes."""
        return DeliveryPolicy(MappingProxyType({**self.objects, **changes}))


DEFAULT_POLICY: Final = DeliveryPolicy(
    MappingProxyType(
        {
            "positive": frozenset[ResultObject](("report", "picture", "outline")),
            "negative": frozenset[ResultObject](("report",)),
            "abstain": _NOTE,
            "outside_population": _NOTE,
            "suspended": _NOTE,
        }
    )
)
"""A film without an answer gets no figure and no outline: whoever sees one reads an answer."""


def draws(objects: frozenset[ResultObject]) -> bool:
    """Whether a heat map is needed for these objects."""
    return not objects.isdisjoint(("picture", "outline"))
