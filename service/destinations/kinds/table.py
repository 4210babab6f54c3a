"""Which kinds of destinations there are: a table."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from service.destinations.destination import Destination
from service.destinations.entry import Entry
from service.destinations.kinds.archives import DicomwebEntry, DimseEntry, open_c_store, open_dicomweb
from service.destinations.kinds.email import EmailEntry, open_email
from service.destinations.kinds.fhir import FhirEntry, open_fhir
from service.destinations.kinds.mllp import MllpEntry, open_mllp
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.webhook import WebhookEntry, open_webhook


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of destination."""

    entry: type[Entry]
    """Its entries of the file."""
    open: Callable[[Any, Surroundings], AbstractAsyncContextManager[Destination]]
    """Opens one of its entries; raises SettingsError where a file that it names cannot be used."""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "dicomweb": Kind(DicomwebEntry, open_dicomweb),
        "dimse": Kind(DimseEntry, open_c_store),
        "webhook": Kind(WebhookEntry, open_webhook),
        "email": Kind(EmailEntry, open_email),
        "fhir": Kind(FhirEntry, open_fhir),
        "mllp": Kind(MllpEntry, open_mllp),
    }
)
"""By the word that an entry has as `kind`."""
