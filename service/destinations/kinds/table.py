"""Which kinds of destinations there are: a table."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Engine

from service.destinations.destination import Destination
from service.destinations.entry import Entry
from service.settings import DimseSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a kind may need of the service."""

    engine: Engine
    """The spool's database."""
    dimse: DimseSettings


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of destination."""

    entry: type[Entry]
    """Its entries of the file."""
    open: Callable[[Any, Surroundings], AbstractAsyncContextManager[Destination]]
    """Opens one of its entries; raises SettingsError where a file that it names cannot be used."""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType({})
"""By the word that an entry has as `kind`."""
