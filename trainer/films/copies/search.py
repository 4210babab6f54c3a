"""All pairs of films that show one film, altered: looked for once, and kept in the cache."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import imaging
from bundle.files import write_whole
from imaging.dicom.child_decoder import ChildDecoder
from trainer.films import copies
from trainer.films.copies.alignment import AGREEMENT, agreement
from trainer.films.copies.fingerprint import Candidate, candidates
from trainer.films.copies.picture import SIDE, Pictures, read_pictures
from trainer.films.files import read_files
from trainer.films.film import Film
from trainer.films.options import AlteredSearch
from trainer.reporter import Progress

MOST_FILMS = 20_000
"""Above it nothing is looked for unless it is wanted: the time grows with the square of the number of films."""

LIMITS = (
    "copies that lost a fifth at each side, that were turned by more than 20 degrees other than to a side, or that "
    "were distorted are not found, and some with several changes are missed; measured: docs/results/altered-copies.md"
)


@dataclass(frozen=True, slots=True)
class AlteredCopies:
    """What the search found among films."""

    films: int
    pairs: tuple[tuple[int, int], ...] = ()
    """Indices of two films that show one film, first < second."""
    too_small: int = 0
    """Films in which nothing was looked for."""
    searched: bool = True

    @property
    def in_words(self) -> str:
        """What was looked for, and what the gate cannot find."""
        if not self.searched:
            why = f"not searched ({self.films:,} films; data.altered_copies=always does, in longer time)"
            return f"altered copies: {why}; only copies in another encoding are found"
        small = f", {self.too_small:,} of them too small, below {SIDE} pixels, to be compared" if self.too_small else ""
        return f"altered copies: {len(self.pairs):,} pairs among {self.films:,} films{small}; {LIMITS}"


def search(
    films: Sequence[Film], wanted: AlteredSearch, cache: Path, progress: Progress | None = None
) -> AlteredCopies:
    """Find altered copies where they are wanted.

    Args:
        films: V films of one folder.
        wanted: auto: unless there are more than `MOST_FILMS`.
        cache: see `find_altered_copies`.
        progress: likewise.

    Raises:
        TrainingDataError: films that cannot be decoded.
    """
    if wanted == "never" or (wanted == "auto" and len(films) > MOST_FILMS):
        return AlteredCopies(len(films), searched=False)
    return find_altered_copies(films, cache, progress)


def find_altered_copies(films: Sequence[Film], cache: Path, progress: Progress | None = None) -> AlteredCopies:
    """Find the pairs among films, or read what was found before.

    Args:
        films: V films of one folder.
        cache: folder of what was found, one small file for each combination of films and code.
        progress: called for each film that is read, and again for each that is compared.

    Raises:
        TrainingDataError: films that cannot be decoded.
    """
    path = cache / f"copies-{_key(films)}.json"
    if not path.is_file():
        found = _find(films, progress)
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"pairs": found.pairs, "too_small": found.too_small}).encode())
    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = tuple((first, second) for first, second in content["pairs"])
    return AlteredCopies(len(films), pairs, content["too_small"])


def _find(films: Sequence[Film], progress: Progress | None) -> AlteredCopies:
    pictures = _pictures(films, progress)
    found = {
        (min(first, second), max(first, second))
        for first, second in _agreeing(pictures, progress)
        if films[first].sha256 != films[second].sha256
    }
    return AlteredCopies(len(films), tuple(sorted(found)), len(films) - len(np.unique(pictures.films)))


def _pictures(films: Sequence[Film], progress: Progress | None) -> Pictures:
    paths = [film.path for film in films]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    with ChildDecoder(workers=os.cpu_count() or 1) as frame_decoder:
        read = read_files(paths, lambda path: read_pictures(path, frame_decoder), root=root, progress=progress)
        views = [(picture, number) for number, of_film in enumerate(read) for picture in of_film]
    return Pictures(
        np.array([picture for picture, _ in views], np.uint8).reshape(-1, SIDE, SIDE),
        np.array([number for _, number in views], np.int64),
    )


def _agreeing(pictures: Pictures, progress: Progress | None) -> Iterator[tuple[int, int]]:
    """Films of each pair of pictures that agree."""

    def agreeing(found: Iterable[Candidate]) -> list[tuple[int, int]]:
        return [
            (int(pictures.films[each.first]), int(pictures.films[each.second]))
            for each in found
            if agreement(pictures.pictures[each.first], pictures.pictures[each.second], each) >= AGREEMENT
        ]

    total = len(pictures.films)
    ahead = 4 * (os.cpu_count() or 1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = []
        for number, found in candidates(pictures):
            waiting.append(pool.submit(agreeing, found))
            if len(waiting) > ahead:
                yield from waiting.pop(0).result()
            if progress is not None:
                progress(number + 1, total)
        for each in waiting:
            yield from each.result()


def _key(films: Iterable[Film]) -> str:
    digest = hashlib.sha256()
    for part in (cv2.__version__, np.__version__, *(film.sha256 for film in films)):
        digest.update(f"{part}\n".encode())
    for package in (imaging, copies):
        for source in sorted(path for folder in package.__path__ for path in Path(folder).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:24]
