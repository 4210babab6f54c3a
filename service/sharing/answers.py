"""Answers kept for requests that are sent again, in the shared database: to whichever replica they are sent."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, and_, delete, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from schemas.errors import FilmError, InvalidImageError
from service.capacity.kept_answers import Answers, KeptAnswer, RequestName, Turn, in_use, refuse_another
from service.sharing.buckets import digest_of
from service.sharing.clock import Clock, time_of_database
from service.sharing.database import SharedDatabase, SharedStateUnavailableError
from service.sharing.tables import answers

LEASE_S: Final = 15.0
"""A claim that is older is free again: the replica that worked on the request has died."""
RENEWAL_S: Final = 5.0
_TIDY_SHARE: Final = 64
"""A replica makes room after it has kept a 64th of all room: so far may the bound be exceeded, by each of them."""

log = structlog.get_logger("service.sharing.answers")


@dataclass(slots=True)
class SharedAnswers:
    """`Answers` of all replicas; `own` are those of this process while the database is away.

    Invariant: a row without an answer is leased, and its `token` is that of the turn which renews the lease.
    """

    database: SharedDatabase
    own: Answers
    kept_s: float
    at_most_bytes: int
    clock: Clock | None = None
    _kept_bytes: int = field(default=0, init=False)
    """Since room was made last."""

    @asynccontextmanager
    async def once(self, name: RequestName, fingerprint: bytes) -> AsyncIterator[Turn]:
        """The turn of a request; see `Answers`."""
        token = uuid.uuid4().hex
        key = digest_of(name.caller, name.route, name.key)
        try:
            answer = await self.database.call(
                "idempotency", lambda line: self._begin(line, key, name, fingerprint, token)
            )
        except SharedStateUnavailableError:
            async with self.own.once(name, fingerprint) as turn:
                yield turn
            return
        if answer is not None:
            yield Turn(answer)
            return
        turn = Turn()
        renewal = asyncio.create_task(self._renew(key, token))
        try:
            yield turn
        finally:
            renewal.cancel()
            await asyncio.shield(self._end(key, token, turn.answer))

    def tidy(self, connection: Connection) -> None:
        """Forget answers whose time is over, and leases of replicas that have died."""
        connection.execute(delete(answers).where(answers.c.until <= time_of_database(self.clock)))

    def _begin(
        self, connection: Connection, key: str, name: RequestName, fingerprint: bytes, token: str
    ) -> KeptAnswer | None:
        now = time_of_database(self.clock)
        values = {
            "caller": digest_of(name.caller), "fingerprint": fingerprint, "token": token, "until": now + LEASE_S,
            "kept_at": now, "size_bytes": 0, "body": null(), "media_type": null(), "failure": null(), "detail": null(),
        }  # fmt: skip
        claim = insert(answers).values(name=key, **values)
        free = claim.on_conflict_do_update(index_elements=[answers.c.name], set_=values, where=answers.c.until <= now)
        if connection.execute(free.returning(answers.c.name)).one_or_none() is not None:
            return None
        row = connection.execute(select(answers).where(answers.c.name == key)).one_or_none()
        if row is None:  # another replica has ended its turn without an answer in between
            raise in_use()
        if bytes(row.fingerprint) != fingerprint:
            refuse_another()
        if row.token is not None:
            raise in_use()
        return _answer_of(row)

    async def _end(self, key: str, token: str, answer: KeptAnswer | None) -> None:
        try:
            await self.database.call("idempotency", lambda line: self._finish(line, key, token, answer))
        except SharedStateUnavailableError:
            # The lease ends by itself: sent again within LEASE_S the request is refused, later it is worked on again.
            log.warning("answer_not_kept", reason="the shared state was lost while the request was worked on")

    def _finish(self, connection: Connection, key: str, token: str, answer: KeptAnswer | None) -> None:
        ours = and_(answers.c.name == key, answers.c.token == token)
        if answer is None or answer.size_bytes > self.at_most_bytes:
            connection.execute(delete(answers).where(ours))
            return
        now = time_of_database(self.clock)
        failure = answer.failure
        values = {"token": null(), "kept_at": now, "until": now + self.kept_s, "size_bytes": answer.size_bytes}
        values |= {"body": answer.body, "media_type": answer.media_type}
        values |= {} if failure is None else {"failure": failure.code, "detail": str(failure)}
        connection.execute(update(answers).where(ours).values(values))
        self._kept_bytes += answer.size_bytes
        if self._kept_bytes * _TIDY_SHARE >= self.at_most_bytes:
            self._kept_bytes = 0
            _make_room(connection, self.at_most_bytes)

    async def _renew(self, key: str, token: str) -> None:
        def work(connection: Connection) -> None:
            ours = and_(answers.c.name == key, answers.c.token == token)
            until = time_of_database(self.clock) + LEASE_S
            connection.execute(update(answers).where(ours).values(until=until))

        while True:
            await asyncio.sleep(RENEWAL_S)
            with suppress(SharedStateUnavailableError):  # counted and logged there
                await self.database.call("idempotency", work)


def _answer_of(row: Row[Any]) -> KeptAnswer:
    if row.failure is not None:
        return KeptAnswer(failure=failure_of(row.failure, row.detail))
    return KeptAnswer(bytes(row.body), row.media_type)


def failure_of(code: str, detail: str) -> FilmError:
    """Why a film could not be read, as another replica has kept it; a newer one may know more kinds of failures."""
    kinds = list(FilmError.__subclasses__())
    for kind in kinds:
        kinds += kind.__subclasses__()
    return next((kind for kind in kinds if kind.code == code), InvalidImageError)(detail)


def _make_room(connection: Connection, at_most_bytes: int) -> None:
    """Forget the oldest answers of the caller who has most, so that one caller does not push out those of others."""
    total = func.sum(answers.c.size_bytes)
    while True:
        query = select(answers.c.caller, total).group_by(answers.c.caller).order_by(total.desc())
        callers = [(caller, int(size)) for caller, size in connection.execute(query)]
        excess = sum(size for _, size in callers) - at_most_bytes
        if excess <= 0:
            return
        most, size = callers[0]
        lead = size - (callers[1][1] if len(callers) > 1 else 0)
        older = func.sum(answers.c.size_bytes).over(order_by=(answers.c.kept_at, answers.c.name)) - answers.c.size_bytes
        of_caller = and_(answers.c.caller == most, answers.c.token.is_(None))
        ranked = select(answers.c.name, older.label("older")).where(of_caller).subquery()
        gone = select(ranked.c.name).where(or_(ranked.c.older < min(excess, max(lead, 1)), ranked.c.older == 0))
        connection.execute(delete(answers).where(answers.c.name.in_(gone)))
