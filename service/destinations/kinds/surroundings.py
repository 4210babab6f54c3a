"""What a kind of destination may need of the service."""

from dataclasses import dataclass

from sqlalchemy import Engine

from service.settings import DimseSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed to every kind that is opened."""

    engine: Engine
    """The spool's database."""
    dimse: DimseSettings
