"""The tables of the surveillance, in the database of the spool; they outlast the films, and name no patient."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Engine, Float, Index, Integer, String, Table, Text, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from schemas.errors import SettingsError
from service.dicomweb.database_faults import database_fault
from service.dicomweb.tables import SQLITE, metadata

KEY = String(64)
"""A keyed digest, in hexadecimal digits; see `pseudonyms`."""

secrets: Final = Table(
    "surveillance_secret",
    metadata,
    Column("id", Integer, primary_key=True, comment="1: there is one"),
    Column("key", String(64), nullable=False, comment="of the keyed digests"),
)

readings: Final = Table(
    "surveillance_readings",
    metadata,
    Column("film_key", KEY, primary_key=True),
    Column("model_sha256", String(64), primary_key=True),
    Column("study_key", KEY, nullable=False),
    Column("accession_key", KEY),
    Column("report_key", KEY, nullable=False, comment="of the SR that was written about it"),
    Column("film_sha256", String(64), nullable=False, comment="as in the audit log"),
    Column("analysed_at", Float(53), nullable=False),
    Column("bundle", String(200), nullable=False, comment="NAME/VERSION"),
    Column("software", String(32), nullable=False),
    Column("label", String(64), nullable=False),
    Column("decision", String(8), nullable=False, comment="as it would be without a stop"),
    Column("suspended", Integer, nullable=False, comment="1: the answer was withheld by a stop"),
    Column("findings", Text, nullable=False, comment="JSON: by finding its decision and its probability"),
    Column("reasons", Text, nullable=False, comment="JSON: of an abstention"),
    Column("signals", Text, nullable=False, comment="JSON: what drift is computed from, by signal"),
    Column("station", String(16), nullable=False),
    Column("device", String(64), nullable=False),
    Column("view", String(16), nullable=False),
    Column("age_group", String(8), nullable=False),
    Index("readings_of_study", "study_key"),
    Index("readings_of_accession", "accession_key"),
    Index("readings_of_report", "report_key"),
    Index("readings_in_time", "analysed_at"),
)

verdicts: Final = Table(
    "surveillance_verdicts",
    metadata,
    Column("id", Integer, primary_key=True, comment="in the order in which they came"),
    Column("film_key", KEY, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("source", String(8), nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("truth", Text, nullable=False, comment="JSON: by finding whether it is present"),
    Index("verdicts_of_film", "film_key"),
)

registrations: Final = Table(
    "surveillance_limits",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("registered_at", Float(53), nullable=False),
    Column("content", Text, nullable=False),
)

suspensions: Final = Table(
    "surveillance_suspensions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("suspension", Text, nullable=False, comment="schemas.monitoring.Suspension as JSON"),
    Column("lifted_at", Float(53)),
    Column("lifted_by", String(128)),
    Column("lifted_because", Text),
)

outbox: Final = Table(
    "surveillance_outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event", String(16), nullable=False),
    Column("facts", Text, nullable=False, comment="JSON: what the audit log is still to record"),
)


@contextmanager
def open_for_reading(url: str) -> Iterator[Engine]:
    """Open the database beside a running service, which it does not disturb, to read alone.

    Raises:
        SettingsError: there is no such database, or it cannot be read.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != SQLITE:
            engine = create_engine(parsed, hide_parameters=True)
        else:
            file = Path(parsed.database or "").resolve()
            engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", hide_parameters=True)
        with engine.connect():
            pass
    except (ArgumentError, ImportError, SQLAlchemyError, OSError) as error:
        msg = f"CXR_SPOOL_URL names no database that can be read: {database_fault(error)}"
        raise SettingsError(msg) from error
    try:
        yield engine
    finally:
        engine.dispose()
