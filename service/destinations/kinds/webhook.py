"""The kind `webhook`: a signed POST of JSON for each film, and for each suspension; it names no patient.

Source: Standard Webhooks 1.0.0 (standardwebhooks.com): headers webhook-id, webhook-timestamp, webhook-signature.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from imaging.dicom.attributes import text
from schemas.bodies.jobs import Job
from schemas.errors import DestinationRefusedError, DestinationUnreachableError, InvalidImageError, SettingsError
from schemas.monitoring import Suspension
from service.destinations.destination import FinishedFilm, Parcel
from service.destinations.entry import NotificationRules
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.web import WebEntry, line_to
from service.outgoing.line import Line
from service.security.secret_file import read_secret
from service.security.watched_file import warn_of_open_file

BODY: Final = "body"
"""The name of a parcel's only content."""
SECRET_BYTES: Final = (24, 64)
"""Of a secret, at least and at most. Source: Standard Webhooks, "Signature scheme"."""
REFUSALS: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422})
"""Another attempt gets the same answer; all others may pass: a login is mended, an address is put up."""


class WebhookEntry(WebEntry):
    """A receiver of webhooks."""

    kind: Literal["webhook"]
    rules: NotificationRules = NotificationRules()
    secret_file: Path = Field(
        description="file with the signing secret, whsec_ and base64 of 24 to 64 bytes; several lines while it is "
        "replaced: each signs"
    )
    suspensions: bool = Field(default=True, description="also when the stop rule suspends the answers")
    accession_number: bool = Field(default=False, description="name the film's AccessionNumber too")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A `Destination` that takes events too."""

    line: Line
    entry: WebhookEntry
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """The film's UIDs and what was decided."""
        record = film.record
        data: dict[str, Any] = {
            "study_instance_uid": record.study_instance_uid,
            "series_instance_uid": record.series_instance_uid,
            "sop_instance_uid": record.sop_instance_uid,
            "decision": record.prediction.decision,
            "findings": {finding.name: finding.decision for finding in record.prediction.findings},
            "abstention_reasons": list(record.prediction.abstention_reasons),
            "model": {"name": record.model.name, "version": record.model.version, "sha256": record.model.sha256},
        }
        if self.entry.accession_number:
            data["accession_number"] = _accession_number(film)
        return _event("film.analysed", record.analysed_at.isoformat(), data)

    def pack_suspension(self, suspension: Suspension) -> Mapping[str, bytes]:
        """Why the answers are withheld."""
        if not self.entry.suspensions:
            return {}
        data = suspension.model_dump(mode="json")
        return _event("service.suspended", data["since"], data)

    def pack_job(self, job: Job) -> Mapping[str, bytes]:
        """That a job has ended, and how many of its films came to what."""
        data = job.model_dump(mode="json")
        return _event(f"job.{job.state}", data["finished_at"], data)

    async def send(self, parcel: Parcel) -> None:
        """See `Destination`; the receiver knows a repetition by its webhook-id."""
        body = parcel.contents[BODY]
        timestamp = str(int(self.clock()))
        try:
            secrets = read_secrets(self.entry.secret_file)
        except SettingsError as error:
            raise DestinationUnreachableError(str(error)) from error
        headers = {
            "Content-Type": "application/json",
            "webhook-id": parcel.key,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(signature(secret, parcel.key, timestamp, body) for secret in secrets),
        }
        answer = await self.line.ask("POST", self.entry.url, headers, content=body)
        if HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return
        msg = f"destination {self.entry.name} answered a webhook with status {answer.status_code}"
        if answer.status_code in REFUSALS:
            msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
            raise DestinationRefusedError(msg)
        msg += "; it is sent again"
        raise DestinationUnreachableError(msg)


@asynccontextmanager
async def open_webhook(entry: WebhookEntry, _: Surroundings) -> AsyncIterator[Webhook]:
    """Open one.

    Raises:
        SettingsError: the secret, certificates or credentials cannot be used.
    """
    read_secrets(entry.secret_file)
    warn_of_open_file(entry.secret_file, secret=True)
    async with line_to(entry) as line:
        yield Webhook(line, entry)


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The signing secrets of a file.

    Raises:
        SettingsError: it cannot be read, or a line of it is not a secret.
    """
    try:
        lines = read_secret(path).split()
        secrets = tuple(base64.b64decode(line.removeprefix("whsec_"), validate=True) for line in lines)
    except OSError as error:
        msg = f"secret_file {path} cannot be read ({error.strerror}); give a file that the service may read"
        raise SettingsError(msg) from error
    except binascii.Error:
        secrets = ()
    least, most = SECRET_BYTES
    if not secrets or not all(least <= len(secret) <= most for secret in secrets):
        msg = f"secret_file {path} must hold whsec_ and base64 of {least} to {most} bytes: openssl rand -base64 32"
        raise SettingsError(msg)
    return secrets


def signature(secret: bytes, key: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, joined by full stops."""
    digest = hmac.new(secret, f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def _event(kind: str, timestamp: str, data: Mapping[str, Any]) -> Mapping[str, bytes]:
    return {BODY: json.dumps({"type": kind, "timestamp": timestamp, "data": data}).encode()}


def _accession_number(film: FinishedFilm) -> str | None:
    try:
        return text(film.source, "AccessionNumber") or None
    except InvalidImageError:
        return None
