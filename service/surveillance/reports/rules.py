"""The rule set by which a final report states the truth: codes and phrases, written down before they are used."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import Field, ValidationError

from schemas.errors import SettingsError
from schemas.monitoring import FindingName, Presence
from schemas.record import Record

_SENTENCE: Final = re.compile(r"[.;!?\n]+")


class Code(Record):
    """A code of a terminology, as the report writes it."""

    system: str = Field(min_length=1, description="e.g. http://snomed.info/sct in FHIR, SCT in HL7 v2")
    code: str = Field(min_length=1)


class Rule(Record):
    """What states that a finding is present or absent."""

    finding: FindingName
    presence: Presence
    codes: tuple[Code, ...] = ()
    phrases: tuple[str, ...] = Field(default=(), description="whole words, without regard to case")


class ReportRules(Record):
    """The file of rules (`CXR_REPORT_RULES`)."""

    format: int = Field(default=1, ge=1, le=1)
    rules: tuple[Rule, ...] = Field(min_length=1)
    doubt: tuple[str, ...] = Field(default=(), description="phrases that leave their sentence without a statement")
    accession_field: str = Field(
        default="OBR-18", pattern=r"^OBR-[0-9]{1,2}$", description="of an HL7 v2 message, where the accession number is"
    )

    def truth(self, texts: Iterable[str], codes: Iterable[tuple[str, str]]) -> dict[str, Presence]:
        """What a report states, by finding; of a finding that it calls both present and absent it states nothing.

        A sentence that holds a phrase of doubt states nothing. Longer phrases come first, and what one has matched is
        no longer there for a shorter one: "no pneumonia" is not also "pneumonia".

        Args:
            texts: of the report.
            codes: system and code of each conclusion.
        """
        stated: dict[str, set[Presence]] = {}
        given = set(codes)
        for rule in self.rules:
            if any((code.system, code.code) in given for code in rule.codes):
                stated.setdefault(rule.finding, set()).add(rule.presence)
        for text in texts:
            for sentence in _SENTENCE.split(text):
                self._read(sentence, stated)
        return {finding: next(iter(found)) for finding, found in stated.items() if len(found) == 1}

    def _read(self, sentence: str, stated: dict[str, set[Presence]]) -> None:
        words = _plain(sentence)
        if any(_pattern(phrase).search(words) for phrase in self.doubt):
            return
        phrases = [(phrase, rule) for rule in self.rules for phrase in rule.phrases]
        rest: dict[str, str] = {}
        for phrase, rule in sorted(phrases, key=lambda entry: -len(_plain(entry[0]))):
            left, matches = _pattern(phrase).subn(" \0 ", rest.get(rule.finding, words))
            if matches:
                rest[rule.finding] = left
                stated.setdefault(rule.finding, set()).add(rule.presence)


def read_rules(content: bytes) -> ReportRules:
    """The rules of a file.

    Raises:
        SettingsError: it is not a file of rules; the message names the places.
    """
    try:
        return ReportRules.model_validate_json(content)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, fault["loc"])) or "the file" for fault in error.errors()}))
        msg = f"CXR_REPORT_RULES is not a file of rules at {places}; docs/surveillance.md has an example"
        raise SettingsError(msg) from error


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(_plain(phrase))}(?!\w)")


INTERPRETATIONS: Final[Mapping[str, bool]] = {"POS": True, "NEG": False}
"""Of an observation. Source: HL7 Terminology, v3-ObservationInterpretation."""
