"""Sends the audit log on, record by record, from where it ended: a cursor in a file survives every restart.

Syslog confirms nothing. A record counts as sent once its connection has lived on for a while; where it breaks, what
was sent shortly before is sent again, and its sequenceId shows that it is the same.
"""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from bundle.files import write_whole
from schemas.errors import SettingsError
from service.audit.hospital.atna import message
from service.audit.hospital.log_reader import Line, LogReader
from service.audit.hospital.syslog_tls import SyslogConnection, frame
from service.metrics import Metrics
from service.outgoing.tls import ClientTls
from service.settings import AuditSettings
from service.settings.rules import named

TOGETHER: Final = 256
SETTLE_S: Final = 5.0
"""How long a connection must live on after a record for it to count as sent."""
LOOK_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
STOP_S: Final = 5.0
"""Time at the end in which what is written is still sent; the rest follows after the next start."""

log = structlog.get_logger("service.audit")


class Forwarder:
    """One log on its way to one repository.

    Invariant: the cursor's file names a record up to which all were sent; nothing behind it is forgotten.
    """

    def __init__(self, settings: AuditSettings, written: int, metrics: Metrics, *, settle_s: float = SETTLE_S) -> None:
        """Open what is needed; `written` is the number of the log's last record.

        Raises:
            SettingsError: certificates cannot be read, or the cursor cannot be read or written.
        """
        path = Path(settings.file or "").resolve()
        self._settings = settings
        self._metrics = metrics
        self._settle_s = settle_s
        self._reader = LogReader(path)
        self._file = path.with_name(path.name + ".atna")
        self._tls = ClientTls(settings.atna_ca_file, settings.atna_cert_file, settings.atna_key_file, "CXR_AUDIT_ATNA_")
        self._written = written
        self._settled = self._sent = self._cursor(written)
        self._unsettled: deque[tuple[float, int]] = deque()
        self._behind_since: float | None = None
        self._connection: SyslogConnection | None = None
        self._failures = 0
        self._host = socket.gethostname()
        self._news = threading.Event()
        self._ending = threading.Event()

    def note_written(self, sequence: int) -> None:
        """The log has grown up to this record."""
        self._written = sequence
        self._news.set()

    def end(self) -> None:
        """Let `run` send what is left, for a while, and return."""
        self._ending.set()
        self._news.set()

    def run(self) -> None:
        """Send until `end`."""
        deadline = None
        while True:
            self._news.clear()
            self._attempt()
            if self._ending.is_set():
                deadline = deadline or time.monotonic() + STOP_S
                if self._sent >= self._written or self._failures or time.monotonic() > deadline:
                    break
            elif self._failures:
                self._ending.wait(min(LONGEST_WAIT_S, LOOK_S * 2.0 ** min(self._failures - 1, 10)))
            else:
                self._news.wait(LOOK_S)
        self._finish()

    def _attempt(self) -> None:
        try:
            self._send_what_is_there()
        except Exception as error:  # noqa: BLE001 supervisor: whatever the network does, the records wait
            self._failed(error)
        else:
            if self._failures:
                log.info("audit_forwarding_resumed", attempts=self._failures)
            self._failures = 0
        now = time.monotonic()
        behind = self._sent < self._written
        self._behind_since = (self._behind_since or now) if behind else None
        self._metrics.audit_unsent.set(0.0 if self._behind_since is None else now - self._behind_since)

    def _send_what_is_there(self) -> None:
        if self._connection is None:
            if self._sent >= self._written:
                return
            self._connection = SyslogConnection(self._settings.atna or "", self._tls)
        self._connection.check()
        while lines := self._reader.lines(self._sent, up_to=self._written, at_most=TOGETHER):
            for line in lines:
                self._send(self._connection, line)
            if self._ending.is_set():
                break
        self._connection.check()
        self._settle(time.monotonic() - self._settle_s)

    def _send(self, connection: SyslogConnection, line: Line) -> None:
        if line.sequence != self._sent + 1:
            missing = line.sequence - self._sent - 1
            log.error(
                "audit_records_missing", records=missing, reason="their file was taken away before they were sent"
            )
        record = json.loads(line.content)
        settings = self._settings
        xml = message(record, source=settings.atna_source, site=settings.atna_site, host=self._host)
        connection.send(frame(xml, at=record["at"], host=self._host, sequence=line.sequence))
        self._sent = line.sequence
        self._unsettled.append((time.monotonic(), line.sequence))

    def _settle(self, before: float) -> None:
        settled = self._settled
        while self._unsettled and self._unsettled[0][0] <= before:
            settled = self._unsettled.popleft()[1]
        if settled != self._settled:
            write_whole(self._file, json.dumps({"sent": settled}).encode(), private=True)
            self._settled = settled

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._metrics.audit_write_failures.inc()
        if self._failures == 1:  # once for each outage
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            log.error("audit_forwarding_failed", reason=reason, unsent=self._written - self._settled)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._unsettled.clear()
        self._sent = self._settled  # what was sent shortly before may be lost

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.finish():
            try:
                self._settle(time.monotonic())
            except OSError as error:
                log.error("audit_cursor_not_written", reason=error.strerror)  # noqa: TRY400 the reason says all
        if self._settled < self._written:
            log.warning("audit_records_unsent", records=self._written - self._settled)

    def _cursor(self, written: int) -> int:
        """Where the last process ended; a log that was never sent is sent from its next record on."""
        try:
            if self._file.exists():
                sent = int(json.loads(self._file.read_bytes())["sent"])
                return sent if sent <= written else 0  # another log began since
            write_whole(self._file, json.dumps({"sent": written}).encode(), private=True)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not such a file"
            msg = (
                f"{named(self._file)}, which holds how far the audit log was sent (CXR_AUDIT_ATNA), cannot be used: "
                f"{reason}; mend it, or remove it to begin with the next record"
            )
            raise SettingsError(msg) from error
        return written


@contextmanager
def sending(settings: AuditSettings, written: int, metrics: Metrics) -> Iterator[Callable[[int], None]]:
    """Send the log on, in a thread of its own; what is given takes the number of the last record written.

    Raises:
        SettingsError: see `Forwarder`.
    """
    if settings.atna is None:
        yield lambda _: None
        return
    forwarder = Forwarder(settings, written, metrics)
    thread = threading.Thread(target=forwarder.run, name="audit-atna")
    thread.start()
    try:
        yield forwarder.note_written
    finally:
        forwarder.end()
        thread.join()
