"""HL7 v2 to a RIS: what is sent, what follows of each answer, TLS, and a process that is killed."""

import json
import signal
import ssl

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from pydantic import ValidationError

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.destination import FinishedFilm, Parcel
from service.destinations.kinds.mllp import MESSAGE, MllpEntry, open_mllp
from tests.service.destinations.kinds.ris import END, START, FakeRis, acknowledgement
from tests.service.dicomweb.films import film as stored_film
from tests.service.dicomweb.films import stow, uid
from tests.service.dimse.certificates import Authority
from tests.service.results.films import analysis, film
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
KEY = "ABCDEFGHIJKLMNOPQR27"


@pytest.fixture
def ris():
    receiver = FakeRis()
    yield receiver
    receiver.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def tls_ris(authority):
    certificate, key = authority.vouch("ris")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    receiver = FakeRis(context)
    yield receiver
    receiver.close()


def entry(url, **fields):
    return MllpEntry(name="ris", kind="mllp", url=url, timeout_s=10, **fields)


FINISHED = FinishedFilm(film(PatientName="Müller^Jo", PatientID="7"), analysis(film()), {})


async def sent(url, **fields):
    async with open_mllp(entry(url, **fields), None) as destination:
        contents = destination.pack(FINISHED)
        await destination.send(Parcel(KEY, contents))
        return contents


async def test_a_film_is_one_message_under_the_key_of_its_parcel(ris) -> None:
    contents = await sent(ris.url, receiving_application="RIS", processing_id="T", stat_positives=True)

    assert (list(contents), list(ris.messages)) == ([MESSAGE], [KEY])
    message = parse_message(ris.messages[KEY].decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert (message.msh.msh_5.value, message.msh.msh_11.value, message.msh.msh_10.value) == ("RIS", "T", KEY)
    assert "Müller^Jo" in ris.messages[KEY].decode()
    assert b"TQ1|1||||||||S\r" in ris.messages[KEY]


async def test_every_attempt_is_the_same_message(ris) -> None:
    ris.answers = [None]
    with pytest.raises(DestinationUnreachableError, match="without an acknowledgement"):
        await sent(ris.url)
    await sent(ris.url)
    await sent(ris.url)

    assert ris.received == {KEY: 2}


def framed(text):
    return START + text + END


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda message: acknowledgement(message, "CA"), None, ""),
        (lambda message: b"\r\n" + acknowledgement(message)[:-1], None, ""),
        (lambda message: acknowledgement(message, "AE"), DestinationUnreachableError, "with AE; it is sent again"),
        (lambda message: acknowledgement(message, "AR"), DestinationRefusedError, "with AR; mend it there"),
        (
            lambda message: acknowledgement(message, "AE", more="ERR||PID^1|101^Doe|E\r"),
            DestinationRefusedError,
            "with AE and the error codes 101; mend",
        ),
        (
            lambda message: acknowledgement(message, "AR", more="ERR|||207\r"),
            DestinationUnreachableError,
            "error codes 207; it is sent again",
        ),
        (
            lambda message: acknowledgement(message, control_id="OTHER"),
            DestinationUnreachableError,
            "acknowledgement of another message",
        ),
        (framed(b"hello"), DestinationUnreachableError, "no acknowledgement"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", DestinationUnreachableError, "without an acknowledgement"),
        (b"no frame" + END, DestinationUnreachableError, "no frame of MLLP"),
        (b"\x0b" + b"x" * 70_000, DestinationUnreachableError, "over 65536 bytes"),
    ],
)
@pytest.mark.clause("HL7-v2 2.9.2", "MSA-2 has to be our MSH-10; each kind of answer has its consequence")
async def test_what_follows_of_an_answer(ris, answer, error, words) -> None:
    ris.answers = [answer]
    if error is None:
        await sent(ris.url)
        return
    with pytest.raises(error, match=words) as raised:
        await sent(ris.url)
    assert "Doe" not in str(raised.value)


async def test_a_receiver_that_never_answers_is_given_up(ris) -> None:
    ris.may_answer.clear()
    destination = MllpEntry(name="ris", kind="mllp", url=ris.url, timeout_s=0.2)
    async with open_mllp(destination, None) as opened:
        with pytest.raises(DestinationUnreachableError, match="no answer within timeout_s"):
            await opened.send(Parcel(KEY, opened.pack(FINISHED)))


async def test_where_nobody_listens_is_unreachable(ris) -> None:
    ris.close()
    with pytest.raises(DestinationUnreachableError, match="nothing listens at its address; check url"):
        await sent(ris.url)


