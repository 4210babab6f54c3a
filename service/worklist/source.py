"""Films from the archive (WADO-RS), one at a time and in memory only.

An address that a workitem brings along is not followed: a film is asked for by its UIDs, at the archive of the
settings alone, so that nobody who may schedule work chooses whom this process sends its credentials to.
Source: DICOM PS3.18 10.4 (Retrieve), 8.7.3 (media types).
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from imaging.limits import DecodeLimits
from schemas.errors import CxrError, FilmMissingError, InvalidImageError, PacsUnreachableError
from service.dicomweb.instance import Instance, read_instance
from service.dicomweb.multipart import DICOM, boundary_of
from service.mime.multipart import MultipartReader
from service.worklist.calls import Caller
from service.worklist.workitem import FilmReference

ENVELOPE_BYTES: Final = 64 * 1024
"""What an answer holds beside the film: boundaries, headers of the part."""
ACCEPT: Final = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
"""As it is stored: a server would decode it otherwise."""
_MISSING: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True)
class Source:
    """The archive that holds the films."""

    caller: Caller
    limits: DecodeLimits
    film_bytes: int
    """Of the largest film that is taken."""

    def retrieve(self, film: FilmReference) -> Instance:
        """One film as a DICOM file.

        Raises:
            FilmMissingError: the archive has none of these UIDs.
            FilmError: what it gave cannot be read as that film.
            PacsUnreachableError: the archive gives no answer that can be used.
        """
        address = f"studies/{film.study}/series/{film.series}/instances/{film.instance}"
        at_most = self.film_bytes + ENVELOPE_BYTES
        answer = self.caller.ask("GET", address, at_most=at_most, headers={"Accept": ACCEPT})
        if answer.status_code in _MISSING:
            msg = "the archive does not have a film that a workitem names"
            raise FilmMissingError(msg)
        if answer.status_code != HTTPStatus.OK:
            msg = (
                f"the archive answered a retrieval with status {answer.status_code}; check CXR_WORKLIST_SOURCE_URL or "
                "CXR_PACS_URL, and its credentials"
            )
            raise PacsUnreachableError(msg)
        instance = read_instance(film_of(answer.headers.get("Content-Type", ""), answer.content), self.limits)
        if (instance.study_instance_uid, instance.sop_instance_uid) != (film.study, film.instance):
            msg = "the archive gave another instance than that which it was asked for"
            raise InvalidImageError(msg)
        return instance


def film_of(media_type: str, content: bytes) -> bytes:
    """The DICOM file in an answer to a retrieval: the body itself, or its only part.

    Raises:
        PacsUnreachableError: there is not one.
    """
    if media_type.partition(";")[0].strip().lower() == DICOM:
        return content
    try:
        reader = MultipartReader(boundary_of(media_type), lambda _: True)
        reader.write(content)
        parts = reader.finish()
    except CxrError as error:
        raise PacsUnreachableError(_MALFORMED) from error
    if len(parts) != 1:
        raise PacsUnreachableError(_MALFORMED)
    return bytes(parts[0].content)


_MALFORMED: Final = "the archive answered a retrieval with something else than one DICOM file; it is asked again"
