"""The page of a run, drawn from its record alone: a table for each precision, then who is compared and who is not."""

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.peers.figures import best_peer, median_or_none, rates, ratio
from benchmarks.peers.peers import ABSENT, PEERS
from benchmarks.peers.results import BARE, Results, Window
from schemas.estimate import Estimate

HEAD = (
    "| server | clients | films/s | of the best peer | of bare | p50 ms | p99 ms | CPU ms a film | J a film | PSS MB "
    "| first answer s | errors | rounds | dropped |\n| --- | " + " | ".join(["---:"] * 13) + " |"
)
DASH = "-"


def page(results: Results) -> str:
    """The whole page."""
    lines = ["# Beside other servers", "", *introduction(results), ""]
    for precision in results.precisions:
        remark = results.remarks.get(precision)
        lines += [f"## {precision}", "", *([] if remark is None else [remark, ""])]
        lines += [HEAD, *rows(results, precision), "", *verdicts(results, precision), ""]
    lines += ["## Who is compared", ""]
    lines += [f"- **{name}**: {PEERS[name].what}." for name in _names(results)]
    lines += ["", "## Not measured", ""]
    lines += [f"- **{name}**: {reason}." for name, reason in ABSENT.items()]
    lines += [f"- {note}." for note in results.notes]
    return "\n".join(lines) + "\n"


def introduction(results: Results) -> Iterator[str]:
    """How the figures came about."""
    yield (
        f"`python -m benchmarks.peers`, {results.date}, {results.cores} cores ({results.machine}), bundle "
        f"{results.bundle}, {results.film}, load by {results.generator} on the same cores: {results.rounds} rounds of "
        f"{results.seconds:g} s for each row, every server in turn in each round, in an order that is drawn anew "
        f"(seed {results.seed}). A window in which others had more than {results.foreign_limit:g} cores is dropped and "
        "repeated."
    )
    yield ""
    yield (
        "Rates, times and costs are medians over the rounds. A ratio is the geometric mean of the ratios within the "
        "rounds, with a 95 % bootstrap interval over the rounds; the best peer is the fastest server that is not ours. "
        "CPU, PSS (proportional memory, after the load) and the time from start to first answer are of the server with "
        "all its processes. Joules are of the whole processor; a dash where no counter can be read. [Performance]"
        "(../performance.md) explains what each server does for a film."
    )


def rows(results: Results, precision: str) -> Iterator[str]:
    """The lines of one precision's table."""
    for peer in _names(results):
        for clients in results.clients:
            if any((each.peer, each.precision, each.clients) == (peer, precision, clients) for each in results.windows):
                yield row(results, precision, peer, clients)


def row(results: Results, precision: str, peer: str, clients: int) -> str:
    """One line."""
    windows = list(results.kept(peer, precision, clients).values())
    own = rates(results, peer, precision, clients)
    best = best_peer(results, precision, clients)
    starts = [start for start in results.starts if (start.peer, start.precision) == (peer, precision)]
    of_best = None if best is None or peer == BARE else ratio(own, rates(results, best, precision, clients))
    of_bare = None if peer == BARE else ratio(own, rates(results, BARE, precision, clients))
    cells = [
        peer,
        str(clients),
        _median([window.films_per_s for window in windows], ".1f"),
        _ratio(of_best),
        _ratio(of_bare),
        _median([window.p50_ms for window in windows], ".1f"),
        _median([window.p99_ms for window in windows], ".0f"),
        _median([window.cpu_ms_per_film for window in windows], ".1f"),
        _median([window.joules_per_film for window in windows], ".2f"),
        _median([start.pss_mb for start in starts], ".0f"),
        _median([start.first_answer_s for start in starts], ".1f"),
        str(errors(windows)),
        str(len(windows)),
        str(results.dropped(peer, precision, clients)),
    ]
    return f"| {' | '.join(cells)} |"


def verdicts(results: Results, precision: str) -> Iterator[str]:
    """Which server was the best peer, by the number of clients."""
    for clients in results.clients:
        best = best_peer(results, precision, clients)
        if best is not None:
            rate = median(rates(results, best, precision, clients).values())
            yield f"- The best peer at clients = {clients}: {best}, {rate:.1f} films/s."


def errors(windows: Sequence[Window]) -> int:
    """Films that were not answered."""
    return sum(window.errors for window in windows)


def _names(results: Results) -> list[str]:
    measured = {window.peer for window in results.windows}
    return [name for name in PEERS if name in measured]


def _median(values: Sequence[float | None], form: str) -> str:
    value = median_or_none(values)
    return DASH if value is None else format(value, form)


def _ratio(estimate: Estimate | None) -> str:
    return DASH if estimate is None else f"{estimate:.2f}"
