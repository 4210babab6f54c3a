"""The card's text: the part that must be found again, what differs, and what was not looked for."""

import difflib
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from benchmarks.release_check.asking import repeatable
from bundle.opening import Bundle
from export.card.card import SHIFTS_TITLE
from export.card.looking import looking_section
from schemas.model.looking import Looking
from schemas.model.manifest import MODEL_CARD, BundleManifest
from trainer.looking.rows import ERASURE_CAPTION

A_FILM: Final = 0.005
"""Of two hundred, where a row does not say of how many."""
ROUNDING: Final = 0.001
"""Of two figures with three digits."""
MOST_NEAR: Final = 0.05
"""Of the figures of a table or section."""
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_HAVING: Final = re.compile(r"\| (\d+) of (\d+) \|")


def card_section(bundle: Bundle, section: str) -> str:
    """The card's own section of the same heading; without the figures under shifts where the section has none.

    Raises:
        SystemExit: the card has no such section.
    """
    heading = section.splitlines()[0]
    own = (heading + _after(bundle, heading)).split("\n## ")[0].split("\n### ")[0]
    return (own if SHIFTS_TITLE in section else own.split(f"\n{SHIFTS_TITLE}")[0]).strip()


def card_erasures(bundle: Bundle) -> str:
    """The card's own table of films with parts erased.

    Raises:
        SystemExit: the card has no such table.
    """
    return _after(bundle, ERASURE_CAPTION).strip().split("\n\n")[0]


def erasure_table(looking: Looking) -> str:
    """The same table of what was found, as the card has it."""
    section = looking_section(looking, ())
    assert section is not None  # noqa: S101 - it has rows
    (table,) = section.tables
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.head, table.rule, *table.rows))


def _after(bundle: Bundle, line: str) -> str:
    card = (bundle.directory / MODEL_CARD).read_text(encoding="utf-8")
    if f"\n{line}\n" not in card:
        sys.exit(f"the card has no line {line!r}: the films are not those of the card, or it is of another version")
    return "\n" + card.split(f"\n{line}\n", 1)[1]


def differences(expected: str, found: str) -> list[str]:
    """The lines in which the card and what was found differ; none where all digits agree."""
    return list(difflib.unified_diff(expected.splitlines(), found.splitlines(), "card", "service", lineterm=""))


def nearly(expected: str, found: str) -> list[str]:
    """Pairs of figures that differ by no more than one film does; none where anything else differs.

    Behind a guide a rounding error of another runtime moves the lungs' box, and a probability by some 1e-5: now and
    then two films change ranks, or one its label. Counts of films and patients must be equal.
    """
    if _NUMBER.split(expected) != _NUMBER.split(found):
        return []
    figures = 0
    differing: list[tuple[str, str]] = []
    for row, other in zip(expected.splitlines(), found.splitlines(), strict=True):
        pairs = list(zip(_NUMBER.findall(row), _NUMBER.findall(other), strict=True))
        figures += len(pairs)
        moved = [pair for pair in pairs if pair[0] != pair[1]]
        film = _a_film_of(row)
        if any("." not in "".join(pair) or _apart(*pair) > film for pair in moved):
            return []
        differing += moved
    return [] if len(differing) > MOST_NEAR * figures else [", ".join(pair) for pair in differing]


def _a_film_of(row: str) -> float:
    """By how much one film moves a figure of a row that says `81 of 579` films have the finding: a share of the few."""
    few = [min(having, films - having) for having, films in (map(int, each) for each in _HAVING.findall(row))]
    return max([A_FILM, *(1 / count + ROUNDING for count in few if count)])


def _apart(one: str, other: str) -> float:
    return round(abs(float(one) - float(other)), 6)


def digits(text: str) -> int:
    """How many digits a text has."""
    return sum(character.isdigit() for character in text)


def left_out(
    manifest: BundleManifest, sets: Collection[str], *, shifts: bool = True, masks: bool = False
) -> Iterator[str]:
    """What the card says and was not found again, each with the reason.

    Args:
        manifest: of the bundle.
        sets: names of the sets whose films are known.
        shifts: whether films under shifts were posted.
        masks: whether masks of the lungs were given.
    """
    sendable = repeatable(manifest.preprocess)
    for evaluation in manifest.evaluation:
        if evaluation.data not in sets:
            yield f"On {evaluation.data}: the bundle does not hold which films these are; give --split"
        elif evaluation.shifts and not sendable:
            yield (
                f"On {evaluation.data}, under shifts: a prepared film cannot be sent, the service would stretch it anew"
            )
        elif evaluation.shifts and not shifts:
            yield f"On {evaluation.data}, under shifts: left out by --no-shifts"
    if manifest.guide is not None:
        yield (
            f"Films that are answered: Dice and shares of the guide are of {manifest.guide.data}, which the bundle "
            "has the hash of but not the names"
        )
    yield "Decisions: made on the validation films and their shifts; what they bring is in the figures above"
    yield from _looking_left_out(manifest, sets, masks=masks)
    if manifest.mistakes is not None:
        yield (
            "Mistakes: looked for at the export, on validation; they rest on heat maps and distances beside the answers"
        )
    if manifest.precisions:
        yield "Precisions: measured on the machine that exported"
    yield "Provenance: time and energy were measured while the network was trained"


def _looking_left_out(manifest: BundleManifest, sets: Collection[str], *, masks: bool) -> Iterator[str]:
    looking = manifest.looking
    if looking is not None and looking.erasures and (reason := no_erasures(manifest, sets, masks=masks)):
        yield f"What the network looks at, films with parts erased: {reason}"
    if looking is not None and looking.heat:
        yield "What the network looks at, heat: the service draws maps in 256 grays, which moves a share's third digit"
    if manifest.map_sanity:
        yield "Sanity of heat maps: measured at the export, on networks with random layers"


def no_erasures(manifest: BundleManifest, sets: Collection[str], *, masks: bool) -> str:
    """Why the figures of films with parts erased cannot be found again; empty: they can, or none are stated."""
    looking = manifest.looking
    if looking is None or not looking.erasures:
        return ""
    if looking_set(looking) not in sets:
        return f"they are of {looking.data}, and the bundle does not hold which films these are; give --split"
    if not masks:
        return "give --lung-masks"
    return (
        "" if repeatable(manifest.preprocess) else "a prepared film cannot be sent, the service would stretch it anew"
    )


def looking_set(looking: Looking) -> str:
    """Name of the set that was looked at, e.g. 'validation'."""
    return looking.data.split(":")[0]


def report(faults: Sequence[str]) -> None:
    """End the program where the card and the service differ.

    Raises:
        SystemExit: there are faults.
    """
    if faults:
        sys.exit("\n".join(["the service does not find what the card states:", *faults]))
