"""A CSV of films: `path,label` or a column for each finding, and as far as known `patient`, `split`, attributes."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import AGE, SPLITS
from trainer.films.options import DataOptions
from trainer.films.sources.columns import PatientColumn, find_patients, own_names, refuse_identifying
from trainer.films.sources.dicom import StatedPatient
from trainer.films.sources.findings.columns import finding_columns, marks_of_row, named_columns
from trainer.films.sources.findings.lists import has_lists, is_negative, marked_by_lists
from trainer.films.sources.labels import renamed, split_word
from trainer.films.sources.source import FoundFilm, Source


@dataclass(frozen=True, slots=True)
class _Truth:
    """Where a table says what its films show."""

    kind: Literal["class", "lists", "columns"]
    columns: tuple[str, ...] = ()
    """Of findings."""


def table_source(table: Path, options: DataOptions) -> Source:
    """Find the films that a CSV lists; paths are relative to its folder.

    Args:
        table: UTF-8, separated by commas, as .tsv by tabs, with a header: `path,label[,patient][,split]`; `split` is
            train, val or test, or empty in every row; any other column is an attribute of the films. A label may list
            several findings; without a label there is a column for each finding, see
            `trainer.films.sources.findings.columns`. The path, the label and the patient may stand in columns of other
            usual names, see `trainer.films.sources.columns`.
        options: where its `patients` is the name of a column, that column names the patients; whether the films have
            classes or findings, and which columns are findings.

    Raises:
        TrainingDataError: not such a table, a path that is missing, repeated or outside the folder, a split for
            some films only, or a column that identifies people.
    """
    rows = _rows(table)
    root = table.parent
    truth = _truth(table, rows, options)
    faults = [f"line {number}: {fault}" for number, row in rows if (fault := _fault(row, root, truth))]
    repeated = [path for path, count in Counter(row["path"] for _, row in rows).items() if count > 1]
    faults += [f"{path} stands in it more than once" for path in repeated]
    if faults:
        msg = f"{len(faults)} faults in {table}; mend them:" + listing(faults)
        raise TrainingDataError(msg)
    placed = {split_word(row.get("split", "")) for _, row in rows}
    if None in placed and len(placed) > 1:
        bare = [f"line {number}" for number, row in rows if not row["split"]]
        msg = f"{len(bare)} films of {table} have no split and the others have; fill the column or empty it:"
        raise TrainingDataError(msg + listing(bare))
    if placed != {None} and "train" not in placed:
        msg = f"{table} has no film with split train; name the films to train on, or empty the column"
        raise TrainingDataError(msg)
    kept = [name for name in rows[0][1] if name not in truth.columns]
    columns = find_patients(kept, [row for _, row in rows], table, options.patients)
    films = tuple(_film(row, root, columns, truth, options.negative_class) for _, row in rows)
    classes = tuple(films[0].marks or ()) if truth.columns else tuple(sorted({film.label for film in films}))
    notes = (*columns.notes, *renamed({row.get("split", "") for _, row in rows}, "the column split"))
    source = Source(root, films, classes, notes, patients_column=columns.name, studies_column=columns.study)
    return marked_by_lists(source, options.negative_class) if truth.kind == "lists" else source


def _truth(table: Path, lines: Sequence[tuple[int, dict[str, str]]], options: DataOptions) -> _Truth:
    rows = [row for _, row in lines]
    header = tuple(rows[0])
    if options.task != "classes" and (wanted := named_columns(header, options.findings, rows, table)):
        return _Truth("columns", (*wanted, *(name for name in header if is_negative(name, options.negative_class))))
    if "label" in header:
        listed = options.task == "findings" or (options.task == "auto" and has_lists(row["label"] for row in rows))
        return _Truth("lists" if listed else "class")
    kept = find_patients(header, rows, table, options.patients).attributes
    columns = finding_columns([name for name in kept if name.lower() != AGE], rows)
    if not columns or options.task == "classes":
        _refuse_header(header, table)
    return _Truth("columns", columns)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells by column, stripped but for labels, whose blanks are noted with those of folders."""
    tabs = table.suffix.lower() == ".tsv"
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, "excel-tab" if tabs else "excel", strict=True)
            header = own_names(next(reader, []))
            _check_header(header, table)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{table} cannot be read as {'tab' if tabs else 'comma'}-separated UTF-8 ({error}); save it as such"
        raise TrainingDataError(msg) from error
    uneven = [f"line {number}: {len(row)} cells" for number, row in rows if len(row) != len(header)]
    if uneven or not rows:
        msg = f"{table} needs rows of {len(header)} cells below its header, as many as that has; mend it:"
        raise TrainingDataError(msg + listing(uneven or ["no rows"]))
    return [
        (number, {name: cell if name == "label" else cell.strip() for name, cell in zip(header, row, strict=True)})
        for number, row in rows
    ]


def _check_header(header: Sequence[str], table: Path) -> None:
    if "path" not in header or "" in header or len(set(header)) != len(header):
        _refuse_header(header, table)
    refuse_identifying(header, table)


def _refuse_header(header: Sequence[str], table: Path) -> NoReturn:
    msg = (
        f"{table} starts with {','.join(header) or 'nothing'}; it needs a header path,label[,patient][,split][,…] of "
        "distinct names, or in place of label a column of 1 and 0 for each finding"
    )
    raise TrainingDataError(msg)


def _fault(row: dict[str, str], root: Path, truth: _Truth) -> str | None:
    if not row["path"] or (truth.kind == "class" and not row["label"].strip()):
        return "path or label is empty"
    if Path(row["path"]).is_absolute() or ".." in Path(row["path"]).parts:
        return f"{row['path']} is not below {root}, the folder of the table"
    if not (root / row["path"]).is_file():
        return f"{row['path']} is not a file"
    if row.get("split") and split_word(row["split"]) is None:
        return f"the split {row['split']} is none of {', '.join(SPLITS)}"
    return None


def _film(row: dict[str, str], root: Path, columns: PatientColumn, truth: _Truth, negative: str | None) -> FoundFilm:
    attributes = {name: " ".join(row[name].split()) for name in columns.attributes if row[name]}
    patient = None if columns.name is None else row[columns.name] or None
    stated = StatedPatient(study="" if columns.study is None else row[columns.study])
    return FoundFilm(
        root / row["path"],
        row.get("label", ""),
        split_word(row.get("split", "")),
        patient,
        stated,
        attributes,
        marks_of_row(row, truth.columns, negative) if truth.columns else None,
    )
