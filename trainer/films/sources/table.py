"""A CSV of films: `path,label`, and as far as known `patient`, `split` and any attributes."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import SPLITS
from trainer.films.sources.columns import PatientColumn, find_patients, own_names, refuse_identifying
from trainer.films.sources.dicom import StatedPatient
from trainer.films.sources.labels import renamed, split_word
from trainer.films.sources.source import FoundFilm, Source


def table_source(table: Path, patients: str | None = None) -> Source:
    """Find the films that a CSV lists; paths are relative to its folder.

    Args:
        table: UTF-8, comma-separated, with a header: `path,label[,patient][,split]`; `split` is train, val or test,
            or empty in every row; any other column is an attribute of the films. The patient may stand in a column
            of another usual name, see `trainer.films.sources.columns`.
        patients: where it is the name of a column, that column names the patients.

    Raises:
        TrainingDataError: not such a table, a path that is missing, repeated or outside the folder, a split for
            some films only, or a column that identifies people.
    """
    rows = _rows(table)
    root = table.parent
    faults = [f"line {number}: {fault}" for number, row in rows if (fault := _fault(row, root))]
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
    columns = find_patients(tuple(rows[0][1]), [row for _, row in rows], table, patients)
    films = tuple(_film(row, root, columns) for _, row in rows)
    classes = tuple(sorted({film.label for film in films}))
    notes = (*columns.notes, *renamed({row.get("split", "") for _, row in rows}, "the column split"))
    return Source(root, films, classes, notes, patients_column=columns.name, studies_column=columns.study)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells by column, stripped but for labels, whose blanks are noted with those of folders."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = own_names(next(reader, []))
            _check_header(header, table)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{table} cannot be read as comma-separated UTF-8 ({error}); save it as such"
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
    if not {"path", "label"} <= set(header) or "" in header or len(set(header)) != len(header):
        msg = (
            f"{table} starts with {','.join(header) or 'nothing'}; it needs a header "
            "path,label[,patient][,split][,…] of distinct names"
        )
        raise TrainingDataError(msg)
    refuse_identifying(header, table)


def _fault(row: dict[str, str], root: Path) -> str | None:
    if not row["path"] or not row["label"].strip():
        return "path or label is empty"
    if Path(row["path"]).is_absolute() or ".." in Path(row["path"]).parts:
        return f"{row['path']} is not below {root}, the folder of the table"
    if not (root / row["path"]).is_file():
        return f"{row['path']} is not a file"
    if row.get("split") and split_word(row["split"]) is None:
        return f"the split {row['split']} is none of {', '.join(SPLITS)}"
    return None


def _film(row: dict[str, str], root: Path, columns: PatientColumn) -> FoundFilm:
    attributes = {name: " ".join(row[name].split()) for name in columns.attributes if row[name]}
    patient = None if columns.name is None else row[columns.name] or None
    stated = StatedPatient(study="" if columns.study is None else row[columns.study])
    return FoundFilm(root / row["path"], row["label"], split_word(row.get("split", "")), patient, stated, attributes)
