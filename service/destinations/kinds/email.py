"""The kind `email`: a message that a result waits, or that the answers are suspended; it names no patient.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS), RFC 5322 3.6.4 (Message-ID).
"""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import structlog
from pydantic import Field, StringConstraints, model_validator

from schemas.errors import DestinationRefusedError, DestinationUnreachableError, SettingsError
from schemas.monitoring import Suspension
from service.destinations.destination import FinishedFilm, Parcel
from service.destinations.entry import Entry, NotificationRules
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.web import WebAddress, counterpart_of
from service.outgoing.credentials import Credentials
from service.outgoing.tls import ClientTls
from service.security.secret_file import read_login
from service.settings.loopback import is_loopback

SUBJECT: Final = "subject"
TEXT: Final = "text"
PERMANENT: Final = 500
"""Replies from here on are final, RFC 5321 4.2.1; those of a login are not: it can be mended."""
_AUTHENTICATED: Final = 235
"""RFC 4954 4."""
_WORDS: Final[Mapping[str, str]] = {
    "positive": "A chest radiograph with a positive result waits to be read.",
    "negative": "A chest radiograph was analysed; its result is negative.",
    "abstain": "A chest radiograph was analysed without an answer; it waits to be read.",
}
Mailbox = Annotated[str, StringConstraints(pattern=r"^[!-~]+@[A-Za-z0-9.\-]+$", max_length=254)]

log = structlog.get_logger("service.destinations")


class EmailEntry(Entry):
    """Recipients behind a mail server."""

    kind: Literal["email"]
    rules: NotificationRules = NotificationRules()
    host: str = Field(pattern=r"^[A-Za-z0-9.\-:]+$", description="mail server")
    port: int = Field(default=587, ge=1, le=65535, description="587 with starttls, 465 with tls")
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="none: on this machine alone")
    login_file: Path | None = Field(default=None, description="file with user:password; read for every message")
    ca_file: Path | None = Field(default=None, description="certificates that vouch for the server")
    sender: Mailbox
    recipients: tuple[Mailbox, ...] = Field(min_length=1, max_length=50)
    page_url: WebAddress | None = Field(default=None, description="the page of the service, for the link in a message")
    suspensions: bool = Field(default=True, description="also when the stop rule suspends the answers")

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            msg = "security must be starttls or tls, as the mail server is another machine"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Email:
    """A `Destination` that takes events too."""

    entry: EmailEntry
    tls: ClientTls

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """That a result waits, and where; of which film only the page shows."""
        decision = film.record.prediction.decision
        at = f"{film.record.analysed_at:%Y-%m-%d %H:%M} UTC"
        return self._message(
            f"CXR: a {decision} result" if decision != "abstain" else "CXR: no answer",
            [
                _WORDS[decision],
                f"It was analysed at {at}.",
            ],
        )

    def pack_suspension(self, suspension: Suspension) -> Mapping[str, bytes]:
        """That the answers are withheld, and why."""
        if not self.entry.suspensions:
            return {}
        lines = [
            "The stop rule has suspended the answers of the service: every film gets no answer.",
            suspension.reason,
        ]
        return self._message("CXR: answers suspended", lines)

    def _message(self, subject: str, lines: list[str]) -> Mapping[str, bytes]:
        link = [] if self.entry.page_url is None else [f"See {self.entry.page_url}"]
        note = "This message names no patient. It was sent by the CXR service."
        return {SUBJECT: subject.encode(), TEXT: "\n\n".join([*lines, *link, note]).encode()}

    async def send(self, parcel: Parcel) -> None:
        """See `Destination`; a repetition has the same Message-ID."""
        await asyncio.to_thread(self._send, parcel)

    def _send(self, parcel: Parcel) -> None:
        entry = self.entry
        message = EmailMessage(SMTP)
        message["From"] = entry.sender
        message["To"] = ", ".join(entry.recipients)
        message["Subject"] = parcel.contents[SUBJECT].decode()
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{parcel.key}@{entry.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers
        message.set_content(parcel.contents[TEXT].decode())
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except SettingsError as error:
            raise DestinationUnreachableError(str(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise _failure(entry.name, error) from error
        if refused:
            log.warning("mail_recipients_refused", destination=entry.name, recipients=len(refused))

    def _connected(self) -> smtplib.SMTP:
        entry = self.entry
        self.tls.refresh()
        if entry.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                entry.host, entry.port, timeout=entry.timeout_s, context=self.tls.context
            )
        else:
            server = smtplib.SMTP(entry.host, entry.port, timeout=entry.timeout_s)
        try:
            if entry.security == "starttls":
                server.starttls(context=self.tls.context)
            if entry.login_file is not None:
                _log_in(server, read_login(entry.login_file))
        except BaseException:
            server.close()
            raise
        return server


@asynccontextmanager
async def open_email(entry: EmailEntry, _: Surroundings) -> AsyncIterator[Email]:
    """Open one; the server is called at the first message.

    Raises:
        SettingsError: certificates or the login cannot be used.
    """
    Credentials(None, entry.login_file, counterpart_of(entry)).check()
    yield Email(entry, ClientTls(entry.ca_file, None, None))


def _log_in(server: smtplib.SMTP, login: str) -> None:
    user, _, password = login.partition(":")
    if login.isascii():
        server.login(user, password)
        return
    server.ehlo_or_helo_if_needed()  # smtplib knows ASCII alone; PLAIN is in UTF-8, RFC 4616 2
    credentials = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, reply = server.docmd("AUTH", f"PLAIN {credentials}")
    if code != _AUTHENTICATED:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _failure(name: str, error: Exception) -> DestinationUnreachableError | DestinationRefusedError:
    """What the mail server did, by its reply code alone: its text may quote addresses."""
    codes = [getattr(error, "smtp_code", None)]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    stated = ", ".join(sorted({str(code) for code in codes if code is not None})) or "none"
    is_login = isinstance(error, smtplib.SMTPAuthenticationError)
    if not is_login and codes and all(code is not None and code >= PERMANENT for code in codes):
        msg = (
            f"the mail server of destination {name} refused the message with reply {stated}; mend the addresses, then "
            "send POST /results/{sop_instance_uid}/retry"
        )
        return DestinationRefusedError(msg)
    what = "it refused the login" if is_login else _words(error)
    msg = f"the mail server of destination {name} took no message: {what} (reply {stated}); it is sent again"
    return DestinationUnreachableError(msg)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted; give ca_file the certificates that vouch for it"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should; check security and port"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS or no login; check security and port"
    if isinstance(error, TimeoutError):
        return "it did not answer within timeout_s"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return "no connection to it; check host and port"
    return "the exchange failed; see its log"
