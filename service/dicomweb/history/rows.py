"""Rows of films and their bytes: what a new one holds, and what is looked up in the transaction of a caller."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, exists, func, insert, select, update

from imaging.dicom.header.exposures import FOR_PRESENTATION, FOR_PROCESSING
from schemas.errors import SpoolFullError
from service.dicomweb.history.issues import FOR_DELIVERY
from service.dicomweb.instance import Instance
from service.dicomweb.tables import HAS_BYTES, instances, payloads
from service.leases import AT_ONCE, CARRIED, carried_now

BACKFILL: Final = "backfill"
"""The priority below all others, and in `Spool.claim` the state of what waits for its analysis with it."""
RANK: Final = case({"stat": 0, "routine": 1}, value=instances.c.priority, else_=2)
"""By which films of different priorities are taken, the lowest first."""
PROCESSING_WAIT_S: Final = 30.0
"""For which a film FOR PROCESSING waits for the one FOR PRESENTATION of its exposure, at most."""
UNTOUCHED: Final[dict[str, Any]] = {
    "attempts": 0,
    "crashes": 0,
    "lease_until": 0.0,
    "token": None,
    "problem": None,
    "detail": None,
}
"""Of a film that nobody has worked on."""


def row_of(instance: Instance, study_quiet_s: float, now: float) -> dict[str, Any]:
    """The row of a film that has just come; without priority, bundle and number.

    Args:
        instance: the film.
        study_quiet_s: for which a study must be quiet; what is FOR PROCESSING does not wait longer.
        now: in seconds since 1970.
    """
    waits_s = min(study_quiet_s, PROCESSING_WAIT_S) if instance.exposure.intent == FOR_PROCESSING else 0.0
    return {
        "sop_instance_uid": instance.sop_instance_uid,
        "study_instance_uid": instance.study_instance_uid,
        "sha256": instance.content_sha256,
        "state": "received",
        "received_at": now,
        "changed_at": now,
        "next_attempt_at": now + waits_s if waits_s else AT_ONCE,
        "size_bytes": len(instance.content),
        "intent": instance.exposure.intent,
        "exposure": instance.exposure.key,
        "source_uid": instance.exposure.source_uid,
        "record": None,
        "withdrawn_for": None,
        **dict.fromkeys(CARRIED),
        **carried_now(),
        **UNTOUCHED,
    }


def locked(connection: Connection, sop_instance_uid: str) -> Row[Any] | None:
    """The film's row, which nobody else changes until the transaction ends."""
    is_film = instances.c.sop_instance_uid == sop_instance_uid
    return connection.execute(select(instances).where(is_film).with_for_update()).one_or_none()


def put(connection: Connection, sop_instance_uid: str, contents: Mapping[str, bytes]) -> int:
    """Let these be all bytes of a film; returns how many."""
    connection.execute(delete(payloads).where(payloads.c.sop_instance_uid == sop_instance_uid))
    for name, content in contents.items():
        row = {"sop_instance_uid": sop_instance_uid, "name": name, "content": content}
        connection.execute(insert(payloads).values(row))
    return sum(map(len, contents.values()))


def contents_of(connection: Connection, sop_instance_uid: str) -> dict[str, bytes]:
    """The bytes of a film, by their names."""
    query = select(payloads.c.name, payloads.c.content).where(payloads.c.sop_instance_uid == sop_instance_uid)
    return {row.name: row.content for row in connection.execute(query)}


def needs_no_work(film: Row[Any], model_sha256: str) -> bool:
    """Whether a film that is sent again with the same content has been read, or its results withdrawn."""
    return film.withdrawn_for is not None or (film.state != "failed" and film.model_sha256 == model_sha256)


def hurry(connection: Connection, film: Row[Any], priority: str) -> None:
    """Let a film that waits with the priority of a backfill have another one, with which it was sent again."""
    if film.state == "received" and film.priority == BACKFILL != priority:
        is_film = instances.c.sop_instance_uid == film.sop_instance_uid
        connection.execute(update(instances).where(is_film).values(priority=priority))


def presented(connection: Connection, film: Row[Any]) -> str | None:
    """The film FOR PRESENTATION of the exposure of one FOR PROCESSING, where it is known."""
    if film.intent != FOR_PROCESSING:
        return None
    is_same = instances.c.source_uid == film.sop_instance_uid
    if film.exposure is not None:
        is_same |= instances.c.exposure == film.exposure
    in_study = instances.c.study_instance_uid == film.study_instance_uid
    presents = (instances.c.intent == FOR_PRESENTATION) & instances.c.withdrawn_for.is_(None)
    return connection.scalar(select(instances.c.sop_instance_uid).where(in_study, presents, is_same).limit(1))


def films_with_bytes(connection: Connection) -> int:
    """How many films take up room."""
    return connection.scalar(select(func.count()).select_from(instances).where(HAS_BYTES)) or 0


def check_room(connection: Connection, capacity: int) -> None:
    """Let no more films than `capacity` hold bytes.

    Raises:
        SpoolFullError: there is no room.
    """
    if (waiting := films_with_bytes(connection)) >= capacity:
        msg = f"{waiting} films wait in the spool, which holds {capacity}; send the film again later"
        raise SpoolFullError(msg)


def waiting_for(state: str, now: float) -> ColumnElement[bool]:
    """Which films wait for a step; those of a backfill for their analysis only where no other film does."""
    if state == "analysed":
        return instances.c.state.in_(FOR_DELIVERY)
    is_backfill = instances.c.priority == BACKFILL
    if state == "received":
        return and_(instances.c.state == state, ~is_backfill)
    other = instances.alias("other")
    before = exists().where(
        other.c.state == "received",
        other.c.priority != BACKFILL,
        other.c.size_bytes > 0,
        other.c.next_attempt_at <= now,
    )
    return and_(instances.c.state == "received", is_backfill, ~before)
