"""Labelled films with answers, without films."""

from hashlib import sha256
from typing import Any

from service.acceptance.observed import Observed


def film(number: int, **changes: Any) -> Observed:
    """One that has the finding and is answered positive."""
    fields: dict[str, Any] = {
        "sha256": sha256(str(number).encode()).hexdigest(),
        "truth": True,
        "log_odds": 3.0,
        "probability": 0.95,
        "decision": "positive",
        "reasons": (),
        "familiar": True,
        "groups": {},
    }
    return Observed(**(fields | changes))


def films(kinds: list[tuple[int, dict[str, Any]]]) -> list[Observed]:
    """So many films of each kind."""
    made = [changes for count, changes in kinds for _ in range(count)]
    return [film(number, **changes) for number, changes in enumerate(made)]


NEGATIVE: dict[str, Any] = {"decision": "negative", "probability": 0.05, "log_odds": -3.0}
ABSTAINED: dict[str, Any] = {"decision": "abstain", "probability": 0.5, "log_odds": 0.0, "reasons": ("unclear",)}
UNFAMILIAR: dict[str, Any] = {"decision": "abstain", "reasons": ("unfamiliar",), "familiar": False}
WELL: dict[str, Any] = {"truth": False}
MIXED: list[tuple[int, dict[str, Any]]] = [
    (90, {}),
    (3, NEGATIVE),
    (5, ABSTAINED),
    (2, UNFAMILIAR),
    (6, WELL),
    (84, WELL | NEGATIVE),
    (10, WELL | ABSTAINED),
]
"""100 films with the finding and 100 without it."""
