"""What is known of a workitem in progress: its films, what became of them, and what will be reported; kept as JSON."""

from collections.abc import Sequence
from typing import Final, Literal

from schemas.record import Record

Verdict = Literal["COMPLETED", "CANCELED"]
Reason = Literal["input_unsupported", "input_missing", "input_refused", "not_delivered", "asked"]
"""Why a workitem is canceled."""
Outcome = Literal["waits", "delivered", "kept", "refused", "not_delivered"]
"""kept: the results stay in the service, which delivers nowhere; not_delivered: a dead letter."""

BEGUN: Final = 10
HANDED_OVER: Final = 40
ALMOST: Final = 90


class Result(Record):
    """One object about a film that an archive has."""

    series: str
    sop_class: str
    instance: str


class Film(Record):
    """One film of the workitem."""

    study: str
    series: str
    instance: str
    outcome: Outcome = "waits"
    problem: str | None = None
    """Code of the failure; no text, which stays in the service."""
    results: tuple[Result, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nothing will change any more."""
        return self.outcome != "waits"


class Work(Record):
    """All films of one workitem."""

    began_at: float
    """Seconds since 1970."""
    code: tuple[str, str, str] | None = None
    """Of the work, as it was scheduled."""
    is_urgent: bool = False
    films: tuple[Film, ...] = ()
    verdict: Verdict | None = None
    """None before the end; what stands here is reported, however often this process dies on the way."""
    reason: Reason | None = None
    text: str = ""
    ended_at: float | None = None
    percent: int = BEGUN
    forgotten: int = 0
    """How often the service no longer knew a film of it."""

    def with_films(self, films: Sequence[Film]) -> "Work":
        """The same with other knowledge of the films."""
        done = sum(film.is_done for film in films)
        percent = HANDED_OVER + (ALMOST - HANDED_OVER) * done // max(1, len(films))
        return self.model_copy(update={"films": tuple(films), "percent": percent})

    def ended(self, verdict: Verdict, text: str, now: float, reason: Reason | None = None) -> "Work":
        """The same with its verdict."""
        return self.model_copy(update={"verdict": verdict, "reason": reason, "text": text, "ended_at": now})

    def judged(self, now: float) -> "Work":
        """The verdict on films that are all done: completed where the results of all of them are delivered."""
        problems = sorted({film.problem or film.outcome for film in self.films if _failed(film)})
        failed = sum(map(_failed, self.films))
        if not failed:
            kept = any(film.outcome == "kept" for film in self.films)
            text = "results stand in the service alone" if kept else f"results of {len(self.films)} films delivered"
            return self.ended("COMPLETED", text, now)
        lost = any(film.outcome == "not_delivered" for film in self.films)
        text = f"{failed} of {len(self.films)} films have no delivered results ({', '.join(problems)})"
        return self.ended("CANCELED", text, now, "not_delivered" if lost else "input_refused")


def _failed(film: Film) -> bool:
    return film.outcome in ("refused", "not_delivered")
