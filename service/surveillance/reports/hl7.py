"""A final report as HL7 v2: the text and the codes of an ORU^R01.

Source: HL7 v2.5.1, chapters 2 (encoding, escapes) and 7 (OBR, OBX); the Study Instance UID in an OBX of code 113014:
IHE Radiology Technical Framework, RAD-128.
"""

import re
from collections.abc import Mapping
from typing import Final

from schemas.errors import InvalidParameterError
from service.surveillance.reports.rules import ReportRules
from service.surveillance.statements import FilmName, Statement

FINAL: Final = ("F", "C")
"""Of OBR-25: final, corrected."""
_TEXT: Final = ("TX", "FT", "ST")
_CODED: Final = ("CE", "CWE", "CNE")
_STUDY: Final = "113014"  # PS3.16, DICOM Study


def read_hl7(content: bytes, rules: ReportRules) -> list[Statement]:
    """What a report states of the films of its study.

    Raises:
        InvalidParameterError: it is not a final ORU^R01 that names its study.
    """
    segments = _segments(content)
    header = segments[0]
    if len(header) < 10 or not header[9].startswith("ORU"):  # noqa: PLR2004 MSH-9, as MSH-1 is the separator itself
        msg = "the message is not an ORU^R01; send results (MSH-9) alone"
        raise InvalidParameterError(msg)
    orders = [each for each in segments if each[0] == "OBR"]
    if not orders or any(_field(each, 25) not in FINAL for each in orders):
        msg = f"the report is not final: OBR-25 has to be {' or '.join(FINAL)}"
        raise InvalidParameterError(msg)
    results = [each for each in segments if each[0] == "OBX"]
    escapes = _escapes(header)
    text = "\n".join(_unescaped(_field(each, 5), escapes) for each in results if _field(each, 2) in _TEXT)
    codes = [_coded(_field(each, 5), header) for each in results if _field(each, 2) in _CODED]
    return [Statement(_film(orders[0], results, header, rules), "report", truth=rules.truth([text], codes))]


def _segments(content: bytes) -> list[list[str]]:
    text = content.strip(b"\x0b\x1c\r\n ").decode("utf-8", "replace")  # with or without its MLLP frame
    if not text.startswith("MSH") or len(text) < 9:  # noqa: PLR2004 MSH and its separators
        msg = "the body is not an HL7 v2 message, which begins with MSH"
        raise InvalidParameterError(msg)
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    separator = text[3]
    header, *others = [line.split(separator) for line in lines]
    return [[header[0], separator, *header[1:]], *others]


def _field(segment: list[str], number: int) -> str:
    return segment[number] if len(segment) > number else ""


def _film(order: list[str], results: list[list[str]], header: list[str], rules: ReportRules) -> FilmName:
    component = header[2][0]
    for each in results:
        if _field(each, 3).split(component)[0] == _STUDY and (uid := _field(each, 5)):
            return FilmName(study_instance_uid=uid.split(component)[0])
    if accession := _field(order, int(rules.accession_field.removeprefix("OBR-"))).split(component)[0]:
        return FilmName(accession_number=accession)
    msg = (
        f"the message names no study: an OBX whose OBX-3 is 113014^DICOM Study^DCM holds its UID, or "
        f"{rules.accession_field} the accession number"
    )
    raise InvalidParameterError(msg)


def _coded(value: str, header: list[str]) -> tuple[str, str]:
    code, _, system, *_ = [*value.split(header[2][0]), "", ""]
    return system, code


def _escapes(header: list[str]) -> Mapping[str, str]:
    characters = header[2]
    escape = characters[2] if len(characters) > 2 else "\\"  # noqa: PLR2004 MSH-2: component, repetition, escape, part
    named = {"F": header[1], "S": characters[0], "R": characters[1:2], "E": escape, "T": characters[3:4], ".br": "\n"}
    return {f"{escape}{name}{escape}": value for name, value in named.items()}


def _unescaped(text: str, escapes: Mapping[str, str]) -> str:
    pattern = "|".join(map(re.escape, escapes))
    return re.sub(pattern, lambda found: escapes[found[0]], text)
