"""The segments of a message about what was found: one group of OBX for each finding, then what holds for the film.

Source: HL7 v2.5.1, chapter 7 (OBX); status: table 0085; abnormal flags: table 0078; the Study Instance UID in an OBX
of code 113014: IHE Radiology Technical Framework, RAD-128.
"""

import textwrap
from collections.abc import Iterator
from typing import Final

from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from schemas.model.calibration import OperatingPoint
from service.results import codes as terms
from service.results.contributor import device_uid
from service.results.hl7.encoding import components, segment
from service.results.messages.statements import recommendation_of, shows_figures
from service.results.remarks import remarks
from service.results.source import MANUFACTURER

STUDY: Final = Code("113014", terms.DICOM, "DICOM Study")
CONCLUSION: Final = Code("121077", terms.DICOM, "Conclusion")
_PRELIMINARY: Final = "P"
_NO_ANSWER: Final = "X"
"""Results cannot be obtained for this observation."""
_FLAGS: Final[dict[terms.FindingDecision, str]] = {"positive": "A", "negative": "N", "indeterminate": ""}

_LONGEST_LINE: Final = 199

_Row = dict[int, str]


def observations(record: AnalysisRecord) -> list[str]:
    """The OBX segments, numbered from 1; of a film whose archive gets the short report, without figures."""
    common = {
        17: components("", f"{record.model.name} {record.model.version}"),
        18: components(f"{record.model.name} {record.model.version}", MANUFACTURER, device_uid(record), "ISO"),
        19: f"{record.analysed_at:%Y%m%d%H%M%S}+0000",
    }
    rows = [*_of_findings(record), *_of_film(record)]
    return [segment("OBX", common | row | {1: str(number)}) for number, row in enumerate(rows, start=1)]


def _of_findings(record: AnalysisRecord) -> Iterator[_Row]:
    for group, point in enumerate(record.operating_points, start=1):
        yield _answer(record, point, str(group))
        if shows_figures(record):
            yield from _figures(record, point, str(group))


def _answer(record: AnalysisRecord, point: OperatingPoint, group: str) -> _Row:
    decision = terms.finding_answer(record, point)[0]
    value = None if decision == "indeterminate" else terms.PRESENCES[decision]
    return {
        2: "CWE",
        3: coded(terms.finding_code(point.finding).code),
        4: group,
        5: "" if value is None else coded(value),
        8: _FLAGS[decision],
        11: _NO_ANSWER if value is None else _PRELIMINARY,
    }


def _figures(record: AnalysisRecord, point: OperatingPoint, group: str) -> Iterator[_Row]:
    """The probability with the threshold as its reference range, then how good the decision is at that threshold."""
    probability = record.prediction.probabilities.get(point.finding)
    if probability is not None:
        decision = terms.finding_answer(record, point)[0]
        yield _number(terms.PROBABILITY, probability, group) | {
            7: components(f"<{point.threshold:.6g}"),
            8: _FLAGS[decision],
        }
    for name, value in (
        (terms.THRESHOLD, point.threshold),
        (terms.SENSITIVITY, point.sensitivity.value),
        (terms.SPECIFICITY, point.specificity.value),
    ):
        yield _number(name, value, group)


def _number(name: Code, value: float, group: str) -> _Row:
    return {2: "NM", 3: coded(name), 4: group, 5: f"{value:.6g}", 6: coded(terms.NO_UNITS), 11: _PRELIMINARY}


def _of_film(record: AnalysisRecord) -> Iterator[_Row]:
    for reason in record.prediction.abstention_reasons:
        yield {2: "CWE", 3: coded(terms.REASON), 5: coded(terms.reason_code(reason)), 11: _PRELIMINARY}
    figures = shows_figures(record)
    texts = [
        (CONCLUSION, recommendation_of(record, figures=figures)),
        *((terms.COMMENT, text) for text in (*remarks(record, figures=figures), DISCLAIMER)),
    ]
    for name, text in texts:
        for line in _lines(text):
            yield {2: "TX", 3: coded(name), 5: components(line), 11: _PRELIMINARY}
    yield {2: "ST", 3: coded(STUDY), 5: components(record.study_instance_uid), 11: _PRELIMINARY}


def _lines(text: str) -> list[str]:
    """A text as lines of one OBX each: some receivers read OBX-5 of any type as ST, which has up to 199 characters."""
    if len(components(text)) <= _LONGEST_LINE:
        return [text]
    # An escaped character has up to 5; few have to be escaped.
    return textwrap.wrap(text, _LONGEST_LINE * 3 // 4, replace_whitespace=False, break_on_hyphens=False)


def coded(code: Code) -> str:
    """A code as HL7 has it. Source: table 0396 (coding systems): SCT, DCM, LN; those that begin with 99 are local."""
    return components(code.value, code.meaning, code.scheme_designator)
