"""Who and what a result is about: the patient, the order, the study, the time; each by the name that it has already.

A resource of a patient, an order or a study is never made here: those belong to the systems that register them.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from schemas.analysis import AnalysisRecord
from service.results.fhir.datatypes import (
    Resource,
    absent,
    date_time,
    identifier,
    uid_identifier,
    without_empty,
)
from service.results.fhir.versions import FhirVersion
from service.results.messages.context import FilmContext

PatientBy = Literal["identifier", "search"]
"""How a patient is named: by the identifier alone, or by a search that the server resolves or refuses."""


@dataclass(frozen=True, slots=True)
class Parties:
    """What every resource of one bundle refers to."""

    record: AnalysisRecord
    version: FhirVersion
    context: FilmContext | None = None
    """None: the header is not at hand, and nobody is named."""
    figures: bool = True
    """Whether probabilities may be in it."""
    patient_system: str | None = None
    """The system of patient identifiers whose issuer the header does not state as a URI."""
    patient_by: PatientBy = "identifier"

    def study(self) -> Resource:
        """The film's study, by its UID."""
        return {"type": "ImagingStudy", "identifier": uid_identifier(self.record.study_instance_uid)}

    def about(self) -> Resource:
        """The elements `subject`, `basedOn` and `effective` that report and observations share.

        R4 needs a subject and a time by US Core where there is none to name: masked, and unknown. Without a header
        R5 has neither.
        """
        if self.context is None:
            masked = absent("masked")
            return {"subject": masked, "_effectiveDateTime": masked} if self.version == "4.0" else {}
        exposed = self.context.exposed
        time: Resource = {"_effectiveDateTime": absent("unknown")}
        if exposed is not None:
            time = {"effectiveDateTime": date_time(exposed)}
        return without_empty({"basedOn": self.order()}) | {"subject": self.subject()} | time

    def subject(self) -> Resource:
        """The patient, by the identifier that the header states."""
        given = None if self.context is None else self.context.patient_id
        if given is None:
            return absent("masked" if self.context is None else "unknown")
        named = identifier("MR", "Medical record number", given, self.patient_system)
        if self.patient_by == "search" and "system" in named:
            return {"reference": f"Patient?identifier={_literal(named['system'])}|{_literal(given.value)}"}
        return {"type": "Patient", "identifier": named}

    def order(self) -> list[Resource]:
        """The order, by its accession number."""
        given = None if self.context is None else self.context.accession
        if given is None:
            return []
        return [{"type": "ServiceRequest", "identifier": identifier("ACSN", "Accession ID", given)}]


def _literal(text: str) -> str:
    """Text as a value of a search: a comma in it would ask for either of two patients.

    Source: HL7 FHIR 4.0.1, search.html 3.1.1.4.0.1 (escaping search parameters).
    """
    return quote(re.sub(r"([\\,|$])", r"\\\1", text), safe="")
