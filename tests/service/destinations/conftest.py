"""A database for an outbox, and a clock."""

import pytest

from service.dicomweb.tables import open_database
from tests.service.dicomweb.conftest import Clock, postgresql, postgresql_url

__all__ = ["postgresql", "postgresql_url"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def database(request, spool_url):
    with open_database(spool_url if request.param == "sqlite" else request.getfixturevalue("postgresql_url")) as engine:
        yield engine
