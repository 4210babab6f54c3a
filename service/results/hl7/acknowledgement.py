"""What a receiver answers to a message: ACK of HL7 v2, in whatever version and with whatever delimiters.

Source: HL7 v2.5.1, chapter 2: 2.9.2 (original mode), 2.15.8 (MSA), 2.15.5 (ERR); codes: tables 0008 and 0357.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["accepted", "refused", "later"]
_ACCEPTED: Final = ("AA", "CA")
_ERRORS: Final = ("AE", "CE")
_REJECTIONS: Final = ("AR", "CR")
_MAY_PASS: Final = ("206", "207")
"""Of table 0357: the application record is locked; an internal error of the application."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An answer that names the message which it is about."""

    code: str
    """MSA-1, of table 0008."""
    control_id: str
    """MSA-2: MSH-10 of the message."""
    errors: tuple[str, ...]
    """Codes of ERR segments, of table 0357; the texts beside them may quote a patient, and are not read."""

    @property
    def verdict(self) -> Verdict:
        """What follows for the message.

        By the standard an error (AE) is one of content, and a rejection (AR) may be of the moment; receivers use both
        for either. So the code of an error segment decides where there is one. Where there is none, an error may pass
        and a rejection is final.
        """
        if self.code in _ACCEPTED:
            return "accepted"
        if self.errors:
            return "later" if all(error in _MAY_PASS for error in self.errors) else "refused"
        return "refused" if self.code in _REJECTIONS else "later"


def read_acknowledgement(content: bytes) -> Acknowledgement | None:
    """Read an answer; None: it is not an acknowledgement."""
    text = content.decode("latin-1").strip("\r\n ")  # the codes are ASCII in every character set
    segments = [line for line in re.split(r"[\r\n]+", text) if line]
    if not segments or re.match(r"MSH[^\w\s]", segments[0]) is None:
        return None
    separator = segments[0][3]
    component = segments[0][4:5] or "^"
    fields = [line.split(separator) for line in segments[1:]]
    answer = next((each for each in fields if each[0] == "MSA" and len(each) > 2), None)  # noqa: PLR2004 MSA-2
    if answer is None or answer[1] not in (*_ACCEPTED, *_ERRORS, *_REJECTIONS):
        return None
    codes = (_error(each, component) for each in fields if each[0] == "ERR")
    return Acknowledgement(answer[1], answer[2], tuple(code for code in codes if code))


def _error(fields: list[str], component: str) -> str:
    """ERR-3 since version 2.5; before it, the fourth component of ERR-1. Empty: neither is a code."""
    newer = fields[3].split(component)[0] if len(fields) > 3 else ""  # noqa: PLR2004 ERR-3
    older = [*fields[1].split(component), "", "", "", ""][3].partition("&")[0] if len(fields) > 1 else ""
    code = newer or older
    return code if re.fullmatch(r"\d{1,3}", code, re.ASCII) else ""
