"""The labels of a site's films: a CSV table with a row for each film."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol, get_args

from schemas.acceptance import SubgroupAttribute
from schemas.errors import EvidenceError

FILM_COLUMNS: Final = ("film", "file", "filename", "sopinstanceuid", "sop_instance_uid")
LABEL_COLUMN: Final = "label"
_PRESENT: Final = frozenset({"1", "true", "yes", "y", "positive", "present"})
_ABSENT: Final = frozenset({"0", "false", "no", "n", "negative", "absent"})
_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about one film, and what the table states of it."""

    present: bool
    groups: Mapping[SubgroupAttribute, str]


@dataclass(frozen=True, slots=True)
class Labels:
    """A table of labels."""

    by_film: Mapping[str, Label]
    """By the film's name or SOP Instance UID, as the table has it."""
    sha256: str
    """Of its bytes."""


class LabelReader(Protocol):
    """Reads labels; it is called once the limits are on disk, and never before."""

    def __call__(self, path: Path, finding: str, negative: str | None) -> Labels:
        """Read the truth about one finding.

        Args:
            path: the table.
            finding: its name.
            negative: the class that means none of the findings; None: there is none.

        Raises:
            EvidenceError: the table cannot be read as labels.
        """
        ...


def read_labels(path: Path, finding: str, negative: str | None) -> Labels:
    """The labels of a CSV table; see `LabelReader`.

    A column `film` (or `sopinstanceuid`) names the film, the column of the finding's own name holds 1 or 0, or a column
    `label` one of the bundle's classes; `age`, `sex`, `view`, `device` and `station` may follow.
    """
    content = _content(path)
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        columns = {name.strip().lower(): name for name in table.fieldnames or () if name}
        film_column = next((columns[name] for name in FILM_COLUMNS if name in columns), None)
        truth_column = columns.get(finding.lower(), columns.get(LABEL_COLUMN))
        if film_column is None or truth_column is None:
            msg = (
                f"{path} has the columns {', '.join(columns.values()) or 'none'}; it needs `film` (a file name or SOP "
                f"Instance UID) and `{finding}` (1 or 0) or `{LABEL_COLUMN}` ({finding} or {negative or 'another'})"
            )
            raise EvidenceError(msg)
        by_film: dict[str, Label] = {}
        for row in table:
            name = (row[film_column] or "").strip()
            where = f"{path}, line {table.line_num}"
            if not name or name in by_film:
                reason = "names no film" if not name else "names a film that an earlier line names"
                msg = f"{where}: {reason}; each film has one line"
                raise EvidenceError(msg)
            present = _present(row[truth_column], finding, negative, where)
            by_film[name] = Label(present, _groups(row, columns))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a CSV table in UTF-8; export it again"
        raise EvidenceError(msg) from error
    if not by_film:
        msg = f"{path} holds no film; write a line for each"
        raise EvidenceError(msg)
    return Labels(by_film, sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            msg = f"{path} is larger than {_LARGEST // 2**20} MiB; name the table of labels"
            raise EvidenceError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); name the table of labels"
        raise EvidenceError(msg) from error


def _present(value: str | None, finding: str, negative: str | None, where: str) -> bool:
    text = (value or "").strip().lower()
    if text in _PRESENT or text == finding.lower():
        return True
    if text in _ABSENT or (negative is not None and text == negative.lower()):
        return False
    # The value itself may be anything, also a name: it is not printed.
    msg = f"{where}: the label is neither 1 nor 0, nor {finding} or {negative or 'its absence'}; correct the line"
    raise EvidenceError(msg)


def _groups(row: Mapping[str, str | None], columns: Mapping[str, str]) -> Mapping[SubgroupAttribute, str]:
    stated = {name: (row[columns[name]] or "").strip() for name in get_args(SubgroupAttribute) if name in columns}
    return {name: value for name, value in stated.items() if value}
