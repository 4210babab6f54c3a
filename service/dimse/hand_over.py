"""What the process asks of the service over HTTP: to store a film, what it knows of one, to note a commitment.

The service alone writes the spool: what it promises for STOW-RS holds for C-STORE because it is the same request.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import structlog

from schemas.errors import SettingsError
from service.dicomweb.multipart import write_parts
from service.dicomweb.stow import DICOM_JSON
from service.dimse.statuses import OUT_OF_RESOURCES, status_of_answer
from service.security.secret_file import read_token
from service.settings import DimseSettings

ANSWER_S: Final = 25.0
"""For the service's answer; a modality waits 30 s and more for its own."""
_CONNECT_S: Final = 3.0

log = structlog.get_logger("service.dimse")


@dataclass(frozen=True, slots=True)
class KnownFilm:
    """What the service knows of a film."""

    state: str
    sop_class_uid: str | None
    """None before its analysis."""


class HandOver:
    """The service behind its HTTP interface; any thread may use it."""

    def __init__(self, client: httpx2.Client, key_file: Path | None) -> None:
        """`client` has the service's address as its base."""
        self._client = client
        self._key_file = key_file

    def store(self, content: bytes, *, urgent: bool) -> int:
        """Let the service store one DICOM file; returns the status of C-STORE, success once the film is on its disk."""
        body, media_type = write_parts((content,))
        headers = {"Content-Type": media_type, "Accept": DICOM_JSON}
        if urgent:
            headers["X-Priority"] = "stat"
        answer = self._ask("POST", "/dicomweb/studies", content=body, headers=headers)
        if answer is None:
            return OUT_OF_RESOURCES
        status = status_of_answer(answer.status_code, _json(answer))
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            remedy = "check CXR_DIMSE_API_KEY_FILE (scope dicom), CXR_DIMSE_SERVICE_URL, and CXR_DICOMWEB=true there"
            log.error("service_refused_the_process", status=answer.status_code, remedy=remedy)
        return status

    def find(self, sop_instance_uid: str) -> KnownFilm | None:
        """What the service knows of a film; None where it knows none.

        Raises:
            ConnectionError: the service gives no answer that says so.
        """
        answer = self._ask("GET", f"/results/{sop_instance_uid}")
        if answer is not None and answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        body = None if answer is None or answer.status_code != HTTPStatus.OK else _json(answer)
        if not isinstance(body, dict):
            msg = "the service does not say whether it knows the film"
            raise ConnectionError(msg)
        analysis = body.get("analysis") or {}
        return KnownFilm(str(body.get("state")), analysis.get("sop_class_uid"))

    def note_commitment(self, transaction_uid: str, committed: Sequence[str], failed: Sequence[str]) -> bool:
        """Hand on what an archive answered about results; False where the service has not noted it."""
        body = {"transaction_uid": transaction_uid, "committed": list(committed), "failed": list(failed)}
        answer = self._ask("POST", "/dicomweb/commitments", json=body)
        return answer is not None and answer.status_code == HTTPStatus.OK

    def _ask(self, method: str, address: str, **request: Any) -> httpx2.Response | None:
        try:
            headers = request.pop("headers", {})
            if self._key_file is not None:
                headers["X-API-Key"] = read_token(self._key_file)
            return self._client.request(method, address, headers=headers, **request)
        except (OSError, SettingsError) as error:
            log.error("api_key_unreadable", reason=type(error).__name__)  # noqa: TRY400 the reason is enough
        except httpx2.HTTPError as error:
            log.error("service_unreachable", reason=type(error).__name__)  # noqa: TRY400 its text holds an address
        return None


def open_hand_over(settings: DimseSettings) -> HandOver:
    """The service of the settings; closed with the process."""
    timeout = httpx2.Timeout(ANSWER_S, connect=_CONNECT_S)
    # No proxy of the environment: films go to the service, on this machine or in this network.
    client = httpx2.Client(base_url=settings.service_url.rstrip("/"), timeout=timeout, trust_env=False)
    return HandOver(client, settings.api_key_file)


def _json(answer: httpx2.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError:
        return None
