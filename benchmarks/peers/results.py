"""What a run measures: windows of load, starts of servers, and where it was; the JSON beside the page holds it all."""

from typing import Final

from pydantic import Field

from schemas.record import Record

BARE: Final = "bare"
OURS: Final = "ours"


class Window(Record):
    """One stretch of load on one server."""

    peer: str
    precision: str
    clients: int
    round: int
    films: int = Field(description="answered while the rate was taken")
    films_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int = Field(description="statuses of 400 and more, broken connections and timeouts")
    cpu_ms_per_film: float | None = Field(description="of the server with its children; null: no film was answered")
    joules_per_film: float | None = Field(description="of the processor packages; null: no counter can be read")
    foreign_cores: float = Field(description="cores that neither the server nor the load generator had")
    kept: bool = Field(description="false: too many foreign cores, so no figure of it is used")


class Start(Record):
    """One start of one server."""

    peer: str
    precision: str
    round: int
    first_answer_s: float = Field(description="from the start of its process to the first film answered")
    pss_mb: float = Field(description="proportional memory of the server and its children, after the load")


class Results(Record):
    """A whole run."""

    date: str
    machine: str
    cores: int
    bundle: str
    film: str
    generator: str
    seed: int
    rounds: int
    seconds: float
    foreign_limit: float
    clients: tuple[int, ...]
    windows: tuple[Window, ...]
    starts: tuple[Start, ...]
    notes: tuple[str, ...] = Field(default=(), description="what was not measured, and why")
    remarks: dict[str, str] = Field(default={}, description="what is to be known of the figures of a precision")

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those that were measured, in their order."""
        return tuple(dict.fromkeys(sorted(window.precision for window in self.windows)))

    def kept(self, peer: str, precision: str, clients: int) -> dict[int, Window]:
        """The windows that count, by their round."""
        chosen = (peer, precision, clients)
        return {
            window.round: window
            for window in self.windows
            if window.kept and (window.peer, window.precision, window.clients) == chosen
        }

    def dropped(self, peer: str, precision: str, clients: int) -> int:
        """How many windows were dropped."""
        chosen = (peer, precision, clients)
        return sum(
            not window.kept and (window.peer, window.precision, window.clients) == chosen for window in self.windows
        )
