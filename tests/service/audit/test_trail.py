"""Rules of what is recorded, through the app; and of what happens where it cannot be."""

import asyncio
import re
import socket
from hashlib import sha256

import pytest

from service.audit.trail import Trail
from service.commands.audit import verify_log
from service.metrics import Metrics
from service.security.keys import KeyFile, new_key, write_keys
from service.settings import AuditSettings
from tests.fakes import GatedOpener
from tests.service.audit.lines import records
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film as dicom_film
from tests.service.dicomweb.films import stow
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = flat_film(200)
OTHER = flat_film(60)
PNG = {"Content-Type": "image/png"}


def digest(content):
    return sha256(content).hexdigest()


def of(log, *events):
    return [record for record in records(log) if record["event"] in events]


def metric(client, name):
    return client.services.metrics.registry.get_sample_value(name)


async def test_a_film_is_recorded_by_its_hash_with_who_which_model_and_what_was_decided(serve, log) -> None:
    async with serve(audit_file=log) as client:
        answer = (await client.post("/predict", content=FILM, headers=PNG | {"X-Request-ID": "film-9"})).json()
        (record,) = of(log, "film")

    assert {
        name: value for name, value in record.items() if name not in ("at", "sequence", "software", "previous")
    } == {
        "event": "film",
        "caller": "anonymous",
        "address": "127.0.0.1",
        "route": "/predict",
        "request_id": "film-9",
        "film_sha256": digest(FILM),
        "model_sha256": answer["model"]["sha256"],
        "label": "PNEUMONIA",
        "decision": "positive",
        "outcome": "ok",
    }
    assert [entry["event"] for entry in records(log)] == ["started", "film", "stopped"]


async def test_of_several_findings_the_decision_about_each_is_recorded(serve, log, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models", alone=True)
    async with serve(audit_file=log, models_dir=tmp_path / "models") as client:
        await client.post("/predict", content=flat_film(128), headers=PNG)
        (record,) = of(log, "film")

    assert (record["label"], record["decision"]) == ("Effusion", "abstain")
    assert record["findings"] == {"Effusion": "abstain", "Cardiomegaly": "negative", "Pneumothorax": "negative"}


async def test_the_log_of_several_starts_is_one_chain(serve, log) -> None:
    for _ in range(3):
        async with serve(audit_file=log) as client:
            await asyncio.gather(*(client.post("/predict", content=FILM, headers=PNG) for _ in range(8)))

    assert verify_log(log).head.sequence == 3 * (1 + 8 + 1)


async def test_every_film_of_a_batch_is_recorded_the_broken_one_with_its_problem(serve, log) -> None:
    parts = [("files", ("a", content, "image/png")) for content in (FILM, FILM[:60], OTHER)]
    async with serve(audit_file=log) as client:
        await client.post("/predict/batch", files=parts)
        found = {record["film_sha256"]: record["outcome"] for record in of(log, "film")}

    assert found == {digest(FILM): "ok", digest(FILM[:60]): "invalid_image", digest(OTHER): "ok"}


async def test_an_explanation_is_recorded(serve, log) -> None:
    async with serve(audit_file=log) as client:
        await client.post("/explain", content=FILM, headers=PNG)
        (record,) = of(log, "film")

    assert (record["route"], record["decision"]) == ("/explain", "positive")


@pytest.mark.parametrize(
    ("content", "headers", "outcome"),
    [
        (b"no film", PNG, "unsupported_image"),
        (FILM[:60], PNG, "invalid_image"),
        (FILM, {"Content-Type": "image/jpeg"}, "unsupported_image"),
    ],
)
async def test_a_refused_film_is_recorded_with_its_problem(serve, log, content, headers, outcome) -> None:
    async with serve(audit_file=log) as client:
        await client.post("/predict", content=content, headers=headers)
        (record,) = of(log, "film")

    assert (record["film_sha256"], record["outcome"], "label" in record) == (digest(content), outcome, False)


async def test_a_film_whose_deadline_passed_is_recorded(serve, log) -> None:
    opener = GatedOpener()
    async with serve(audit_file=log, open_engine=opener) as client:
        opener.engine.gate.clear()
        late = await client.post("/predict", content=FILM, headers=PNG | {"X-Deadline-Ms": "50"})
        opener.engine.gate.set()
        (record,) = of(log, "film")

    assert (late.status_code, record["outcome"]) == (504, "deadline_exceeded")


async def test_films_by_dicomweb_are_recorded_when_stored_and_when_analysed(serve, log, tmp_path) -> None:
    content = dicom_film("film")
    async with serve(audit_file=log, dicomweb=True, spool_url=f"sqlite:///{tmp_path}/spool/spool.db") as client:
        await client.post("/dicomweb/studies", **stow(content, content, b"rubbish"))
        await until(lambda: of(log, "analysed"))
    stored = of(log, "stored")
    (analysed,) = of(log, "analysed")

    assert [record["outcome"] for record in stored] == ["new", "known", "invalid_image"]
    assert {record["film_sha256"] for record in (*stored[:2], analysed)} == {digest(content)}
    assert (analysed["caller"], analysed["decision"]) == ("service", "positive")


async def test_what_an_administrator_does_is_recorded_before_and_after(serve, log, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models")
    async with serve(audit_file=log, models_dir=tmp_path / "models") as client:
        activated = (await client.post("/models/tiny/1.0.0/activate")).json()
        await client.post("/models/tiny/9.9.9/activate")
        await client.post("/admin/drain")
    found = [(record["route"], record["outcome"], record.get("model_sha256")) for record in of(log, "action")]

    assert found == [
        ("/models/{name}/{version}/activate", "begun", None),
        ("/models/{name}/{version}/activate", "ok", activated["sha256"]),
        ("/models/{name}/{version}/activate", "begun", None),
        ("/models/{name}/{version}/activate", "not_found", None),
        ("/admin/drain", "begun", None),
        ("/admin/drain", "ok", None),
    ]


async def test_who_is_refused_is_recorded_by_the_id_of_the_key_and_never_by_the_key(serve, log, tmp_path) -> None:
    key, entry = new_key("ris", ("predict",))
    write_keys(tmp_path / "keys.json", KeyFile(keys=(entry,)))
    async with serve(audit_file=log, api_keys_file=tmp_path / "keys.json") as client:
        await client.post("/predict", content=FILM, headers={"X-API-Key": key})
        await client.post("/admin/drain", headers={"X-API-Key": key})
        await client.post("/predict", content=FILM, headers={"X-API-Key": "guessed-secret"})
    (film,) = of(log, "film")
    refusals = of(log, "refusal")

    assert film["caller"] == entry.caller.identity
    assert [(record["caller"], record["route"], record["outcome"]) for record in refusals] == [
        (entry.caller.identity, "/admin/drain", "forbidden"),
        ("unknown", "/predict", "unauthenticated"),
    ]
    assert not {key, key.rsplit("_", 1)[1], "guessed-secret"} & set(re.findall(r"[\w-]+", log.read_text()))


async def test_guessing_keys_does_not_fill_the_disk_and_what_is_left_out_is_counted(serve, log, tmp_path) -> None:
    write_keys(tmp_path / "keys.json", KeyFile())
    async with serve(audit_file=log, api_keys_file=tmp_path / "keys.json") as client:
        trail = client.services.audit
        trail._clock = lambda: 7.0
        for _ in range(50):
            await client.post("/predict", content=FILM, headers={"X-API-Key": "guess"})
    told = records(log)

    assert len(of(log, "refusal")) == 10
    assert sum(record.get("omitted", 0) for record in told) == 40


async def test_on_a_full_disk_nothing_is_answered_where_the_policy_is_to_refuse(serve, log, logged) -> None:
    log.symlink_to("/dev/full")
    async with serve(audit_file=log) as client:
        await until(lambda: metric(client, "cxr_audit_write_failures_total"))  # the record of the start
        answers = [
            await client.post("/predict", content=FILM, headers=PNG),
            await client.post("/explain", content=FILM, headers=PNG),
            await client.post("/models/tiny/1.0.0/activate"),
            await client.get("/readyz"),
        ]
        alive = await client.get("/livez")

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "audit_unavailable")}
    assert {answer.headers["Retry-After"] for answer in answers} == {"30"}
    assert alive.status_code == 200
    assert {event["reason"] for event in logged if event["event"] == "audit_write_failed"} == {
        "No space left on device"
    }


