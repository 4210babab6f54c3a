"""The films of a job from the PACS: searched by QIDO-RS, and fetched by WADO-RS, one at a time and in memory only.

Source: DICOM PS3.18 10.4 (Retrieve), 10.6 (Search).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from imaging.limits import DecodeLimits
from schemas.errors import FilmMissingError, InvalidImageError, NotARadiographError, PacsRefusedError
from service.dicomweb.instance import FILM_CLASSES, Instance, read_instance
from service.dicomweb.stow import DICOM_JSON
from service.outgoing.line import Line
from service.worklist.source import ACCEPT, ENVELOPE_BYTES, film_of

PAGE: Final = 500
"""Instances of one answer to a search: about 1 kB each."""
_TAGS: Final = {"study_instance_uid": "0020000D", "series_instance_uid": "0020000E", "sop_instance_uid": "00080018"}
_SOP_CLASS: Final = "00080016"
_MISSING: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_REFUSED: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search."""

    films: Sequence[Mapping[str, Any]]
    """Values of `service.jobs.tables.films`: those of classes that are analysed, or whose class is not stated."""
    next_offset: int | None
    """Where the next one begins; None: there was nothing at the offset."""
    fingerprint: str = ""
    """SHA-256 of the UIDs of all instances that were found, in any order: the same again, where a PACS ignores offsets.
    """


@dataclass(frozen=True, slots=True)
class Source:
    """The PACS that holds the films."""

    line: Line
    limits: DecodeLimits
    film_bytes: int
    """Of the largest film that is taken."""
    page: int = PAGE
    """Instances of one answer to a search."""

    async def search(self, path: str, parameters: Mapping[str, str], offset: int) -> Page:
        """Search instances.

        Args:
            path: below the root of the DICOMweb services.
            parameters: of QIDO-RS.
            offset: how many of the answer came before.

        Raises:
            PacsUnreachableError: the PACS gives no answer that can be used; to be asked again.
            PacsRefusedError: it does not understand the search.
        """
        asked = {**parameters, "limit": str(self.page), "offset": str(offset), "includefield": _SOP_CLASS}
        answer = await self.line.ask("GET", path, {"Accept": DICOM_JSON}, params=asked)
        peer = self.line.counterpart
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return Page((), None)
        if answer.status_code in _REFUSED:
            msg = f"{peer.what} refused a search with status {answer.status_code}; check the query, and QIDO-RS there"
            raise PacsRefusedError(msg)
        found = _listed(answer.content) if answer.status_code == HTTPStatus.OK else None
        if found is None:
            msg = f"{peer.what} answered a search with status {answer.status_code} and no list; it is asked again"
            raise peer.unreachable(msg)
        named = [{name: _value(each, tag) for name, tag in _TAGS.items()} | {"kind": "film"} for each in found]
        is_film = [_value(each, _SOP_CLASS) in (None, *FILM_CLASSES) for each in found]
        kept = [row for row, fits in zip(named, is_film, strict=True) if fits and all(row.values())]
        if not found:
            return Page((), None)
        uids = sorted(row["sop_instance_uid"] or "" for row in named)
        # A page that is not full is no end: a PACS may give fewer than it is asked for.
        return Page(kept, offset + len(found), hashlib.sha256("\n".join(uids).encode()).hexdigest())

    async def fetch(self, study: str, series: str, instance: str) -> Instance:
        """One film as a DICOM file.

        Raises:
            FilmMissingError: the PACS has none of these UIDs.
            FilmError: what it gave cannot be read as that film, or is of a class that is not analysed.
            PacsUnreachableError: it gives no answer that can be used.
        """
        address = f"studies/{study}/series/{series}/instances/{instance}"
        at_most = self.film_bytes + ENVELOPE_BYTES
        answer = await self.line.ask("GET", address, {"Accept": ACCEPT}, at_most=at_most)
        peer = self.line.counterpart
        if answer.status_code in _MISSING:
            msg = f"{peer.what} does not have a film that a job names"
            raise FilmMissingError(msg)
        if answer.status_code != HTTPStatus.OK:
            msg = (
                f"{peer.what} answered a retrieval with status {answer.status_code}; check {peer.setting('url')} and "
                "its credentials"
            )
            raise peer.unreachable(msg)
        found = read_instance(film_of(answer.headers.get("Content-Type", ""), answer.content), self.limits)
        if (found.study_instance_uid, found.sop_instance_uid) != (study, instance):
            msg = "the PACS gave another instance than that which it was asked for"
            raise InvalidImageError(msg)
        return require_film(found)


def require_film(instance: Instance) -> Instance:
    """Refuse what is not analysed.

    Raises:
        NotARadiographError: its SOP class is neither CR nor DX image storage.
    """
    if not instance.is_film:
        msg = "the SOP class is neither CR nor DX image storage; it is left out"
        raise NotARadiographError(msg)
    return instance


def _listed(content: bytes) -> list[Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _value(found: Any, tag: str) -> str | None:
    try:
        return str(found[tag]["Value"][0]).strip("\0 ")[:64] or None
    except (KeyError, TypeError, IndexError):
        return None
