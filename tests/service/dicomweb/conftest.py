"""An app that takes films by DICOMweb, and an archive for its results."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from service.dicomweb.tables import open_database
from tests.service.dicomweb import postgresql as postgresql_server


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(spool_url: str) -> Iterator[Engine]:
    with open_database(spool_url) as engine:
        yield engine


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of either kind, one after the other."""
    url = (
        f"sqlite:///{tmp_path}/spool/spool.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgresql_url")
    )
    with open_database(url) as engine:
        yield engine


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Start of the address of a server for this session."""
    if postgresql_server.binaries() is None:
        pytest.skip("PostgreSQL (Debian package postgresql) is not installed")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        postgresql_server.server(Path(folder)) as address,
    ):
        yield address


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """Address of an empty database."""
    name = f"spool_{uuid.uuid4().hex}"
    engine = create_engine(postgresql.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgresql.format(database=name)
