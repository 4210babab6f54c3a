"""Against slower releases: the service beside the bare pipeline in the same minutes, judged by the ratio alone.

    python -m benchmarks.peers.guard        (make check-perf)

Both run all the time and are loaded in turns, so a slow or a fast machine changes both rates. Exit status 1 only where
the whole interval of the ratio is below the floor; 3 where the machine was too busy to judge.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.figures import ratio
from benchmarks.peers.films import write_films
from benchmarks.peers.load import GeneratorError, generator, write_script
from benchmarks.peers.peers import ROOT
from benchmarks.peers.results import BARE, OURS, Window
from benchmarks.peers.rounds import FOREIGN_LIMIT, Place, Plan, in_words, measure
from benchmarks.peers.servers import Running, StartError, leave_nothing_running, running
from bundle.opening import open_bundle
from schemas.estimate import Estimate
from schemas.model.manifest import CURRENT

FLOOR: Final = 0.5
"""Of the bare pipeline's rate at eight clients; to be raised whenever the service becomes faster."""
PAIRS: Final = 10
FEWEST_PAIRS: Final = 6
"""With which the interval is narrow enough for a verdict."""
NOT_JUDGED: Final = 3
"""Exit status."""

Pair = tuple[Window, Window]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the pairs say."""

    status: int
    reason: str


def judge(pairs: Sequence[Pair], floor: float) -> Verdict:
    """The verdict of all pairs; those count of which both windows count and all films were answered."""
    if failed := sum(window.errors for pair in pairs for window in pair):
        return Verdict(1, f"{failed} films were not answered")
    quiet = {number: pair for number, pair in enumerate(pairs) if pair[0].kept and pair[1].kept}
    if len(quiet) < FEWEST_PAIRS:
        return Verdict(
            NOT_JUDGED,
            f"not judged: the machine is busy; {len(quiet)} of {len(pairs)} pairs were quiet, it takes {FEWEST_PAIRS}",
        )
    ours = {number: pair[0].films_per_s for number, pair in quiet.items()}
    found = ratio(ours, {number: pair[1].films_per_s for number, pair in quiet.items()})
    return _judged(found, floor, len(quiet))


def _judged(found: Estimate | None, floor: float, pairs: int) -> Verdict:
    if found is None:
        return Verdict(1, "a server answered nothing")
    told = f"the service has {found:.2f} of the bare pipeline's rate ({pairs} pairs), the floor is {floor:.2f}"
    return Verdict(int(found.high < floor), f"{'too slow: ' if found.high < floor else ''}{told}")


def pairs_of(plan: Plan, ours: Running, bare: Running, *, most: int) -> Iterator[Pair]:
    """Windows of both in turns, who begins is drawn; ends with enough quiet pairs, or with `most`."""
    order = random.Random(plan.seed)  # noqa: S311 nothing secret is drawn
    quiet = 0
    for number in range(most):
        if quiet == plan.rounds:
            return
        turns = [(OURS, ours), (BARE, bare)]
        order.shuffle(turns)
        windows = {
            name: measure(plan, server, Place(name, plan.precisions[0], plan.clients[0], number))
            for name, server in turns
        }
        quiet += windows[OURS].kept and windows[BARE].kept
        yield windows[OURS], windows[BARE]


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.guard", description=__doc__)
    parser.add_argument("--floor", type=float, default=FLOOR, help="default: %(default)s")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="quiet pairs of windows (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--precision", default="fp32", help="default: %(default)s")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder whose current bundle is measured")
    options = parser.parse_args()
    plan = Plan(
        peers=[OURS, BARE],
        precisions=[options.precision],
        clients=[options.clients],
        rounds=options.pairs,
        seconds=options.seconds,
        seed=0,
        foreign_limit=FOREIGN_LIMIT,
    )
    leave_nothing_running()
    try:
        generator()
        verdict = judge(_measured(plan, options.models), options.floor)
    except (GeneratorError, StartError) as error:
        verdict = Verdict(1, str(error))
    print(verdict.reason)
    return verdict.status


def _measured(plan: Plan, models: Path) -> list[Pair]:
    bundle = open_bundle(models / (models / CURRENT).read_text().strip()).directory
    with tempfile.TemporaryDirectory() as folder:
        films = write_films(Path(folder))
        script = write_script(Path(folder))
        with (
            running(OURS, bundle, plan.precisions[0], films, script) as ours,
            running(BARE, bundle, plan.precisions[0], films, script) as bare,
        ):
            for server in (ours, bare):
                server.load(plan.clients[0], 1)
            pairs = []
            for pair in pairs_of(plan, ours, bare, most=2 * plan.rounds):
                pairs.append(pair)
                print("; ".join(in_words(window) for window in pair), file=sys.stderr, flush=True)
            return pairs


if __name__ == "__main__":
    sys.exit(main())
