"""How many processes read films, and what they may take."""

from collections.abc import Callable
from dataclasses import dataclass

from service.films.reader import ReaderOptions

OnDeath = Callable[[str], None]
"""Called for each process that did not survive its work, with `crashed`, `timed_out` or `lost`."""


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """How many processes there are, and what they may take."""

    routine: int
    """Routine films that are read at the same time; there is one more process for stat films."""
    options: ReaderOptions
    run_timeout_s: float
    """Longest run of the network."""
    on_death: OnDeath = lambda _: None
