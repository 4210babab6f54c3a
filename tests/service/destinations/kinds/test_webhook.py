"""Rules of webhooks, with a real receiver that checks signatures as the standard has it."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from schemas.errors import DestinationRefusedError, DestinationUnreachableError, SettingsError
from schemas.monitoring import StopLimit, Suspension
from service.destinations.destination import FinishedFilm, Parcel
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.webhook import WebhookEntry, open_webhook, signature
from service.settings import DimseSettings
from tests.service.dicomweb.films import film_dataset
from tests.service.receiver import Receiver
from tests.service.results.films import analysis

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOWHERE = Surroundings(None, DimseSettings())
PATIENT = {"PatientName": "Doe^Jane", "PatientID": "4711", "AccessionNumber": "A-1"}


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture
def entry(receiver, secret):
    def of(**changes):
        row = {"name": "chat", "kind": "webhook", "url": f"{receiver.url}/hook", "secret_file": secret}
        return WebhookEntry.model_validate(row | changes)

    return of


def finished(**attributes) -> FinishedFilm:
    source = film_dataset(**(PATIENT | attributes))
    return FinishedFilm(source, analysis(source), {})


def suspension() -> Suspension:
    limit = StopLimit.model_validate({"finding": "PNEUMONIA", "figure": "sensitivity", "at_least": 0.8})
    return Suspension(
        since=datetime(2026, 11, 29, tzinfo=UTC), limit=limit, bundle="chest-xray/1.2.0", films=40, wrong=12,
        evidence=500, needed=100, reason="sensitivity fell below 0.8", limits_sha256="a" * 64,
    )  # fmt: skip


def test_a_signature_is_the_one_of_the_standards_own_example() -> None:
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))

    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_film_is_posted_with_a_signature_and_names_no_patient(receiver, entry) -> None:
    async with open_webhook(entry(), NOWHERE) as webhook:
        contents = webhook.pack(finished())
        await webhook.send(Parcel("K" * 20, contents, "1.2"))

    (request,) = receiver.received
    signed = f"{'K' * 20}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = hmac.new(base64.b64decode(SECRET[6:]), signed, hashlib.sha256).digest()
    assert request.headers["webhook-id"] == "K" * 20
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert request.json["type"] == "film.analysed"
    assert request.json["data"]["decision"] == "positive"
    for value in PATIENT.values():
        assert value.encode() not in request.body


async def test_the_accession_number_is_named_where_the_operator_says_so(entry) -> None:
    async with open_webhook(entry(accession_number=True), NOWHERE) as webhook:
        body = json.loads(webhook.pack(finished())["body"])

    assert body["data"]["accession_number"] == "A-1"


async def test_while_a_secret_is_replaced_both_sign(receiver, entry, secret) -> None:
    async with open_webhook(entry(), NOWHERE) as webhook:
        secret.write_text(f"{SECRET}\nwhsec_{base64.b64encode(b'n' * 32).decode()}\n")
        await webhook.send(Parcel("K" * 20, webhook.pack(finished())))

    assert len(receiver.received[0].headers["webhook-signature"].split(" ")) == 2


async def test_a_suspension_is_an_event_that_an_operator_may_leave_out(entry) -> None:
    async with open_webhook(entry(), NOWHERE) as webhook:
        body = json.loads(webhook.pack_suspension(suspension())["body"])
    async with open_webhook(entry(suspensions=False), NOWHERE) as silent:
        assert silent.pack_suspension(suspension()) == {}

    assert (body["type"], body["data"]["reason"]) == ("service.suspended", "sensitivity fell below 0.8")


@pytest.mark.parametrize("status", [400, 410, 422])
async def test_what_another_attempt_would_not_change_is_refused(receiver, entry, status) -> None:
    receiver.statuses = [status]
    async with open_webhook(entry(), NOWHERE) as webhook:
        with pytest.raises(DestinationRefusedError, match=f"destination chat answered a webhook with status {status}"):
            await webhook.send(Parcel("K" * 20, webhook.pack(finished())))


@pytest.mark.parametrize("status", [301, 401, 404, 408, 429, 500, 503])
async def test_what_may_pass_is_tried_again(receiver, entry, status) -> None:
    receiver.statuses = [status]
    async with open_webhook(entry(), NOWHERE) as webhook:
        with pytest.raises(DestinationUnreachableError, match="it is sent again"):
            await webhook.send(Parcel("K" * 20, webhook.pack(finished())))
        await webhook.send(Parcel("K" * 20, webhook.pack(finished())))


@pytest.mark.parametrize("content", ["", "whsec_c2hvcnQ=", "not base64!"])
async def test_a_secret_that_is_none_stops_the_start(entry, secret, content) -> None:
    secret.write_text(content)

    with pytest.raises(SettingsError, match="must hold whsec_ and base64 of 24 to 64 bytes"):
        async with open_webhook(entry(), NOWHERE):
            pass
