"""Verdicts as a CSV file: one film or study a row."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from schemas.errors import CxrError, InvalidParameterError
from schemas.monitoring import Presence, VerdictRequest
from service.surveillance.statements import FilmName, Statement

NAMES: Final = ("sop_instance_uid", "study_instance_uid", "accession_number")
COLUMNS: Final = (*NAMES, "verdict", "findings", "corrected", "truth")


def read_table(content: bytes) -> Iterator[tuple[int, Statement | CxrError]]:
    """The statement of each row with its line, from 2; or why the row is none.

    Raises:
        InvalidParameterError: it is not such a table.
    """
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        columns = set(rows.fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        msg = "the body is not a CSV table in UTF-8; save it as such"
        raise InvalidParameterError(msg) from error
    if not columns & set(NAMES) or not columns & {"verdict", "truth"} or columns - set(COLUMNS):
        msg = f"the table needs one of {', '.join(NAMES)}, and verdict or truth; it may have {', '.join(COLUMNS)} alone"
        raise InvalidParameterError(msg)
    yield from _statements(rows)


def _statements(rows: "csv.DictReader[str]") -> Iterator[tuple[int, Statement | CxrError]]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            msg = "the rest of the table cannot be read from this line on; check its quotes"
            yield rows.line_num, InvalidParameterError(msg)
            return
        try:
            yield rows.line_num, _statement({key: (value or "").strip() for key, value in row.items() if key})
        except CxrError as error:
            yield rows.line_num, error


def _statement(row: Mapping[str, str]) -> Statement:
    names = {name: row[name] for name in NAMES if row.get(name)}
    if len(names) != 1:
        msg = f"the row names its film {len(names)} times; fill one of {', '.join(NAMES)}"
        raise InvalidParameterError(msg)
    film = FilmName(**names)
    if bool(row.get("verdict")) == bool(row.get("truth")):
        msg = "the row needs a verdict, or the truth, and not both"
        raise InvalidParameterError(msg)
    if row.get("truth"):
        return Statement(film, "csv", truth=_presences(row["truth"]))
    findings = [name.strip() for name in row.get("findings", "").split(";") if name.strip()]
    return Statement(film, "csv", request=_request(row["verdict"].lower(), findings, row.get("corrected", "")))


def _request(verdict: str, findings: list[str], corrected: str) -> VerdictRequest:
    try:
        return VerdictRequest.model_validate(
            {"verdict": verdict, "findings": findings, "corrected": _presences(corrected)}
        )
    except ValidationError as error:
        fault = error.errors()[0]["msg"].removeprefix("Value error, ")
        msg = f"the row is not a verdict: {fault}"
        raise InvalidParameterError(msg) from error


def _presences(text: str) -> dict[str, Presence]:
    """`PNEUMONIA=absent; Effusion=present`."""
    presences: dict[str, Presence] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, _, presence = (part.strip() for part in entry.partition("="))
        if presence == "present":
            presences[name] = "present"
        elif presence == "absent":
            presences[name] = "absent"
        else:
            msg = "a finding is written FINDING=present or FINDING=absent, several with ; between them"
            raise InvalidParameterError(msg)
    return presences
