"""The studies of the films: numbers for their results, and when a study's summary is due.

Each function works in the transaction of its caller.
"""

from typing import Any, Final

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.dicomweb.history.tables import studies
from service.dicomweb.tables import SQLITE

REMEMBERED_S: Final = 30 * 24 * 3600.0
"""A study whose films were forgotten keeps its last number this long: a late film gets a number of its own."""


def next_number(connection: Connection, study_instance_uid: str, now: float) -> int:
    """InstanceNumber of the next film's results: no other film of the study has it."""
    _ensure(connection, study_instance_uid, now)
    is_study = studies.c.study_instance_uid == study_instance_uid
    counted = {"last_number": studies.c.last_number + 1, "changed_at": now}
    connection.execute(update(studies).where(is_study).values(counted))
    return int(connection.scalars(select(studies.c.last_number).where(is_study)).one())


def touch(connection: Connection, study_instance_uid: str, due_at: float, now: float) -> None:
    """Something has changed in the study: its summary is due at `due_at`."""
    _ensure(connection, study_instance_uid, now)
    is_study = studies.c.study_instance_uid == study_instance_uid
    connection.execute(update(studies).where(is_study).values(due_at=due_at, changed_at=now))


def forget_studies(connection: Connection, now: float) -> None:
    """Forget studies in which nothing has changed for long."""
    connection.execute(delete(studies).where(studies.c.changed_at <= now - REMEMBERED_S))


def _ensure(connection: Connection, study_instance_uid: str, now: float) -> None:
    row = {"study_instance_uid": study_instance_uid, "last_number": 0, "due_at": 0.0, "changed_at": now}
    dialect: Any = sqlite if connection.dialect.name == SQLITE else postgresql
    connection.execute(dialect.insert(studies).values(row).on_conflict_do_nothing())
