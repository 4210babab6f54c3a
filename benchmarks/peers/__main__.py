"""The service beside the servers that a user would pick instead, and beside the bare pipeline.

Every server computes the same network on the same films, in an environment of its own (.cache/peers, made by the first
run). Prints one line for each window, then the page; --write keeps it, with a record from which --draw draws it again.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.environments import python_of
from benchmarks.peers.films import DESCRIPTION, write_films
from benchmarks.peers.load import GeneratorError, generator, write_script
from benchmarks.peers.machine import processor
from benchmarks.peers.peers import PEERS, ROOT
from benchmarks.peers.profiling import profile
from benchmarks.peers.results import Results
from benchmarks.peers.rounds import FOREIGN_LIMIT, Measured, Plan, run_rounds
from benchmarks.peers.servers import Running, leave_nothing_running, running
from benchmarks.peers.table import errors, page
from bundle.files import write_whole
from bundle.opening import Bundle, open_bundle
from schemas.model.manifest import CURRENT

WHOLE_WINDOW_S = 5
"""Of one precision; more of them share it, so that a run stays under ten minutes."""


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", type=names, default=list(PEERS), help=f"some of {','.join(PEERS)} (default: all)")
    parser.add_argument(
        "--precisions", type=words, help="graphs of the bundle (default: fp32, and int8 if it is there)"
    )
    parser.add_argument("--clients", type=numbers, default=[1, 8, 32], help="connections (default: 1,8,32)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, help="length of a window (default: 5, which the precisions share)")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder whose current bundle is measured")
    parser.add_argument("--seed", type=int, default=0, help="of the order (default: %(default)s)")
    parser.add_argument(
        "--foreign",
        type=float,
        default=FOREIGN_LIMIT,
        help="cores that others may have during a window that counts (default: %(default)s)",
    )
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="keep the page, and its record as FILE.json")
    parser.add_argument("--draw", type=Path, metavar="FILE.json", help="draw the page of a record again, and stop")
    parser.add_argument(
        "--remark",
        type=remark,
        action="append",
        default=[],
        metavar="PRECISION=TEXT",
        help="a sentence of the page on the figures of this precision; with --draw also for the record",
    )
    parser.add_argument("--profile", action="store_true", help="where the time of one film goes in ours, and stop")
    return parser


def words(text: str) -> list[str]:
    """A list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    """A list of numbers with commas."""
    return [int(word) for word in words(text)]


def remark(text: str) -> tuple[str, str]:
    """A precision and a sentence.

    Raises:
        argparse.ArgumentTypeError: there is no sentence.
    """
    precision, _, sentence = text.partition("=")
    if not sentence:
        msg = f"{text} is not PRECISION=TEXT"
        raise argparse.ArgumentTypeError(msg)
    return precision, sentence


def names(text: str) -> list[str]:
    """Peers, with commas.

    Raises:
        argparse.ArgumentTypeError: there is none of a name.
    """
    chosen = words(text)
    if unknown := [name for name in chosen if name not in PEERS]:
        msg = f"{', '.join(unknown)} is not one of {', '.join(PEERS)}"
        raise argparse.ArgumentTypeError(msg)
    return chosen


def precisions_of(bundle: Bundle, asked: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The precisions to measure, and a note for each that the bundle has not."""
    manifest = bundle.manifest
    wanted = list(asked) if asked is not None else ["fp32", "int8"]
    offered: tuple[str, ...] = manifest.offered
    there = [precision for precision in wanted if precision in offered]
    return there, [
        f"{precision}: {manifest.name} {manifest.version} has no such graph"
        for precision in wanted
        if precision not in offered
    ]


def main(given: Sequence[str] | None = None) -> int:
    """Measure, or draw; 1 where a film was not answered, a peer did not start, or nothing could be measured."""
    options = arguments().parse_args(given)
    if options.draw is not None:
        record = Results.model_validate_json(options.draw.read_text())
        remarks = record.remarks | dict(options.remark)
        keep(record.model_copy(update={"remarks": remarks}), options.draw.with_suffix(".md"))
        return 0
    leave_nothing_running()
    try:
        tool = generator()
    except GeneratorError as error:
        sys.exit(str(error))
    bundle = open_bundle(options.models / (options.models / CURRENT).read_text().strip())
    precisions, notes = precisions_of(bundle, options.precisions)
    seconds = options.seconds or max(2, WHOLE_WINDOW_S // max(1, len(precisions)))
    plan = Plan(options.only, precisions, options.clients, options.rounds, seconds, options.seed, options.foreign)
    for lock in {PEERS[name].lock for name in plan.peers}:
        python_of(lock)
    with tempfile.TemporaryDirectory() as folder:
        films = write_films(Path(folder))
        script = write_script(Path(folder))

        def start(peer: str, precision: str) -> AbstractContextManager[Running]:
            return running(peer, bundle.directory, precision, films, script)

        if options.profile:
            print(profile(bundle.directory, precisions[0], films, script))
            return 0
        measured = run_rounds(plan, start, lambda line: print(line, file=sys.stderr, flush=True))
    complete = not measured.notes
    measured.notes[:0] = notes
    results = results_of(plan, measured, bundle, tool).model_copy(update={"remarks": dict(options.remark)})
    return report(results, options.write, complete=complete)


def results_of(plan: Plan, measured: Measured, bundle: Bundle, tool: str) -> Results:
    """The record of a run."""
    return Results(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=processor(),
        cores=len(os.sched_getaffinity(0)),
        bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
        film=DESCRIPTION,
        generator=tool,
        seed=plan.seed,
        rounds=plan.rounds,
        seconds=plan.seconds,
        foreign_limit=plan.foreign_limit,
        clients=tuple(plan.clients),
        windows=tuple(measured.windows),
        starts=tuple(measured.starts),
        notes=tuple(dict.fromkeys(measured.notes)),
    )


def keep(results: Results, file: Path) -> None:
    """Write the page, and its record beside it."""
    write_whole(file, page(results).encode())
    write_whole(file.with_suffix(".json"), (results.model_dump_json(indent=1) + "\n").encode())


def report(results: Results, file: Path | None, *, complete: bool) -> int:
    """Print the page, and keep it with its record; see `main`. `complete`: every peer started."""
    print(page(results))
    if file is not None:
        keep(results, file)
    return int(not complete or not results.windows or errors(results.windows) > 0)


if __name__ == "__main__":
    sys.exit(main())
