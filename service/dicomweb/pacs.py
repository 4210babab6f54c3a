"""The PACS as a DICOMweb server: whether it has an instance (QIDO-RS), and storing instances there (STOW-RS).

Source: DICOM PS3.18 10.6 (Search), 10.5 (Store).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol

from schemas.errors import PacsRefusedError, PacsUnreachableError
from service.dicomweb.multipart import write_parts
from service.dicomweb.stow import DICOM_JSON, OUT_OF_RESOURCES
from service.outgoing.asking import Answer
from service.outgoing.counterpart import Counterpart
from service.outgoing.line import Line, LineOptions, open_line
from service.outgoing.oauth import OAuthClient
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


THE_PACS: Final = Counterpart("the PACS", PacsUnreachableError, PacsRefusedError, "CXR_PACS_")


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

    def __init__(self, line: Line) -> None:
        """`line` has the root of the DICOMweb services as its base address."""
        self._line = line

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
            return sop_instance_uid in map(_instance_uid, _listed(_dataset(answer, self._line.counterpart)))
        if answer.status_code == HTTPStatus.NO_CONTENT or answer.status_code in NO_SEARCH:
            return False
        peer = self._line.counterpart
        msg = (
            f"{peer.what} answered a search with status {answer.status_code}; check {peer.setting('url')} and its "
            "credentials"
        )
        raise peer.unreachable(msg)

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
        dataset = _dataset(answer, self._line.counterpart) if has_json else None
        reasons = [_reason(item) for tag in FAILURE_SEQUENCES for item in _items(dataset, tag)]
        named = len(_items(dataset, REFERENCED_SOP_SEQUENCE)) + reasons.count(DUPLICATE)
        _judge(answer.status_code, reasons, self._line.counterpart, all_named=named >= len(contents))

    async def _ask(self, method: str, address: str, **request: Any) -> Answer:
        return await self._line.ask(method, address, {"Accept": DICOM_JSON, **request.pop("headers", {})}, **request)


@asynccontextmanager
async def open_pacs(settings: PacsSettings) -> AsyncIterator[Pacs | None]:
    """The PACS of the settings, None where there is none; see `open_pacs_line`."""
    async with open_pacs_line(settings) as line:
        yield None if line is None else Pacs(line)


@asynccontextmanager
async def open_pacs_line(settings: PacsSettings) -> AsyncIterator[Line | None]:
    """A line to the PACS of the settings, None where there is none.

    Raises:
        SettingsError: the certificates cannot be read, or the credentials cannot be sent.
    """
    if settings.url is None:
        yield None
        return
    options = LineOptions(
        THE_PACS,
        settings.timeout_s,
        base_url=settings.url.rstrip("/") + "/",
        ca_file=settings.ca_file,
        cert_file=settings.tls_cert_file,
        key_file=settings.tls_key_file,
        token_file=settings.token_file,
        login_file=settings.login_file,
        oauth=_oauth(settings),
    )
    async with open_line(options) as line:
        yield line


def _oauth(settings: PacsSettings) -> OAuthClient | None:
    if settings.oauth_token_url is None or settings.oauth_client_id is None:
        return None
    return OAuthClient(
        token_url=settings.oauth_token_url,
        client_id=settings.oauth_client_id,
        secret_file=settings.oauth_secret_file,
        key_file=settings.oauth_key_file,
        key_id=settings.oauth_key_id,
        algorithm=settings.oauth_algorithm,
        scope=settings.oauth_scope,
    )


def _judge(status: int, reasons: Sequence[int | None], peer: Counterpart, *, all_named: bool) -> None:
    """Raise unless every instance is stored.

    Args:
        status: of the answer; 202: some are stored (PS3.18 10.5.3); 409: none is.
        reasons: of the failures; None where the PACS gives no reason.
        peer: who answered.
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
    msg = f"{peer.what} answered with status {status} and the failure reasons {listed}"
    if may_pass:
        msg += "; the delivery is tried again"
        raise peer.unreachable(msg)
    msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
    raise peer.refused(msg)


def _dataset(answer: Answer, peer: Counterpart) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        what, url = peer.what, peer.setting("url")
        msg = f"{what} answered with status {answer.status_code} and a body that is not JSON; check {url}"
        raise peer.unreachable(msg) from error


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
