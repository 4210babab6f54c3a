"""What was issued about films: results that an archive has or may have, until they are withdrawn or forgotten.

Each function works in the transaction of its caller, who holds the film's row.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from schemas.analysis import ObjectReference
from schemas.results import WithdrawalReason
from service.dicomweb.history.tables import issues

FOR_DELIVERY: Final = ("analysed", "withdrawn", "refused")
"""States of films that may have objects which an archive is to get."""


@dataclass(frozen=True, slots=True)
class Issue:
    """The objects about one version of a film, by one bundle."""

    model_sha256: str
    header: bytes
    """A DICOM file: patient and study, as the objects name them (`service.results.history.header`)."""
    objects: tuple[ObjectReference, ...]
    content_sha256: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Results that are taken back, and why."""

    issues: Sequence[Issue]
    reason: WithdrawalReason | None = None
    """None: another content was sent under the film's UID."""
    successor: Issue | None = None
    """What replaces them; None: nothing does."""
    number: int = 1
    """InstanceNumber of what is written."""
    at: float = 0.0
    """In seconds since 1970."""


NotesWriter = Callable[[Withdrawal], Mapping[str, bytes]]
"""Writes what lets an archive reject the objects: DICOM files by their SOPInstanceUID."""


def record_issue(connection: Connection, film: tuple[str, str, str, int], issue: Issue, now: float) -> None:
    """Note what is being issued about a film, once: the same objects stay one issue.

    Args:
        connection: with the transaction.
        film: SOPInstanceUID, StudyInstanceUID, hash of the content, version.
        issue: the objects.
        now: in seconds since 1970.
    """
    uid, study, content, version = film
    names = {
        "sop_instance_uid": uid,
        "content_sha256": content,
        "version": version,
        "model_sha256": issue.model_sha256,
    }
    one = and_(*(issues.c[name] == value for name, value in names.items()))
    sent = connection.scalar(select(issues.c.sent).where(one)) or 0
    connection.execute(delete(issues).where(one))
    row = names | {"sent": sent} | {"study_instance_uid": study, "issued_at": now, "header": issue.header}
    objects = json.dumps([each.model_dump() for each in issue.objects])
    connection.execute(insert(issues).values(row | {"objects": objects}))


def issues_of(connection: Connection, sop_instance_uid: str, but: int | None = None) -> tuple[Issue, ...]:
    """All that was issued about a film, the oldest first; without the version `but`."""
    query = select(issues).where(issues.c.sop_instance_uid == sop_instance_uid).order_by(issues.c.issued_at)
    return tuple(_issue(row) for row in connection.execute(query) if row.version != but)


def forget_unsent(connection: Connection, sop_instance_uid: str) -> None:
    """Forget what was issued about a film and is not in any archive, since no attempt was made to send it."""
    one = (issues.c.sop_instance_uid == sop_instance_uid) & (issues.c.sent == 0)
    connection.execute(delete(issues).where(one))


def mark_sent(connection: Connection, sop_instance_uid: str) -> None:
    """An attempt is made to send what was issued about a film."""
    connection.execute(update(issues).where(issues.c.sop_instance_uid == sop_instance_uid).values(sent=1))


def forget_older(connection: Connection, sop_instance_uid: str, version: int | None) -> None:
    """Forget what was issued about other versions of a film, since an archive knows that it is withdrawn.

    Args:
        connection: with the transaction.
        sop_instance_uid: of the film.
        version: which stays; None: no version does.
    """
    older = issues.c.sop_instance_uid == sop_instance_uid
    if version is not None:
        older &= issues.c.version != version
    connection.execute(delete(issues).where(older))


def quiet_until(film: Row[Any], now: float) -> float:
    """When what may be on its way to the archive has come to its end; 0: nothing is."""
    return film.lease_until if film.state in FOR_DELIVERY and film.lease_until > now else 0.0


def _issue(row: Row[Any]) -> Issue:
    objects = tuple(ObjectReference.model_validate(each) for each in json.loads(row.objects))
    return Issue(row.model_sha256, row.header, objects, row.content_sha256, row.version)