@pytest.mark.clause("HL7-v2 MLLPS", "MLLP over TLS, with certificates of both sides")
async def test_over_tls_both_sides_show_a_certificate(tls_ris, authority) -> None:
    certificate, key = authority.vouch("cxr")
    await sent(tls_ris.url, ca_file=authority.file, tls_cert_file=certificate, tls_key_file=key)

    assert list(tls_ris.messages) == [KEY]
    assert tls_ris.peers[0]["subject"] == ((("commonName", "cxr"),),)


async def test_a_certificate_that_nobody_vouches_for_is_refused_on_either_side(tls_ris, authority, tmp_path) -> None:
    other = Authority(tmp_path, "other")
    certificate, key = other.vouch("stranger")
    with pytest.raises(DestinationUnreachableError, match="not trusted; give ca_file"):
        await sent(tls_ris.url, ca_file=other.file)
    with pytest.raises(DestinationUnreachableError):
        await sent(tls_ris.url, ca_file=authority.file, tls_cert_file=certificate, tls_key_file=key)

    assert tls_ris.messages == {}


@pytest.mark.parametrize(
    ("url", "fields", "words"),
    [
        ("http://ris:2575", {}, "must be mllps://HOST:PORT"),
        ("mllps://ris", {}, "must be mllps://HOST:PORT"),
        ("mllps://ris..hospital:2575", {}, "must be mllps://HOST:PORT"),
        ("mllps://ris:99999", {}, "must be mllps://HOST:PORT"),
        ("mllps://ris:2575/path", {}, "must be mllps://HOST:PORT"),
        ("mllps://me:secret@ris:2575", {}, "must be mllps://HOST:PORT"),
        ("mllp://ris:2575", {}, "unencrypted: true"),
        ("mllp://127.0.0.1:2575", {"ca_file": "ca.pem"}, "need TLS"),
        ("mllps://ris:2575", {"tls_cert_file": "a.pem"}, "belong together"),
        ("mllps://ris:2575", {"character_set": "KOI8-R"}, "must be one of UNICODE UTF-8"),
        ("mllps://ris:2575", {"processing_id": "X"}, "processing_id"),
    ],
)
def test_an_entry_that_cannot_work_is_refused(url, fields, words) -> None:
    with pytest.raises(ValidationError, match=words):
        entry(url, **fields)


def test_plain_text_to_another_machine_is_for_those_who_say_so() -> None:
    assert not entry("mllp://ris:2575", unencrypted=True).encrypted
    assert entry("mllps://ris:2575").encrypted


@pytest.fixture
def start(tiny_models, spool_url, ris, tmp_path):
    file = tmp_path / "destinations.yaml"
    file.write_text(json.dumps({"destinations": [{"name": "ris", "kind": "mllp", "url": ris.url}]}))
    servers = []

    def started():
        servers.append(Server(tiny_models, dicomweb="true", spool_url=spool_url, destinations=file))
        return servers[-1]

    yield started
    ris.may_answer.set()
    for server in servers:
        server.end()


def destinations_of(server, name):
    return server.client.get(f"/results/{uid(name)}").json()["destinations"]


@pytest.mark.process
@pytest.mark.clause("HL7-v2 MSH-10", "after SIGKILL before the acknowledgement the message comes under the same MSH-10")
def test_a_message_that_was_stored_and_not_yet_acknowledged_is_kept_once_after_a_kill(start, ris) -> None:
    ris.may_answer.clear()
    server = start()
    server.client.post("/dicomweb/studies", **stow(stored_film("film"))).raise_for_status()
    ris.wait_for(1)
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()
    ris.may_answer.set()
    again = start()
    wait_until(
        lambda: [each["state"] for each in destinations_of(again, "film")] == ["delivered"],
        "the message is acknowledged",
    )

    assert len(ris.messages) == 1
    assert list(ris.received.values()) == [2]
    (key,) = ris.messages
    assert len(key) == 20


@pytest.mark.process
def test_of_several_films_each_is_one_message_under_kills_and_refusals(start, ris) -> None:
    names = [f"film {number}" for number in range(4)]
    ris.answers = [None, b"nonsense" + END]
    server = start()
    server.client.post("/dicomweb/studies", **stow(*map(stored_film, names))).raise_for_status()
    ris.wait_for(1)
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()
    again = start()
    wait_until(
        lambda: [each["state"] for name in names for each in destinations_of(again, name)] == ["delivered"] * 4,
        "every message is acknowledged",
    )
    again.terminate()

    studies = [message.split(b"113014^DICOM Study^DCM||")[1].split(b"|")[0] for message in ris.messages.values()]
    assert len(studies) == len(names)
    said = "".join(again.lines)
    assert not any(uid(name) in said for name in names)
