"""The tables of films, of their bytes and of the outbox, and how their database is opened: SQLite or PostgreSQL."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from imaging.dicom.header.exposures import FOR_PROCESSING
from schemas.errors import SettingsError, SpoolUnavailableError
from service.dicomweb.database_faults import database_fault
from service.leases import free_crashed, lease_columns

SQLITE: Final = "sqlite"
_TABLES_LOCK: Final = 0x6378725F7461626C  # of PostgreSQL's advisory locks
UID = String(64)  # PS3.5 9.1
SHA256 = String(64)

metadata = MetaData()

instances: Final = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("sha256", SHA256, nullable=False, comment="of its content, `Instance.content_sha256`"),
    Column("model_sha256", SHA256, nullable=False),
    Column("priority", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("changed_at", Float(53), nullable=False),
    *lease_columns(),
    Column("size_bytes", Integer, nullable=False, comment="of its payloads; 0: there are none"),
    Column("problem", String(64)),
    Column("detail", Text),
    Column("record", Text, comment="schemas.analysis.AnalysisRecord as JSON"),
    Column("version", Integer, nullable=False, server_default="1", comment="one more for each content under the UID"),
    Column("number", Integer, nullable=False, server_default="0", comment="of its results in the study; 0: the film's"),
    Column("kind", String(8), nullable=False, server_default="film", comment="film, or a study's summary"),
    Column("withdrawn_for", String(16), comment="why an operator took its results back"),
    Column("intent", String(16), nullable=False, server_default="", comment="FOR PROCESSING, FOR PRESENTATION"),
    Column("exposure", SHA256, comment="the same for the images of one exposure"),
    Column("source_uid", UID, comment="SOPInstanceUID of the film that it was made from"),
    Index("due", "state", "next_attempt_at"),
    Index("instances_of_study", "study_instance_uid"),
)

payloads: Final = Table(
    "payloads",
    metadata,
    Column("sop_instance_uid", UID, ForeignKey(instances.c.sop_instance_uid), primary_key=True),
    Column("name", UID, primary_key=True, comment="source, or the SOPInstanceUID of a result object"),
    Column("content", LargeBinary, nullable=False),
)

parcels: Final = Table(
    "outbox_parcels",
    metadata,
    Column("id", Integer, primary_key=True, comment="in the order in which they were written"),
    Column("key", String(20), nullable=False, unique=True, comment="the same at every attempt, and nowhere else"),
    Column("destination", String(32), nullable=False, comment="its name in CXR_DESTINATIONS"),
    Column("sop_instance_uid", UID, comment="of the film; NULL: it is about an event of the service"),
    Column("study_instance_uid", UID),
    Column("state", String(16), nullable=False, comment="waiting, delivered or failed"),
    Column("created_at", Float(53), nullable=False),
    Column("changed_at", Float(53), nullable=False),
    *lease_columns(),
    Column("size_bytes", Integer, nullable=False, comment="of its contents; 0: there are none"),
    Column("problem", String(64)),
    Column("detail", Text),
    Index("parcels_due", "destination", "state", "next_attempt_at"),
    Index("parcels_of_film", "sop_instance_uid"),
)
"""What waits for the destinations in addition to the PACS. A parcel outlives its film where that is stored again."""

parcel_contents: Final = Table(
    "outbox_contents",
    metadata,
    Column("parcel_id", Integer, ForeignKey(parcels.c.id), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

HAS_BYTES: Final = instances.c.size_bytes > 0
SOURCE: Final = "source"
"""The name of the payload that is the film itself."""

log = structlog.get_logger("service.dicomweb.tables")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, on disk once it is left without an error.

    Raises:
        SpoolUnavailableError: the database cannot be read or written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        log.error("spool_failed", reason=database_fault(error))  # noqa: TRY400 its own text may hold a film
        msg = "the spool's database cannot be read or written now; send the film again later"
        raise SpoolUnavailableError(msg) from error


def remove_films(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Delete films with their bytes; returns how many."""
    which = select(instances.c.sop_instance_uid).where(condition)
    connection.execute(delete(payloads).where(payloads.c.sop_instance_uid.in_(which)))
    return connection.execute(delete(instances).where(condition)).rowcount


