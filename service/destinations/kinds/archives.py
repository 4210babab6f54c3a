"""The kinds `dicomweb` and `dimse`: archives that get the same objects as the PACS."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.errors import (
    DestinationRefusedError,
    DestinationUnreachableError,
    PacsRefusedError,
    PacsUnreachableError,
)
from service.destinations.destination import Destination, FinishedFilm, Parcel
from service.destinations.entry import Entry
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.web import WebEntry, line_to
from service.dicomweb.pacs import Archive, Pacs
from service.dimse.archive import open_dimse
from service.dimse.calling import Line
from service.dimse.tls import client_context
from service.settings import Peer
from service.settings.dimse import peer_of


class DicomwebEntry(WebEntry):
    """An archive behind DICOMweb; `url` is the root of its services."""

    kind: Literal["dicomweb"]


def _peer(value: object) -> object:
    return peer_of(value) if isinstance(value, str) else value


class DimseEntry(Entry):
    """An archive behind C-STORE; it knows us as CXR_DIMSE_AE_TITLE."""

    kind: Literal["dimse"]
    peer: Annotated[Peer, BeforeValidator(_peer)] = Field(description="AETITLE@HOST:PORT")
    tls: bool = Field(default=False, description="speak DICOM TLS")
    ca_file: Path | None = Field(default=None, description="with tls: certificates that vouch for it")
    tls_cert_file: Path | None = Field(default=None, description="with tls: certificate chain (PEM) that it is shown")
    tls_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if not self.tls and any((self.ca_file, self.tls_cert_file, self.tls_key_file)):
            msg = "ca_file, tls_cert_file and tls_key_file belong to DICOM TLS; state tls: true too"
            raise ValueError(msg)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            msg = "tls_cert_file and tls_key_file belong together: name both, or none"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class ArchiveDestination:
    """A `Destination` that is an archive: asked before each attempt what it has, so that it gets nothing twice."""

    archive: Archive

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """The objects that CXR_DELIVERY has for the film's decision."""
        return film.objects

    async def send(self, parcel: Parcel) -> None:
        """See `Destination`."""
        try:
            await self.archive.bring(parcel.study_instance_uid or "", parcel.contents)
        except PacsUnreachableError as error:
            raise DestinationUnreachableError(str(error)) from error
        except PacsRefusedError as error:
            raise DestinationRefusedError(str(error)) from error


@asynccontextmanager
async def open_dicomweb(entry: DicomwebEntry, _: Surroundings) -> AsyncIterator[Destination]:
    """Open one.

    Raises:
        SettingsError: certificates cannot be read, or credentials cannot be sent.
    """
    async with line_to(entry, base_url=entry.url.rstrip("/") + "/") as line:
        yield ArchiveDestination(Pacs(line))


@asynccontextmanager
async def open_c_store(entry: DimseEntry, surroundings: Surroundings) -> AsyncIterator[Destination]:
    """Open one.

    Raises:
        SettingsError: certificates cannot be read.
    """
    tls = client_context(entry.ca_file, entry.tls_cert_file, entry.tls_key_file) if entry.tls else None
    line = Line(surroundings.dimse.ae_title, entry.peer, entry.timeout_s, tls)
    async with open_dimse(line) as archive:
        yield ArchiveDestination(archive)
