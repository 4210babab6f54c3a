"""The main figures by age, sex, view, device and station, as far as labels or files state them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

from schemas.acceptance import SubgroupAttribute, SubgroupFigures
from service.acceptance.figures import FilmTable, share
from service.acceptance.observed import Observed

AGES: Final = (("under 1", 1), ("1 to 5", 6), ("6 to 17", 18), ("18 to 39", 40), ("40 to 64", 65), ("65 and over", 131))
"""Name and end of each band, in years."""
NOT_STATED: Final = "not stated"
OTHERS: Final = "others"
FEWEST: Final = 5
"""Films of a group that is named; smaller ones are taken together, as they could point at a patient."""
_LONGEST: Final = 40


def group_of(attribute: SubgroupAttribute, value: str) -> str:
    """The group of a value: a band of ages, else the value itself in a form that a report can print."""
    if attribute != "age":
        printable = "".join(letter for letter in value if letter.isprintable())
        return (printable.upper() if attribute in {"sex", "view"} else printable)[:_LONGEST].strip() or NOT_STATED
    try:
        years = float(value)
    except ValueError:
        return NOT_STATED
    return next((name for name, end in AGES if 0 <= years < end), NOT_STATED)


def subgroups(films: Sequence[Observed], threshold: float) -> Iterator[SubgroupFigures]:
    """Each group of each attribute that tells films apart; ages ascend, other groups begin with the largest."""
    for attribute in get_args(SubgroupAttribute):
        groups = _named([film.groups.get(attribute, NOT_STATED) for film in films])
        counted = Counter(groups)
        if len(counted) < 2:  # noqa: PLR2004 one group is all films
            continue
        for name in sorted(counted, key=lambda each: _place(attribute, each, counted)):
            members = [film for film, group in zip(films, groups, strict=True) if group == name]
            yield _figures(attribute, name, FilmTable(members, threshold))


def _named(groups: Sequence[str]) -> list[str]:
    counted = Counter(groups)
    return [group if counted[group] >= FEWEST or group == NOT_STATED else OTHERS for group in groups]


def _place(attribute: SubgroupAttribute, name: str, counted: Mapping[str, int]) -> tuple[int, int, str]:
    bands = [band for band, _ in AGES]
    last = (NOT_STATED, OTHERS).index(name) + 1 if name in {NOT_STATED, OTHERS} else 0
    return last, bands.index(name) if attribute == "age" and name in bands else -counted[name], name


def _figures(attribute: SubgroupAttribute, name: str, table: FilmTable) -> SubgroupFigures:
    cells = table.confusion
    answered = share(table.answered, len(table.films))
    assert answered is not None  # noqa: S101 a group has films
    return SubgroupFigures(
        attribute=attribute,
        group=name,
        films=len(table.films),
        with_finding=table.with_finding,
        sensitivity=share(cells.hits, cells.hits + cells.misses),
        specificity=share(cells.rejections, cells.rejections + cells.false_alarms),
        answered=answered,
    )
