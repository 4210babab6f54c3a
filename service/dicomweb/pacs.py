"""The PACS as a DICOMweb server: whether it has an instance (QIDO-RS), and storing instances there (STOW-RS).

Source: DICOM PS3.18 10.6 (Search), 10.5 (Store).
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol

import httpx2

from schemas.errors import PacsRefusedError, PacsUnreachableError, SettingsError
from service.dicomweb.multipart import write_parts
from service.dicomweb.pacs_connection import Answer, Credentials, ask
from service.dicomweb.stow import DICOM_JSON, OUT_OF_RESOURCES
from service.security.watched_file import warn_of_open_file
from service.settings import PacsSettings

SOP_INSTANCE_UID: Final = "00080018"
FAILURE_REASON: Final = "00081197"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
FAILURE_SEQUENCES: Final = ("00081198", "0008119A")
"""FailedSOPSequence, and OtherFailuresSequence for instances whose UIDs the PACS could not read."""
PROCESSING_FAILURE: Final = 0x0110
"""With A7xx, out of resources, the reason that another attempt may not meet."""
DUPLICATE: Final = 0x0111
"""PS3.7 C.5.1: the PACS has the instance already."""
FINAL_STATUSES: Final = frozenset({400, 406, 409, 411, 413, 415})
"""Another attempt with the same instances gives the same answer; all others may pass (401: a token is renewed)."""
NO_SEARCH: Final = frozenset({400, 404, 405, 406, 501})
"""A server without QIDO-RS, or of another dialect: its STOW-RS must do, and the UIDs are the same at each attempt."""


class Archive(Protocol):
    """Where results go."""

    async def bring(self, study: str, objects: Mapping[str, bytes]) -> bool:
        """See to it that the archive has all of these; returns whether any had to be sent.

        It is asked before every attempt what it has: this process may have died, or the connection, after it stored an
        earlier one.

        Args:
            study: StudyInstanceUID of all of them.
            objects: DICOM files by their SOPInstanceUID.

        Raises:
            PacsUnreachableError: it is not known whether all are there; to be tried again.
            PacsRefusedError: another attempt would be refused too.
        """
        ...


class Pacs:
    """An `Archive` behind DICOMweb."""

    def __init__(self, client: httpx2.AsyncClient, credentials: Credentials) -> None:
        """`client` has the root of the DICOMweb services as its base address."""
        self._client = client
        self._credentials = credentials

    async def bring(self, study: str, objects: Mapping[str, bytes]) -> bool:
        """See `Archive`."""
        there = await asyncio.gather(*(self.has(study, uid) for uid in objects))
        missing = [content for content, is_there in zip(objects.values(), there, strict=True) if not is_there]
        if missing:
            await self.store(missing)
        return bool(missing)

    async def has(self, study: str, sop_instance_uid: str) -> bool:
        """Whether the instance is there.

        Raises:
            PacsUnreachableError: the archive gives no answer.
        """
        address = f"studies/{study}/instances"
        answer = await self._ask("GET", address, params={"SOPInstanceUID": sop_instance_uid})
        if answer.status_code == HTTPStatus.OK:
            # A server that does not know the filter answers all instances of the study.
            return sop_instance_uid in map(_instance_uid, _listed(_dataset(answer)))
        if answer.status_code == HTTPStatus.NO_CONTENT or answer.status_code in NO_SEARCH:
            return False
        msg = f"the PACS answered a search with status {answer.status_code}; check CXR_PACS_URL and its credentials"
        raise PacsUnreachableError(msg)

    async def store(self, contents: Sequence[bytes]) -> None:
        """Store instances.

        Raises:
            PacsUnreachableError: it is not known whether they are stored; to be tried again.
            PacsRefusedError: another attempt would be refused too.
        """
        body, media_type = write_parts(contents)
        answer = await self._ask("POST", "studies", content=body, headers={"Content-Type": media_type})
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        has_json = answer.content and media_type in (DICOM_JSON, "application/json")
        dataset = _dataset(answer) if has_json else None
        reasons = [_reason(item) for tag in FAILURE_SEQUENCES for item in _items(dataset, tag)]
        named = len(_items(dataset, REFERENCED_SOP_SEQUENCE)) + reasons.count(DUPLICATE)
        _judge(answer.status_code, reasons, all_named=named >= len(contents))

    async def _ask(self, method: str, address: str, **request: Any) -> Answer:
        headers = {"Accept": DICOM_JSON, "Accept-Encoding": "identity", **request.pop("headers", {})}
        for charset in ("utf-8", "latin-1"):
            credentials = await asyncio.to_thread(self._credentials.header, charset)
            answer = await ask(self._client, method, address, headers={**headers, **credentials}, **request)
            if answer.status_code != HTTPStatus.UNAUTHORIZED or not self._credentials.may_be_in_latin_1(answer.headers):
                break
        return answer


@asynccontextmanager
async def open_pacs(settings: PacsSettings) -> AsyncIterator[Pacs | None]:
    """The PACS of the settings, None where there is none.

    Raises:
        SettingsError: the certificates cannot be read, or the credentials cannot be sent.
    """
    if settings.url is None:
        yield None
        return
    credentials = Credentials(settings.token_file, settings.login_file)
    credentials.check()
    try:
        verify = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        msg = "CXR_PACS_CA_FILE holds no certificates that can be read; give a file in PEM"
        raise SettingsError(msg) from error
    for file in filter(None, (settings.token_file, settings.login_file)):
        warn_of_open_file(file, secret=True)
    base_url = settings.url.rstrip("/") + "/"
    # HTTP_PROXY and its kin are meant for the internet: they must not send patients' results past a proxy.
    async with httpx2.AsyncClient(
        base_url=base_url, timeout=settings.timeout_s, verify=verify, trust_env=False
    ) as client:
        yield Pacs(client, credentials)


def _judge(status: int, reasons: Sequence[int | None], *, all_named: bool) -> None:
    """Raise unless every instance is stored.

    Args:
        status: of the answer; 202: some are stored (PS3.18 10.5.3); 409: none is.
        reasons: of the failures; None where the PACS gives no reason.
        all_named: whether each instance is named as stored or as a duplicate.
    """
    failures = [reason for reason in reasons if reason != DUPLICATE]
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if is_success and status != HTTPStatus.ACCEPTED and not reasons:
        return
    if (is_success or status == HTTPStatus.CONFLICT) and not failures and all_named:
        return
    reported = [reason for reason in failures if reason is not None]
    may_pass = (
        all(reason & 0xFF00 == OUT_OF_RESOURCES or reason == PROCESSING_FAILURE for reason in reported)
        if reported
        else status not in FINAL_STATUSES or DUPLICATE in reasons  # the next attempt sends what is missing, alone
    )
    listed = ", ".join("not stated" if reason is None else f"{reason:04X}" for reason in failures) or "none"
    msg = f"the PACS answered with status {status} and the failure reasons {listed}"
    if may_pass:
        msg += "; the delivery is tried again"
        raise PacsUnreachableError(msg)
    msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
    raise PacsRefusedError(msg)


def _dataset(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        msg = f"the PACS answered with status {answer.status_code} and a body that is not JSON; check CXR_PACS_URL"
        raise PacsUnreachableError(msg) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _items(dataset: Any, tag: str) -> list[Any]:
    """The items of a sequence, however odd each of them is; none where it is absent or empty."""
    try:
        return _listed(dataset[tag]["Value"])
    except (KeyError, TypeError):
        return []


def _instance_uid(found: Any) -> str | None:
    try:
        return str(found[SOP_INSTANCE_UID]["Value"][0]).strip("\0 ")
    except (KeyError, TypeError, IndexError):
        return None


def _reason(item: Any) -> int | None:
    try:
        return int(item[FAILURE_REASON]["Value"][0])
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return None
