"""Callers and what each may do."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["predict", "dicom", "verdict", "trial", "metrics", "read", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key or a token, or anybody."""

    identity: str
    """`key:<id>`, `token:<subject>` or `anonymous`: their name in logs and quotas."""
    scopes: frozenset[Scope]
    films_per_minute: int | None = None
    """Their own quota; None: that of the settings."""


LOCAL: Final = Caller("anonymous", frozenset(SCOPES))
"""Anybody, where the service listens on loopback alone and knows no keys."""

ANONYMOUS: Final = Caller("anonymous", frozenset({"predict", "dicom", "metrics"}))
"""Anybody, where the operator allows it: they may not administer."""
