"""The tables of jobs and of their films, in the database of the spool."""

from typing import Final

from sqlalchemy import (
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from service.dicomweb.tables import SHA256, SQLITE, UID, make_tables, transaction
from service.leases import free_crashed, lease_columns

metadata = MetaData()

jobs: Final = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, comment="in the order in which they came"),
    Column("id", String(32), nullable=False, unique=True),
    Column("caller", String(128), nullable=False),
    Column("idempotency_key", String(255), comment="NULL: it has none"),
    Column("fingerprint", SHA256, nullable=False, comment="of what was asked"),
    Column("source", String(8), nullable=False, comment="films, query or archive"),
    Column("state", String(16), nullable=False, comment="running, completed or cancelled"),
    Column("verify", Integer, nullable=False, comment="1: films are fetched although they were read before"),
    Column("notify", String(32), comment="name of the destination that is told of its end"),
    Column("created_at", Float(53), nullable=False),
    Column("finished_at", Float(53)),
    UniqueConstraint("caller", "idempotency_key"),
    Index("jobs_by_state", "state"),
)

films: Final = Table(
    "job_films",
    metadata,
    Column("number", Integer, primary_key=True, comment="in the order in which they were listed"),
    Column("job", Integer, ForeignKey(jobs.c.number), nullable=False),
    Column("kind", String(8), nullable=False, comment="film, member (of an archive) or search (of the PACS)"),
    Column("state", String(16), nullable=False),
    Column("study_instance_uid", UID),
    Column("series_instance_uid", UID),
    Column("sop_instance_uid", UID),
    Column("place", Text, comment="of a member its place in the archive, of a search what is asked; JSON"),
    Column("reused", Integer, nullable=False, server_default="0"),
    Column("decision", String(16)),
    Column("problem", String(64)),
    Column("detail", Text),
    *lease_columns(),
    UniqueConstraint("job", "sop_instance_uid"),
    Index("job_films_due", "state", "next_attempt_at"),
    Index("job_films_of_job", "job", "state"),
)


def create_tables(engine: Engine) -> None:
    """Make the tables where they are missing; what a killed process claimed in SQLite is free.

    Raises:
        SpoolUnavailableError: the database cannot be written.
    """
    with transaction(engine) as connection:
        make_tables(connection, metadata)
        if engine.dialect.name == SQLITE:
            free_crashed(connection, films)
