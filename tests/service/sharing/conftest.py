"""State of one process and of all replicas, for the rules that both keep."""

from tests.service.dicomweb.conftest import postgresql, postgresql_url

__all__ = ["postgresql", "postgresql_url"]
