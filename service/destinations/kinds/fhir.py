"""The kind `fhir`: each film as one transaction of a FHIR server, R4 or R5.

Every resource takes the place of the one with its identifier, if there is one: a transaction whose answer was lost is
sent again, and adds nothing.

Source: HL7 FHIR 4.0.1 and 5.0.0, http.html: 3.2.0.11 (transaction), 3.2.0.4.1 (OperationOutcome).
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import Field

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.destination import Destination, FinishedFilm, Parcel
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.web import WebEntry, line_to
from service.outgoing.asking import Answer
from service.outgoing.line import Line
from service.results.fhir.bundle import transaction
from service.results.fhir.parties import PatientBy
from service.results.fhir.versions import FhirVersion, content_type
from service.results.messages.context import context_of

BUNDLE: Final = "bundle.json"
"""The name of a parcel's only content."""
MAY_PASS: Final = frozenset({401, 403, 408, 409, 423, 425, 429})
"""Of the statuses from 400: a login is mended, another transaction ends, there is room again; and so all from 500."""
PASSING_ISSUES: Final = frozenset(
    {"lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "transient", "login", "expired"}
)
"""Of the value set issue-type. An outcome that names nothing else is one of the moment, whatever the status."""


class FhirEntry(WebEntry):
    """A FHIR server."""

    kind: Literal["fhir"]
    fhir_version: FhirVersion = Field(default="4.0", description="of the server: 4.0 (R4) or 5.0 (R5)")
    patient_system: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]*:\S+$",
        description="system (URI) of patient identifiers whose issuer the film does not state as an OID, UUID or URI",
    )
    patient_by: PatientBy = Field(
        default="identifier",
        description="identifier: the patient is named by it, and need not be there; search: the server has to find "
        "exactly one Patient with it, or refuses the film",
    )


@dataclass(frozen=True, slots=True)
class Fhir:
    """A `Destination`."""

    line: Line
    entry: FhirEntry

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """The transaction, with the patient and the order of the film's header."""
        bundle = transaction(
            film.record,
            context_of(film.source),
            self.entry.fhir_version,
            patient_system=self.entry.patient_system,
            patient_by=self.entry.patient_by,
        )
        return {BUNDLE: json.dumps(bundle, ensure_ascii=False).encode()}

    async def send(self, parcel: Parcel) -> None:
        """See `Destination`."""
        kind = content_type(self.entry.fhir_version)
        headers = {"Content-Type": kind, "Accept": kind, "Prefer": "return=minimal"}
        content = parcel.contents[BUNDLE]
        self._judge(await self.line.ask("POST", self.entry.url, headers, content=content), content)

    def _judge(self, answer: Answer, sent: bytes) -> None:
        """Raise unless the server has carried out the whole transaction."""
        status = answer.status_code
        body = _resource(answer.content)
        msg = f"destination {self.entry.name} answered a transaction with status {status}"
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            # A portal for logins answers 200 too.
            if body.get("resourceType") == "Bundle" and _all_done(body, len(json.loads(sent)["entry"])):
                return
            msg += " and a body that is not the outcome of each of its entries; it is sent again"
            raise DestinationUnreachableError(msg)
        issues = _issues(body)
        if issues:
            msg += f" and the issues {', '.join(issues)}"
        passing = bool(issues) and PASSING_ISSUES.issuperset(issues)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in MAY_PASS or passing:
            msg += "; it is sent again"
            raise DestinationUnreachableError(msg)
        msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
        raise DestinationRefusedError(msg)


@asynccontextmanager
async def open_fhir(entry: FhirEntry, _: Surroundings) -> AsyncIterator[Destination]:
    """Open one.

    Raises:
        SettingsError: certificates or credentials cannot be used.
    """
    async with line_to(entry) as line:
        yield Fhir(line, entry)


def _resource(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _all_done(bundle: Mapping[str, Any], entries: int) -> bool:
    outcomes = _list(bundle.get("entry"))
    responses = [each.get("response") for each in outcomes if isinstance(each, dict)]
    statuses = [str(each.get("status", "")) for each in responses if isinstance(each, dict)]
    return len(statuses) == entries and all(status.startswith("2") for status in statuses)


def _issues(outcome: Mapping[str, Any]) -> Sequence[str]:
    """Codes alone: `diagnostics` and `details` may quote a patient."""
    issues = [each for each in _list(outcome.get("issue")) if isinstance(each, dict)]
    codes = (each.get("code") for each in issues if each.get("severity") in ("error", "fatal"))
    return sorted({code for code in codes if isinstance(code, str) and code.replace("-", "").isalpha()})


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