async def test_a_late_failure_of_a_disk_that_has_nothing_to_do_is_forgotten_when_the_disk_is_tried(log) -> None:
    trail = Trail(AuditSettings(file=log), Metrics(), retry_s=0.01)
    with trail.running():
        await trail.record("started", caller="service")
        trail._failed("its line came when the caller had given up", lost=0)
        await until(lambda: trail.writable)

    assert of(log, "resumed")  # which is written after a failure alone


async def test_on_a_full_disk_films_are_answered_and_counted_where_the_policy_is_to_continue(
    serve, log, logged
) -> None:
    log.symlink_to("/dev/full")
    async with serve(audit_file=log, audit_on_failure="continue") as client:
        answers = [await client.post("/predict", content=FILM, headers=PNG) for _ in range(3)]
        ready = await client.get("/readyz")
        failures = metric(client, "cxr_audit_write_failures_total")

    assert [answer.status_code for answer in (*answers, ready)] == [200] * 4
    assert failures >= 4
    assert any(event["event"] == "audit_write_failed" and event["lost"] for event in logged)


async def test_without_a_file_nothing_is_kept(client) -> None:
    await client.post("/predict", content=FILM, headers=PNG)

    assert metric(client, "cxr_audit_write_failures_total") == 0
    assert not client.services.audit.on


@pytest.fixture
def syslog(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local, socket.socket(type=socket.SOCK_DGRAM) as network:
        local.bind(str(tmp_path / "log"))
        network.bind(("127.0.0.1", 0))
        for each in (local, network):
            each.settimeout(10)
        yield {str(tmp_path / "log"): local, f"udp://127.0.0.1:{network.getsockname()[1]}": network}


@pytest.mark.parametrize("which", [0, 1], ids=["local", "udp"])
async def test_each_line_goes_to_syslog_too(serve, log, syslog, which) -> None:
    address, receiver = list(syslog.items())[which]
    async with serve(audit_file=log, audit_syslog=address) as client:
        await client.post("/predict", content=FILM, headers=PNG)
    received = [receiver.recv(4096) for _ in range(3)]

    assert received == [b"<109>cxr-audit: " + line for line in log.read_bytes().splitlines()]


async def test_a_syslog_that_is_gone_is_counted_and_costs_no_film(serve, log, tmp_path) -> None:
    async with serve(audit_file=log, audit_syslog=str(tmp_path / "nobody")) as client:
        answer = await client.post("/predict", content=FILM, headers=PNG)
        await until(lambda: metric(client, "cxr_audit_write_failures_total") == 2)

    assert answer.status_code == 200
    assert len(records(log)) == 3
