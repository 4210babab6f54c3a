"""The databases in which jobs keep their tables."""

from tests.service.dicomweb.conftest import clock, postgresql, postgresql_url

__all__ = ["clock", "postgresql", "postgresql_url"]
