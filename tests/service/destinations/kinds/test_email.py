"""Rules of messages, with a real mail server (aiosmtpd): with TLS, with STARTTLS, with a login."""

import ssl
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.destination import Parcel
from service.destinations.kinds.email import EmailEntry, open_email
from service.destinations.kinds.surroundings import Surroundings
from service.settings import DimseSettings
from tests.service.destinations.kinds.test_webhook import PATIENT, finished, suspension
from tests.service.dimse.certificates import Authority

pytestmark = pytest.mark.anyio

NOWHERE = Surroundings(None, DimseSettings())
KEY = "ABCDEFGHIJKLMNOPQRST"


class Handler:
    """Keeps messages; answers what a test says."""

    def __init__(self) -> None:
        self.messages: list = []
        self.to_recipient: dict[str, str] = {}
        self.to_data: list[str] = []

    async def handle_RCPT(  # noqa: N802 the name that aiosmtpd calls
        self, server, session, envelope, address, options
    ) -> str:
        if (answer := self.to_recipient.get(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 the name that aiosmtpd calls
        self, server, session, envelope
    ) -> str:
        if self.to_data:
            return self.to_data.pop(0)
        self.messages.append((session.auth_data, session.ssl is not None, envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


class Mail(Controller):
    def __init__(self, handler, tls, *, implicit, **options) -> None:
        self._implicit = implicit
        self._options = options
        context = tls if implicit else None
        super().__init__(handler, hostname="127.0.0.1", port=0, ready_timeout=60, ssl_context=context)
        self._tls = tls

    def factory(self) -> SMTP:
        return SMTP(self.handler, tls_context=None if self._implicit else self._tls, **self._options)

    def _trigger_server(self) -> None:
        self.port = self.bound  # it was 0
        super()._trigger_server()

    @property
    def bound(self) -> int:
        server: Any = self.server
        return server.sockets[0].getsockname()[1]


def authenticated(server, session, envelope, mechanism, data) -> AuthResult:
    right = (data.login, data.password) == (b"cxr", "p\u00e4ss".encode())
    return AuthResult(success=right, handled=False, auth_data="cxr" if right else None)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def mail(authority):
    servers = []

    def start(*, implicit=False, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.vouch("mail"))
        server = Mail(Handler(), context, implicit=implicit, **options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        if not server.loop.is_closed():
            server.stop()


def entry(server, authority, **changes):
    row = {
        "name": "duty",
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.bound,
        "ca_file": authority.file,
        "sender": "cxr@hospital.example",
        "recipients": ["duty@hospital.example"],
        "page_url": "https://cxr.hospital.example/",
    }
    return EmailEntry.model_validate(row | changes)


@pytest.mark.parametrize(("implicit", "security"), [(False, "starttls"), (True, "tls")])
async def test_a_message_is_sent_over_tls_with_a_login_and_names_no_patient(
    mail, authority, tmp_path, implicit, security
) -> None:
    login = tmp_path / "login"
    login.write_text("cxr:p\u00e4ss\n")
    server = mail(implicit=implicit, authenticator=authenticated, auth_require_tls=not implicit)
    async with open_email(entry(server, authority, security=security, login_file=login), NOWHERE) as email:
        await email.send(Parcel(KEY, email.pack(finished())))

    ((who, _, recipients, text),) = server.handler.messages
    assert (who, recipients) == ("cxr", ["duty@hospital.example"])
    assert "Subject: CXR: a positive result" in text
    assert "See https://cxr.hospital.example/" in text
    assert f"Message-ID: <{KEY}@hospital.example>" in text
    for value in (*PATIENT.values(), "1.2.826"):
        assert value not in text


async def test_a_suspension_is_told_with_its_reason(mail, authority) -> None:
    server = mail()
    async with open_email(entry(server, authority), NOWHERE) as email:
        await email.send(Parcel(KEY, email.pack_suspension(suspension())))

    assert "sensitivity fell below 0.8" in server.handler.messages[0][3]
    assert "Subject: CXR: answers suspended" in server.handler.messages[0][3]


async def test_a_server_that_is_not_trusted_gets_no_login_and_no_message(mail, authority, tmp_path) -> None:
    (tmp_path / "other").mkdir()
    server = mail()
    other = Authority(tmp_path / "other", "other")
    async with open_email(entry(server, other), NOWHERE) as email:
        with pytest.raises(DestinationUnreachableError, match="its certificate is not trusted; give ca_file"):
            await email.send(Parcel(KEY, email.pack(finished())))

    assert server.handler.messages == []


async def test_a_wrong_login_is_tried_again_for_it_can_be_mended(mail, authority, tmp_path) -> None:
    login = tmp_path / "login"
    login.write_text("cxr:wrong")
    server = mail(authenticator=authenticated, auth_required=True)
    async with open_email(entry(server, authority, login_file=login), NOWHERE) as email:
        with pytest.raises(DestinationUnreachableError, match="it refused the login"):
            await email.send(Parcel(KEY, email.pack(finished())))


async def test_a_busy_server_is_tried_again_and_a_refusal_is_not(mail, authority) -> None:
    server = mail()
    server.handler.to_data = ["451 try later", "554 no"]
    async with open_email(entry(server, authority), NOWHERE) as email:
        with pytest.raises(DestinationUnreachableError, match="reply 451"):
            await email.send(Parcel(KEY, email.pack(finished())))
        with pytest.raises(DestinationRefusedError, match="reply 554"):
            await email.send(Parcel(KEY, email.pack(finished())))


async def test_one_unknown_recipient_keeps_no_message_from_the_others(mail, authority, logged) -> None:
    server = mail()
    server.handler.to_recipient = {"gone@hospital.example": "550 unknown"}
    both = ["duty@hospital.example", "gone@hospital.example"]
    async with open_email(entry(server, authority, recipients=both), NOWHERE) as email:
        await email.send(Parcel(KEY, email.pack(finished())))
    async with open_email(entry(server, authority, recipients=both[1:]), NOWHERE) as email:
        with pytest.raises(DestinationRefusedError, match="mend the addresses"):
            await email.send(Parcel(KEY, email.pack(finished())))

    assert server.handler.messages[0][2] == ["duty@hospital.example"]
    assert next(event for event in logged if event["event"] == "mail_recipients_refused")["recipients"] == 1


async def test_a_server_that_is_away_is_tried_again(mail, authority) -> None:
    server = mail()
    away = entry(server, authority)
    server.stop()
    async with open_email(away, NOWHERE) as email:
        with pytest.raises(DestinationUnreachableError, match="no connection to it; check host and port"):
            await email.send(Parcel(KEY, email.pack(finished())))


def test_nothing_leaves_this_machine_without_tls(mail, authority) -> None:
    with pytest.raises(ValueError, match="security must be starttls or tls"):
        entry(mail(), authority, host="mail.hospital.example", security="none")
