"""The databases in which the surveillance keeps its tables."""

from tests.service.dicomweb.conftest import clock, database, postgresql, postgresql_url

__all__ = ["clock", "database", "postgresql", "postgresql_url"]
