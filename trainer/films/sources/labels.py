"""The words of a source: names of classes and of splits in their many spellings, and labels that are several."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import SPLITS, SplitName
from trainer.films.sources.source import FoundFilm, Source

_SPLIT_WORDS: Mapping[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_OF_FILMS = ("set", "data", "dataset", "images", "image", "films", "split", "folder")
_SEVERAL = re.compile(r"[|;\n]")
_PERHAPS_SEVERAL = re.compile(r"\s*(?:[,+&/]|\band\b)\s*")


def split_word(name: str) -> SplitName | None:
    """Which split a name means: `Training`, `valid`, `test_set`; None where it means none."""
    words = [word for word in re.split(r"[\s_\-.]+", name.casefold()) if word and not word.isdecimal()]
    if len(words) > 1 and words[-1] in _OF_FILMS:
        words = words[:-1]
    if len(words) != 1:
        return None
    word = next((words[0].removesuffix(of) for of in ("set", "data") if words[0].removesuffix(of) in _SPLIT_WORDS), "")
    return _SPLIT_WORDS.get(word or words[0])


def renamed(names: Iterable[str], by: str) -> tuple[str, ...]:
    """A note of what each name means, where a split is not called as it is here.

    Args:
        names: of folders or cells; those that mean no split do not count.
        by: what they are names of, e.g. 'folder'.
    """
    meanings = sorted(
        ((split, name) for name in names if (split := split_word(name))), key=lambda one: (SPLITS.index(one[0]), one[1])
    )
    if all(split == name for split, name in meanings):
        return ()
    return (f"splits by {by}: {', '.join(f'{name} is {split}' for split, name in meanings)}",)


def same_name(name: str) -> str:
    """Equal for names that differ in case, blanks, `_`, `-` or the encoding of an accent; and for 1 and 1.0."""
    plain = unicodedata.normalize("NFC", name).strip().casefold()
    number = re.fullmatch(r"([+-]?\d+)\.0*", plain)
    return number[1] if number else re.sub(r"(?<=\w)[\s_\-]+(?=\w)", " ", plain)


def with_one_spelling(source: Source) -> Source:
    """The source with each class in its most frequent spelling, without blanks at its ends, and a note of the others.

    Raises:
        TrainingDataError: a class whose name is blank; see also `refuse_several`.
    """
    source = _without_outer_blanks(source)
    films = Counter(film.label for film in source.films)
    spellings: dict[str, list[str]] = {}
    for name in source.classes:
        spellings.setdefault(same_name(name), []).append(name)
    chosen = {same: max(names, key=lambda name: films[name]) for same, names in spellings.items()}
    notes = [
        f"classes that differ in spelling alone are one, {chosen[same]}: "
        f"{', '.join(f'{name!r} ({films[name]:,} films)' for name in names)}"
        for same, names in spellings.items()
        if len(names) > 1
    ]
    classes = tuple(dict.fromkeys(chosen[same_name(name)] for name in source.classes))
    refuse_several(source.films, classes, source.root)
    if not notes:
        return source
    relabelled = tuple(replace(film, label=chosen[same_name(film.label)]) for film in source.films)
    return replace(source, films=relabelled, classes=classes, notes=(*source.notes, *notes))


def _without_outer_blanks(source: Source) -> Source:
    """The source without blanks at the ends of class names, which no reader sees, and a note of them."""
    blank = [name for name in source.classes if not name.strip()]
    if blank:
        msg = f"a class is called {blank[0]!r}, which nobody can read; rename its folder or label"
        raise TrainingDataError(msg)
    trimmed = [name for name in source.classes if name != name.strip()]
    if not trimmed:
        return source
    films = tuple(replace(film, label=film.label.strip()) for film in source.films)
    classes = tuple(dict.fromkeys(name.strip() for name in source.classes))
    note = f"blanks at the ends of class names are left out: {', '.join(map(repr, trimmed))}"
    return replace(source, films=films, classes=classes, notes=(*source.notes, note))


def perhaps_several(name: str, known: Iterable[str]) -> bool:
    """Whether a name consists of others, joined by a comma or `and`, each of which is known by itself."""
    parts = _PERHAPS_SEVERAL.split(name)
    single = {same_name(one) for one in known}
    return len(parts) > 1 and all(same_name(part) in single for part in parts)


def refuse_several(films: Sequence[FoundFilm], classes: Iterable[str], root: Path) -> None:
    """Refuse labels that are several findings at once: as a class each combination would exclude its own parts.

    Raises:
        TrainingDataError: there are some; it lists films and says what can be trained.
    """
    names = tuple(classes)

    def lists(label: str) -> bool:
        if _SEVERAL.search(label) or (label.startswith(("[", "{")) and "," in label):
            return len([part for part in re.split(r"[|;,\n\[\]{}]", label) if part.strip()]) > 1
        return perhaps_several(label, names)

    several = {name for name in {film.label for film in films} if lists(name)}
    if several:
        lines = [f"{film.path.relative_to(root).as_posix()}: {film.label}" for film in films if film.label in several]
        msg = (
            f"{len(lines)} films have several findings in one label, such as {min(several)}, and were to be classes "
            "that exclude one another, one for each film. Learn each finding by itself by --set data.task=findings, "
            "with `|` between the findings of a film, or keep the films of one finding alone:"
        )
        raise TrainingDataError(msg + listing(lines))
