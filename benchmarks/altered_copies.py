"""How many altered copies the trainer's search finds, by kind, and how many false alarms it gives.

    python -m benchmarks.altered_copies FOLDER --films 100

Films of the folder are altered, each in one way, and searched for among all films of the folder. Prints the page
docs/results/altered-copies.md for one folder.
"""

import argparse
import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress, track

from benchmarks.alterations import ALTERATIONS, altered
from biostatistics.intervals import wilson_interval
from imaging.decode import decode
from trainer.films.cache import prepared_films
from trainer.films.copies.search import find_altered_copies
from trainer.films.duplicates import THUMBNAIL, near_duplicates
from trainer.films.film import Film
from trainer.films.options import NEAR_DUPLICATE, DataOptions
from trainer.films.sources.find import index_films


@dataclass(frozen=True)
class Measurement:
    """What one search among films and altered films found."""

    searched: int
    own: tuple[tuple[int, int], ...]
    """Pairs among the films as they are."""
    too_small: int
    seconds: float
    cpu_seconds: float
    recall: dict[str, tuple[int, int]]
    """By kind: found, of how many."""
    false_alarms: int
    """Pairs of an altered film with a film that it is not of, nor of a copy of it."""


def alter(films: Sequence[Film], count: int, folder: Path, seed: int) -> list[tuple[str, int, Film]]:
    """Write altered films, each of another film: kind, index of the original, and the altered film."""
    order = np.random.default_rng(seed).permutation(len(films))
    each = min(count, len(films) // len(ALTERATIONS))
    written = []
    for place, kind in enumerate(track(ALTERATIONS, description="altering")):
        for index in order[place * each : (place + 1) * each].tolist():
            shown = decode(films[index].path.read_bytes())
            gray = (shown.pixels >> (shown.bits - 8)).astype(np.uint8)
            data = altered(gray, kind, seed=index)
            path = folder / f"{place}-{index}.jpeg"
            path.write_bytes(data)
            film = Film(path, films[index].label, f"altered {index}", None, hashlib.sha256(data).hexdigest())
            written.append((kind, index, film))
    return written


def measure(films: Sequence[Film], count: int, cache: Path, seed: int) -> Measurement:
    """Search among films and altered films together."""
    with tempfile.TemporaryDirectory() as folder:
        changed = alter(films, count, Path(folder), seed)
        start = (time.perf_counter(), time.process_time())
        together = [*films, *(film for _, _, film in changed)]
        with Progress(redirect_stdout=False) as bar:
            task = bar.add_task("searching")
            found = find_altered_copies(
                together, cache, lambda done, total: bar.update(task, completed=done, total=total)
            )
    seconds, cpu_seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    partners: dict[int, set[int]] = {}
    for first, second in found.pairs:
        partners.setdefault(second, set()).add(first)
    own = tuple(pair for pair in found.pairs if pair[1] < len(films))
    same = {frozenset(pair) for pair in own}
    recall = {kind: [0, 0] for kind in ALTERATIONS}
    false_alarms = 0
    for number, (kind, index, _) in enumerate(changed, start=len(films)):
        of_it = {other for other in partners.get(number, ()) if films_equal(films, other, index, same)}
        recall[kind][0] += bool(of_it)
        recall[kind][1] += 1
        false_alarms += sum(other < len(films) and other not in of_it for other in partners.get(number, ()))
    return Measurement(
        len(together),
        own,
        found.too_small,
        seconds,
        cpu_seconds,
        {kind: (hits, of) for kind, (hits, of) in recall.items()},
        false_alarms,
    )


def films_equal(films: Sequence[Film], one: int, other: int, same: Collection[frozenset[int]]) -> bool:
    """Whether two films show one film: the same, the same bytes, or a pair that was found among the films."""
    if one >= len(films):
        return False
    return films[one].sha256 == films[other].sha256 or frozenset((one, other)) in same


def page(films: Sequence[Film], measured: Measurement, cache: Path, root: Path) -> Iterator[str]:
    """The measurement as Markdown."""
    pairs = measured.own
    encoded = set(near_duplicates(prepared_films(films, THUMBNAIL, cache), NEAR_DUPLICATE))
    again = [pair for pair in pairs if pair in encoded]
    rest = [pair for pair in pairs if pair not in encoded]
    patient = [pair for pair in rest if films[pair[0]].patient == films[pair[1]].patient]
    strangers = [pair for pair in rest if pair not in patient]
    exact = len(films) - len({film.sha256 for film in films})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"## {root.name}: {len(films):,} films\n"
    yield (
        f"The search among these and {measured.searched - len(films):,} altered ones took {measured.cpu_seconds:.0f} s "
        f"of processors ({measured.seconds:.0f} s on {os.cpu_count()} cores that were shared); the program's memory "
        f"was at most {peak:,.0f} MB. {measured.too_small} films were too small.\n"
    )
    yield "| pairs among the films as they are | |\n|---|---|"
    yield f"| byte for byte equal (not searched for) | {exact} |"
    yield f"| also found as copies in another encoding | {len(again)} |"
    yield f"| of one patient, by name | {len(patient)} |"
    yield f"| of different patients, by name | {len(strangers)} |\n"
    for first, second in (*patient, *strangers):
        yield f"- {films[first].path.relative_to(root)} = {films[second].path.relative_to(root)}"
    yield f"\nPairs of an altered film with a film of which it is not: {measured.false_alarms}.\n"
    yield "| altered copies | found | share [95 % interval] |\n|---|---|---|"
    for kind, (hits, of) in measured.recall.items():
        yield f"| {kind} | {hits} of {of} | {wilson_interval(hits, of)} |"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="films in any layout that the trainer reads")
    parser.add_argument("--films", type=int, default=40, help="altered films of each kind, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path(".cache/films"))
    options = parser.parse_args()
    index = index_films(DataOptions(path=str(options.folder), cache=str(options.cache), skip_unreadable=True))
    measured = measure(index.films, options.films, options.cache, options.seed)
    print("\n".join(page(index.films, measured, options.cache, index.root)))


if __name__ == "__main__":
    main()
