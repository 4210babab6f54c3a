"""The trail: events go to one thread, which writes those that wait together: many films share one write to the disk."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from schemas.errors import AuditUnavailableError
from service.audit.files import AuditFile
from service.audit.hospital.forwarder import sending
from service.audit.record import AuditEntry, Event
from service.audit.syslog import Syslog
from service.metrics import Metrics
from service.settings import AuditSettings

TOGETHER: Final = 256
"""Events that are written at once, at most."""
WAITING: Final = 4096
"""Events that may wait for the disk; more are lost, and counted in the log."""
RETRY_S: Final = 2.0
"""How often the log tries by itself, after a failure, whether the disk accepts lines again."""
WRITE_S: Final = 5.0
"""A disk that takes longer counts as one that fails."""
REFUSALS_A_SECOND: Final = 10
"""Refusals that are written one by one: somebody who guesses keys must not fill the disk. The rest are counted."""

log = structlog.get_logger("service.audit")


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: AuditEntry
    written: Future[None] = field(default_factory=Future)


class Trail:
    """Takes events of one app from the event loop, and has them written; does nothing where no file is configured.

    Invariant: an event is a line of the file, or it is counted in the next line as omitted.
    """

    def __init__(
        self,
        settings: AuditSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._retry_s = retry_s
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._refuses = settings.on_failure == "refuse"
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(WAITING)
        self._omitted = 0
        self._omitted_lock = threading.Lock()
        self._failing = False
        self._refusals_of_second = (0, 0)
        self._note_written: Callable[[int], None] = lambda _: None

    @property
    def on(self) -> bool:
        """Whether a file is configured."""
        return self._settings.file is not None

    @property
    def writable(self) -> bool:
        """Whether work may begin: where the policy is to refuse, not from a failed write to the next that succeeds."""
        return not (self._failing and self._refuses)

    def check(self) -> None:
        """Begin nothing that could not be recorded.

        Raises:
            AuditUnavailableError: the last write failed, and the policy is to refuse.
        """
        if not self.writable:
            raise _unavailable()

    async def record(self, event: Event, **facts: Any) -> None:
        """Write an event, and return when it is written.

        Args:
            event: what happened.
            facts: the other fields of `AuditEntry`.

        Raises:
            AuditUnavailableError: it cannot be written, and the policy is to refuse.
        """
        if (waiting := self._put(event, facts)) is None:
            return
        try:
            async with asyncio.timeout(WRITE_S):
                await asyncio.wrap_future(waiting.written)
        except TimeoutError as error:  # it is in the queue, and will be written if the disk comes back
            self._failed(f"no answer of the disk within {WRITE_S:g} s", lost=0)
            if self._refuses:
                raise _unavailable() from error

    def record_without_waiting(self, event: Event, **facts: Any) -> None:
        """Write an event that nobody waits for."""
        second = int(self._clock())
        count = 0
        if event == "refusal":
            if self._refusals_of_second[0] == second:
                count = self._refusals_of_second[1]
            self._refusals_of_second = (second, count + 1)
        if count < REFUSALS_A_SECOND:
            self._put(event, facts)
        else:
            self._omit(1)

    def record_delivery(self, destination: str, study_instance_uid: str | None) -> None:
        """Write that results reached a destination; nobody waits for it."""
        facts = {"caller": "service", "destination": destination, "study_instance_uid": study_instance_uid}
        self.record_without_waiting("delivered", **facts)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Open the log, and write its start and its end.

        Raises:
            SettingsError: it cannot be opened.
        """
        settings = self._settings
        if settings.file is None:
            yield
            return
        file = AuditFile(settings.file, max_bytes=settings.max_bytes, sync=settings.sync)
        if file.torn_bytes:
            log.warning("audit_line_torn", torn_bytes=file.torn_bytes)
        with (
            contextlib.closing(file),
            contextlib.closing(Syslog(settings.syslog)) as syslog,
            sending(settings, file.head.sequence, self._metrics) as self._note_written,
        ):
            writer = threading.Thread(target=self._write_all, args=(file, syslog), name="audit")
            writer.start()
            self._put("started", {"caller": "service"})
            try:
                yield
            finally:
                self._put("stopped", {"caller": "service"})
                self._queue.put(None)
                writer.join()

    def _put(self, event: Event, facts: dict[str, Any]) -> _Waiting | None:
        if not self.on:
            return None
        if self._settings.atna is None:
            facts.pop("study_instance_uid", None)  # our own log names films by their hash
        waiting = _Waiting(AuditEntry(at=datetime.now(UTC), event=event, **facts))
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            self._failed(f"{WAITING} events wait for the disk", lost=1)
            self._answer(waiting)
        return waiting

    def _write_all(self, file: AuditFile, syslog: Syslog) -> None:
        ending = False
        while not ending:
            entries = self._take()
            ending = None in entries
            batch = [waiting for waiting in entries if waiting is not None]
            if not batch and self._failing and not ending:
                batch = [_Waiting(AuditEntry(at=datetime.now(UTC), event="resumed", caller="service"))]
            if batch:
                self._write(batch, file, syslog)

    def _take(self) -> list[_Waiting | None]:
        """The next events; the wait is short, as a caller whose own time is over may report a failure meanwhile."""
        entries: list[_Waiting | None] = []
        with contextlib.suppress(queue.Empty):
            entries.append(self._queue.get(timeout=self._retry_s))
            while len(entries) < TOGETHER:
                entries.append(self._queue.get_nowait())
        return entries

    def _write(self, batch: list[_Waiting], file: AuditFile, syslog: Syslog) -> None:
        omitted = self._omitted
        try:
            lines = file.append([waiting.entry for waiting in batch], omitted=omitted)
        except Exception as error:  # noqa: BLE001 supervisor: whatever the disk does, the next batch is tried
            reason = error.strerror if isinstance(error, OSError) else None
            self._failed(
                reason or "an unforeseen failure", lost=sum(waiting.entry.event != "resumed" for waiting in batch)
            )
        else:
            self._omit(-omitted)
            if self._failing:
                self._failing = False
                log.info("audit_resumed", omitted=omitted)
            for waiting in batch:
                self._metrics.audit_records.labels(waiting.entry.event).inc()
            self._copy(lines, syslog)
            self._note_written(file.head.sequence)
        for waiting in batch:
            self._answer(waiting)

    def _copy(self, lines: tuple[bytes, ...], syslog: Syslog) -> None:
        try:
            for line in lines:
                syslog.send(line)
        except OSError as error:
            self._metrics.audit_write_failures.inc()
            log.error("audit_syslog_failed", reason=error.strerror)  # noqa: TRY400 the reason says all

    def _answer(self, waiting: _Waiting) -> None:
        if not waiting.written.set_running_or_notify_cancel():
            return
        if not self.writable:
            waiting.written.set_exception(_unavailable())
        else:
            waiting.written.set_result(None)

    def _failed(self, reason: str, *, lost: int) -> None:
        self._failing = True
        self._omit(lost)
        self._metrics.audit_write_failures.inc()
        log.error("audit_write_failed", reason=reason, lost=lost, policy=self._settings.on_failure)

    def _omit(self, events: int) -> None:
        with self._omitted_lock:
            self._omitted += events


def _unavailable() -> AuditUnavailableError:
    msg = "what is answered cannot be recorded now, and this service answers nothing unrecorded; try again later"
    return AuditUnavailableError(msg)