def scrub(engine: Engine) -> None:
    """Let nothing that was deleted stand in SQLite's journal; other databases keep house themselves."""
    if engine.dialect.name == SQLITE:
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def open_database(url: str) -> Iterator[Engine]:
    """Open the database and make the tables where they are missing; what a killed process claimed in SQLite is free.

    Raises:
        SettingsError: the address cannot be understood, or the database cannot be opened.
    """
    with open_engine(url, "CXR_SPOOL_URL", metadata) as engine:
        if engine.dialect.name == SQLITE:  # this process has the lock: the one that claimed has died
            with _refusing("CXR_SPOOL_URL"), engine.begin() as connection:
                for table in (instances, parcels):
                    free_crashed(connection, table)
                # A correction waits for what was being sent about the film; nothing is any more.
                new = (instances.c.attempts == 0) & (instances.c.intent != FOR_PROCESSING)
                connection.execute(update(instances).where(new).values(next_attempt_at=0.0))
        yield engine


@contextmanager
def open_engine(url: str, variable: str, tables: MetaData) -> Iterator[Engine]:
    """Open a database and make these tables where they are missing; of SQLite, one process alone has it.

    Args:
        url: its address.
        variable: the setting that holds it, for messages.
        tables: what has to be there.

    Raises:
        SettingsError: the address cannot be understood, or the database cannot be opened.
    """
    with ExitStack() as stack:
        with _refusing(variable):
            parsed = make_url(url)
            engine = (
                _open_sqlite(parsed.database, variable, stack)
                if parsed.get_backend_name() == SQLITE
                else create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
            )
            stack.callback(engine.dispose)
            with engine.begin() as connection:
                make_tables(connection, tables)
        yield engine


@contextmanager
def _refusing(variable: str) -> Iterator[None]:
    try:
        yield
    except (ArgumentError, ImportError, SQLAlchemyError, OSError) as error:
        msg = (
            f"{variable} names no database that can be opened: {database_fault(error)}; "
            "give sqlite:///FILE or postgresql+psycopg://HOST/NAME, and check that it may be written"
        )
        raise SettingsError(msg) from error


def make_tables(connection: Connection, tables: MetaData) -> None:
    """Make what is missing, and columns that came since an earlier version; each may be empty or has a default."""
    if connection.dialect.name != SQLITE:  # of replicas that start at once, all but one would fail
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TABLES_LOCK})")
    tables.create_all(connection)
    present = inspect(connection)
    for table in tables.sorted_tables:
        names = {column["name"] for column in present.get_columns(table.name)}
        for added in (CreateColumn(column) for column in table.columns if column.name not in names):
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added.compile(connection)}")
        if names < set(table.columns.keys()):
            for index in table.indexes:
                index.create(connection, checkfirst=True)


def _open_sqlite(database: str | None, variable: str, stack: ExitStack) -> Engine:
    if not database or database == ":memory:":
        msg = f"{variable} names no file: a spool in memory loses films; give sqlite:///FILE"
        raise SettingsError(msg)
    file = Path(os.path.realpath(database))  # one lock for one file, by whatever links it is named
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    try:
        for path in (file.with_name(file.name + ".lock"), *([file] if sys.platform == "linux" else [])):
            # The file itself has its second name by a hard link or a mount. Elsewhere flock and SQLite's locks meet.
            lock = stack.enter_context(path.open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:  # two processes on one spool would send films twice
        msg = f"another process uses this SQLite spool; give each its own, or share PostgreSQL by {variable}"
        raise SettingsError(msg) from error
    engine = create_engine(f"sqlite:///{file}", hide_parameters=True, connect_args={"timeout": 30})
    event.listen(engine, "connect", _configure_sqlite)
    # Exclusive from the start: a transaction that reads first and then writes could otherwise find another before it.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a commit is on the disk, also after a power cut
        "secure_delete=ON",  # what is deleted is overwritten: films of patients
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
