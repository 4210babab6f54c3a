"""Tables with a column for each finding, whose cells are 1, 0, uncertain or empty."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.marks import Mark, Marks
from trainer.films.sources.findings.lists import is_negative
from trainer.films.sources.labels import same_name

Rows = Sequence[Mapping[str, str]]

_CELLS: Mapping[str, Mark] = MappingProxyType(
    {"1": "present", "0": "absent", "-1": "uncertain", "u": "uncertain", "": "unknown"}
)
"""As CheXpert writes them, also as 1.0, 0.0 and -1.0.

Source: Irvin et al., AAAI 33 (2019) 590-597, arXiv:1901.07031.
"""


def finding_columns(names: Sequence[str], rows: Rows) -> tuple[str, ...]:
    """The columns whose cells are marks, some of them 1 and some not."""

    def marks(name: str) -> set[Mark | None]:
        return {_CELLS.get(same_name(row[name])) for row in rows}

    return tuple(name for name in names if None not in (found := marks(name)) and "present" in found and len(found) > 1)


def named_columns(names: Sequence[str], wanted: Sequence[str], rows: Rows, table: Path) -> tuple[str, ...]:
    """The columns of the findings that the user names, in their order; none where a name is not that of a column.

    Raises:
        TrainingDataError: a cell of theirs is not a mark.
    """
    columns = {same_name(name): name for name in names}
    if not wanted or any(same_name(name) not in columns for name in wanted):
        return ()
    found = tuple(columns[same_name(name)] for name in wanted)
    bad = [f"{name}: {row[name]}" for row in rows for name in found if same_name(row[name]) not in _CELLS]
    if bad:
        msg = f"{len(bad)} cells of findings in {table} are none of 1, 0, -1, u or empty; mend them:"
        raise TrainingDataError(msg + listing(bad))
    return found


def marks_of_row(row: Mapping[str, str], columns: Sequence[str], negative: str | None) -> Marks:
    """What a row says of each finding.

    Where a column that means no finding is 1, the findings whose cells are empty are absent.

    Args:
        row: cells by column.
        columns: of findings, those that mean none of them included.
        negative: a word for no finding in addition to those of `trainer.films.negative`.
    """
    marks = {name: _CELLS[same_name(row[name])] for name in columns}
    absences = [marks.pop(name) for name in columns if is_negative(name, negative)]
    if "present" in absences:
        return {name: "absent" if mark == "unknown" else mark for name, mark in marks.items()}
    return marks
