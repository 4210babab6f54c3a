"""A smaller split that looks like the whole one: for a first try, and for tests of everything at once."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace

from schemas.errors import TrainingDataError
from trainer.films.film import Film
from trainer.films.splits import Split


def sample_split(split: Split, films: int, seed: int) -> Split:
    """A sample of a split, each place and class in proportion, by whole patients as far as the count allows.

    Of several findings on a film the rarest counts as its class.

    Args:
        split: every film has a place.
        films: size of the sample; it has at least one film of each place and class.
        seed: another seed gives another sample.

    Raises:
        TrainingDataError: more films are asked for than there are.
    """
    if films > len(split.films):
        msg = f"films={films} asks for more than the {len(split.films)} that there are; ask for fewer, or leave it out"
        raise TrainingDataError(msg)
    totals = Counter(name for film in split.films for name in film.strata)
    cells: dict[tuple[str | None, str], list[Film]] = defaultdict(list)
    for film in split.films:
        rarest = min(film.strata, key=totals.__getitem__)  # a class is the only one of its film
        cells[film.split, rarest].append(film)
    sample = {
        film.path
        for members in cells.values()
        for film in _first(members, max(1, round(films * len(members) / len(split.films))), seed)
    }
    return replace(split, films=tuple(film for film in split.films if film.path in sample))


def _first(films: list[Film], count: int, seed: int) -> list[Film]:
    """The first films in an order that draws patients, not films."""

    def order(film: Film) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed} {film.patient}".encode()).digest(), film.sha256

    return sorted(films, key=order)[:count]
