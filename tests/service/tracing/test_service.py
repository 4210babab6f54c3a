"""The real service process with a collector: one film is one trace, also across a kill, and names no patient."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml

from service.http.middleware import PROBES
from tests.imaging.files import dicom_bytes
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, film_dataset, stow, uid
from tests.service.receiver import Receiver
from tests.service.server import Server
from tests.service.test_patient_data import CHANNELS
from tests.waiting import wait_until

pytestmark = pytest.mark.process

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "hospital=7"}
CONVENTIONS = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "url.scheme",
    "url.path",
    "server.address",
    "server.port",
    "network.protocol.version",
    "error.type",
}
OURS = {"cxr.attempt", "cxr.bundle.name", "cxr.bundle.version", "cxr.format"}
NAMES = re.compile(
    r"(GET|POST|HTTP|OPTIONS)( /[a-z{}_/]*)?|load bundle|upload|prepare|decode|preprocess|queue|inference|explain|"
    r"audit|answer|store film|analyse film|deliver to (the PACS|chat)"
)


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def destinations(receiver, tmp_path):
    (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    row = {"name": "chat", "kind": "webhook", "secret_file": str(tmp_path / "secret"), "url": receiver.url}
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"destinations": [row]}))
    return file


@pytest.fixture
def start(tiny_models, tmp_path, archive, destinations, collector):
    servers = []

    def started(**settings):
        chosen = {"dicomweb": "true", "spool_url": f"sqlite:///{tmp_path}/spool.db", "pacs_url": archive.url}
        chosen |= {"destinations": destinations, "audit_file": tmp_path / "audit.jsonl", "log_format": "json"}
        servers.append(Server(tiny_models, **(chosen | settings)))
        return servers[-1]

    yield started
    archive.may_answer.set()
    for server in servers:
        server.end()


def lines(server):
    return [json.loads(line) for line in server.lines if line.startswith("{")]


@pytest.mark.scale("21.8 traces", "each stage of a film is a span below its caller; logs and exemplars")
def test_the_caller_finds_every_stage_of_a_film_below_the_own_span(start, collector) -> None:
    server = start()
    answer = server.client.post("/predict", content=flat_film(200), headers=CALLER)
    scraped = server.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text
    plain = server.client.get("/metrics").text
    server.terminate()
    spans = collector.of(TRACE)
    (request,) = (span for span in spans if span.kind == 2)

    assert answer.status_code == 200
    assert request.name == "POST /predict"
    assert request.parent_id == "b7ad6b7169203331"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/predict",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }
    stages = {"upload", "prepare", "decode", "preprocess", "queue", "inference", "audit", "answer"}
    assert {span.name for span in spans} == stages | {"POST /predict"}
    assert all(request.start_ns <= span.start_ns <= span.end_ns <= request.end_ns for span in spans)
    assert collector.named("load bundle")[0].attributes.keys() == {"cxr.bundle.name", "cxr.bundle.version"}
    (line,) = (line for line in lines(server) if line["event"] == "request_finished" and line["route"] == "/predict")
    assert (line["trace_id"], line["span_id"]) == (TRACE, request.span_id)
    exemplars = re.findall(r'(cxr_\w+)_bucket\{[^}]*\} \S+ # \{[^}]*trace_id="(\w+)"', scraped)
    assert {name for name, _ in exemplars} == {"cxr_stage_duration_seconds", "cxr_http_request_duration_seconds"}
    assert {trace for _, trace in exemplars} == {TRACE}
    assert "trace_id" not in plain
    assert not any(route in str(span.attributes) for span in collector.spans for route in PROBES)


@pytest.mark.scale("21.8 traces", "one trace from STOW-RS to PACS and webhook, across a kill")
def test_a_stored_film_is_one_trace_from_stow_to_pacs_and_webhook_although_the_process_is_killed_in_between(
    start, archive, receiver, collector
) -> None:
    archive.answers = [(503, {})] * 100
    server = start()
    request = stow(film())
    assert server.client.post("/dicomweb/studies", **(request | {"headers": request["headers"] | CALLER})).is_success
    wait_until(lambda: receiver.received and collector.named("deliver to the PACS"), "it was analysed and reported")
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()
    failed = collector.named("deliver to the PACS")[0]
    archive.answers.clear()
    second = start()
    state = f"/results/{uid('film')}"
    wait_until(lambda: second.client.get(state).json()["state"] == "delivered", "the PACS has it", timeout_s=90)
    second.terminate()
    by_id = {span.span_id: span for span in collector.of(TRACE)}
    (stored,) = collector.named("store film")
    (analysed,) = collector.named("analyse film")
    (reported,) = collector.named("deliver to chat")
    delivered = collector.named("deliver to the PACS")[-1]

    assert (stored.kind, analysed.kind, delivered.kind, reported.kind) == (4, 5, 5, 5)
    assert by_id[stored.parent_id].name == "POST /dicomweb/studies"
    assert analysed.parent_id == stored.span_id
    assert delivered.parent_id == failed.parent_id == reported.parent_id == analysed.span_id
    assert (failed.failed, failed.attributes["error.type"], delivered.failed) == (True, "pacs_unreachable", False)
    assert failed.resource["service.instance.id"] != delivered.resource["service.instance.id"]
    assert {"decode", "queue", "inference", "explain", "audit"} <= {span.name for span in by_id.values()}
    calls = [span for span in by_id.values() if span.kind == 3]
    assert {span.parent_id for span in calls} <= {each.span_id for each in collector.named("deliver to the PACS")} | {
        reported.span_id
    }
    sent = [headers for method, _, headers in archive.requests if method == "POST"][-1]
    got = {sent["traceparent"], receiver.received[0].headers["traceparent"]}
    assert got <= {f"00-{TRACE}-{span.span_id}-01" for span in calls}
    assert sent["tracestate"] == "hospital=7"


@pytest.mark.scale("21.8 traces", "no patient data in attributes, names, logs")
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom does not like some of the markers where it writes them
def test_no_attribute_name_or_log_line_holds_anything_of_a_film_or_its_sender(start, collector, monkeypatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")  # its own spans hold addresses and texts of errors
    marker = "QXZJKVWQXZJK"
    server = start()
    for address, body in (channel(marker) for channel in CHANNELS.values()):
        server.client.post(address, **body)
    named: dict[str, Any] = dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "InstitutionName"), marker)
    server.client.post("/dicomweb/studies", **stow(dicom_bytes(film_dataset("b", **named))))
    server.client.get(f"/results/{uid('b')}")
    wait_until(lambda: '"received"' not in server.client.get("/results").text, "the stored films are analysed")
    wait_until(lambda: collector.named("deliver to the PACS"), "a result is delivered")
    server.terminate()
    sent = b"".join(collector.texts)

    assert len(collector.spans) > 200
    leaks = {
        (span.name, key, value)
        for span in collector.spans
        for key, value in (span.attributes | span.resource).items()
        if marker in f"{span.name}{key}{value}"
    }
    assert leaks == set()
    assert marker.encode() not in sent
    assert b"1.2.826.0.1" not in sent  # the UIDs' root
    assert uid("b").encode() not in sent
    assert marker not in "".join(server.lines)
    assert {key for span in collector.spans for key in span.attributes} <= CONVENTIONS | OURS
    assert [span.name for span in collector.spans if not NAMES.fullmatch(span.name)] == []


@pytest.mark.scale("21.8 traces", "a collector that hangs slows no answer")
def test_a_collector_that_hangs_slows_no_answer(start, collector) -> None:
    collector.may_answer.clear()
    server = start()
    begun = time.monotonic()
    for _ in range(20):
        assert server.client.post("/predict", content=flat_film(60)).status_code == 200
    answered_s = time.monotonic() - begun
    begun = time.monotonic()
    code = server.terminate()

    assert answered_s < 10
    assert (code, time.monotonic() - begun < 15) == (0, True)
    assert [line["event"] for line in lines(server) if line["event"].startswith("traces_")] == [
        "traces_on",
        "traces_lost",
    ]


@pytest.mark.scale("21.8 traces", "an exporter that is not there is refused at the start")
def test_a_service_that_is_asked_for_what_it_has_not_refuses_to_start() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CXR_", "OTEL_"))}
    answer = subprocess.run(
        [sys.executable, "-m", "service"],
        env=environment | {"OTEL_TRACES_EXPORTER": "zipkin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode != 0
    assert "refused to start: OTEL_TRACES_EXPORTER='zipkin' is not an exporter of this service" in answer.stderr
