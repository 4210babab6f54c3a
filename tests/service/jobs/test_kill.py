"""SIGKILL to the real server process in the middle of a job: after the next start every film is read, and once."""

import signal
from functools import partial

import pytest

from tests.service.dicomweb.films import STUDY, film
from tests.service.jobs.pacs import FilmArchive
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process
FILMS = 40
KILLS = 3


@pytest.fixture
def pacs():
    archive = FilmArchive(*(film(f"film {number}", gray=60) for number in range(FILMS)))
    yield archive
    archive.close()


@pytest.mark.scale("21.7 backfills", "the service is killed three times in the middle; every film is read, and once")
def test_a_job_whose_service_is_killed_again_and_again_reads_every_film_once(tiny_models, tmp_path, pacs) -> None:
    settings = {
        "dicomweb": "true",
        "spool_url": f"sqlite:///{tmp_path}/spool.db",
        "pacs_url": pacs.url,
        "jobs_folder": tmp_path / "jobs",
        "delivery": "negative=nothing,abstain=nothing",
        "audit_file": tmp_path / "audit.jsonl",
    }
    server = Server(tiny_models, **settings)
    job = server.client.post("/jobs", json={"films": [{"study_instance_uid": STUDY}]}).json()["id"]

    def progress():
        return server.client.get(f"/jobs/{job}").json()["progress"]

    def has_read(some):
        return progress()["analysed"] > some

    for kill in range(KILLS):
        some = kill * FILMS // (KILLS + 2)
        wait_until(partial(has_read, some), "some films more")
        server.process.send_signal(signal.SIGKILL)
        server.wait()
        server.client.close()
        server = Server(tiny_models, **settings)
    wait_until(lambda: server.client.get(f"/jobs/{job}").json()["state"] == "completed", "the end of the job")
    films = server.client.get(f"/jobs/{job}/films", params={"limit": 1000}).json()["films"]
    found = progress()
    server.end()

    assert (found["films"], found["analysed"]) == (FILMS, FILMS)
    assert len({each["sop_instance_uid"] for each in films}) == FILMS
    assert {each["decision"] for each in films} <= {"negative", "abstain", "positive"}
    # What was fetched when the process died may be fetched again; nothing else is.
    assert sum(pacs.given.values()) <= FILMS + KILLS
