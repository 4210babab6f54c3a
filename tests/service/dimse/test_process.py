"""The real processes: what was confirmed by C-STORE survives kill -9 of either, and no log names a patient."""

import os
import signal
import subprocess
import sys

import pytest

from service.commands.command import ExitCode
from tests.service.companion import receiver_for
from tests.service.dicomweb.films import film, uid
from tests.service.dimse.calls import connect, echo, p_data, raw_association, store
from tests.service.dimse.pacs import DimseArchive
from tests.service.server import ROOT, Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process

MARKER = "ZYXWVUT"


@pytest.fixture
def pacs():
    archive = DimseArchive(commits="back")
    yield archive
    archive.close()


@pytest.fixture
def start(tiny_models, spool_url, pacs):
    """Start the service; its results go to the archive."""
    servers = []

    def started(**settings):
        servers.append(Server(tiny_models, dicomweb="true", spool_url=spool_url, pacs_dimse=pacs.address, **settings))
        return servers[-1]

    yield started
    pacs.may_answer.set()
    for server in servers:
        server.end()


@pytest.fixture
def receive():
    receivers = []

    def started(server, **settings):
        receivers.append(receiver_for(server, **settings))
        return receivers[-1]

    yield started
    for receiver in receivers:
        receiver.end()


def kill(server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()


def states(server):
    return {entry["sop_instance_uid"]: entry["state"] for entry in server.client.get("/results").json()["results"]}


def delivered(server, *names) -> None:
    wait_until(lambda: states(server) == {uid(name): "delivered" for name in names}, "every film delivered")


def each_result_once(pacs, films):
    return len(pacs.stored) == 3 * films and set(pacs.stored.values()) == {1}


@pytest.mark.clause("PS3.4 B.2", "what C-STORE has confirmed survives SIGKILL of both processes")
def test_films_go_in_and_results_come_out_by_dimse_and_both_processes_may_be_killed_between(
    start, receive, pacs
) -> None:
    pacs.may_answer.clear()
    server = start()
    receiver = receive(server)
    assert [store(receiver.port, film(name)) for name in ("a", "b")] == [0, 0]
    receiver.end(signal.SIGKILL)
    assert pacs.asked.acquire(timeout=60)  # the archive has a result, and the service does not know it
    kill(server)
    pacs.may_answer.set()
    server = start()
    receiver = receive(server)
    assert [store(receiver.port, film(name)) for name in ("a", "c")] == [0, 0]
    delivered(server, "a", "b", "c")

    assert each_result_once(pacs, 3)
    assert receiver.end() == ExitCode.DONE


def test_a_film_that_was_not_confirmed_may_be_sent_again_and_is_analysed_once(start, receive, pacs) -> None:
    server = start()
    receiver = receive(server)
    kill(server)
    assert store(receiver.port, film("a")) == 0xA700
    server = start(port=server.port)
    assert store(receiver.port, film("a")) == 0
    delivered(server, "a")

    assert each_result_once(pacs, 1)


def test_a_commitment_on_another_association_reaches_the_delivery_that_waits_for_it(start, receive, pacs) -> None:
    server = start(pacs_commit="true")
    receiver = receive(server)
    pacs.called_back = receiver.port
    assert store(receiver.port, film("a")) == 0
    delivered(server, "a")

    wait_until(lambda: set(pacs.reported) == {0}, "the archive has its answer")
    assert each_result_once(pacs, 1)


def test_the_logs_of_both_processes_name_no_patient_no_uid_and_no_title(start, receive, pacs) -> None:
    server = start()
    receiver = receive(server, dimse_calling_titles="MODALITY")
    tags = dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "AccessionNumber", "InstitutionName"), MARKER)
    dates = {"StudyDate": MARKER, "PatientBirthDate": MARKER}
    content = film("marked", **tags, **dates)
    assert store(receiver.port, content) == 0
    delivered(server, "marked")
    assert store(receiver.port, content.replace(b"200", b"201")) == 0
    assert echo(receiver.port, calling=MARKER) is None
    for rubbish in (MARKER.encode() * 100, p_data(MARKER.encode(), last=True, command=True)):
        for connection in (connect(receiver.port), raw_association(receiver.port, calling="MODALITY")):
            connection.sendall(rubbish)
            connection.close()
    assert echo(receiver.port) == 0
    receiver.end()
    server.terminate()
    written = "".join(receiver.lines + server.lines)

    assert "association_refused" in written
    assert MARKER not in written
    assert uid("marked") not in written
    assert "1.2.826.0.1" not in written
    assert not [line for line in receiver.lines if "Traceback" in line]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"dimse_host": "0.0.0.0"}, "CXR_DIMSE_CALLING_TITLES"),
        ({"dimse_tls_cert_file": "/none", "dimse_tls_key_file": "/none"}, "CXR_DIMSE_TLS_CERT_FILE"),
        ({"dimse_host": "192.0.2.1", "dimse_calling_titles": "A"}, "cannot be listened on"),
    ],
)
def test_settings_that_cannot_be_honoured_refuse_the_start(settings, text) -> None:
    environment = os.environ | {f"CXR_{name.upper()}": value for name, value in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "service", "dimse"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == ExitCode.REFUSED
    assert text in ended.stderr


def test_the_command_echo_says_whether_an_entity_answers(receive, start, pacs) -> None:
    receiver = receive(start())

    def asked(*arguments):
        environment = os.environ | {"CXR_DIMSE_PORT": str(receiver.port)}
        return subprocess.run(
            [sys.executable, "-m", "service", "dimse", "echo", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert asked().returncode == asked(pacs.address).returncode == ExitCode.DONE
    assert "answers" in asked(pacs.address).stdout
    assert asked("NOBODY@127.0.0.1:9").returncode == ExitCode.REFUSED
    assert "must be AETITLE@HOST:PORT" in asked("rubbish").stderr
