"""Rules of backfills, through the app: lists, searches and archives become answers, and each film is read once."""

import asyncio
import io
import tarfile
import zipfile
from dataclasses import replace
from functools import partial

import pytest
import yaml
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage, generate_uid
from sqlalchemy import func, select

from service.destinations.kinds.webhook import read_secrets, signature
from service.dicomweb.tables import instances
from service.jobs.claims import IN_SPOOL
from tests.fakes import GatedOpener
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.jobs.pacs import FilmArchive, uids_of
from tests.service.receiver import Receiver
from tests.service.security.test_authentication import Keys
from tests.waiting import until

pytestmark = pytest.mark.anyio

NAMES = [f"film {number}" for number in range(5)]
OTHER_STUDY = "1.2.826.0.1.3680043.8.498.2"
ZIP = {"Content-Type": "application/zip"}
TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture
def pacs():
    archive = FilmArchive(*map(film, NAMES), film("elsewhere", gray=60, StudyInstanceUID=OTHER_STUDY))
    yield archive
    archive.close()


@pytest.fixture
def serve_jobs(serve_dicomweb, tmp_path):
    return lambda **settings: serve_dicomweb(jobs_folder=tmp_path / "jobs", study_quiet_s=0, **settings)


def reference(name):
    row = uids_of(film(name))
    return {
        "study_instance_uid": row["study"],
        "series_instance_uid": row["series"],
        "sop_instance_uid": row["instance"],
    }


def zipped(*contents, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.mkdir("folder")
        for number, content in enumerate(contents):
            archive.writestr(f"folder/Mustermann{number}.dcm", content)
    return file.getvalue()


def tarred(*contents):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number, content in enumerate(contents):
            entry = tarfile.TarInfo(f"{'long' * 60}/{number}.dcm")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


async def create(client, **body):
    response = await client.post("/jobs", **({"json": body} if "content" not in body else body))
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == f"jobs/{response.json()['id']}"
    return response.json()["id"]


async def ended(client, job):
    """The job at its end."""

    async def is_over():
        found.update((await client.get(f"/jobs/{job}")).json())
        await asyncio.to_thread(client.app.api.state.jobs.tidy)
        return found["state"] != "running"

    found = {}
    await until(is_over)
    return (await client.get(f"/jobs/{job}")).json()


async def listed(client, job, **parameters):
    return (await client.get(f"/jobs/{job}/films", params=parameters)).json()


def counts(job):
    return {name: count for name, count in job["progress"].items() if count}


async def test_a_list_of_films_is_fetched_read_and_answered(serve_jobs, pacs) -> None:
    async with serve_jobs(pacs_url=pacs.url) as client:
        job = await ended(client, await create(client, films=[reference(name) for name in NAMES]))
        films = (await listed(client, job["id"]))["films"]
        result = (await client.get(f"/results/{uid(NAMES[0])}")).json()

    assert (job["state"], job["source"]) == ("completed", "films")
    assert counts(job) == {"films": 5, "analysed": 5}
    assert job["finished_at"] is not None
    assert [each["sop_instance_uid"] for each in films] == [uid(name) for name in NAMES]
    assert {(each["state"], each["decision"], each["reused"]) for each in films} == {("analysed", "positive", False)}
    assert (result["priority"], result["analysis"]["prediction"]["decision"]) == ("backfill", "positive")


@pytest.mark.parametrize(
    ("films", "found"),
    [
        ([{"study_instance_uid": STUDY}], NAMES),
        ([{"study_instance_uid": STUDY}, {"study_instance_uid": OTHER_STUDY}], [*NAMES, "elsewhere"]),
        ([{key: value for key, value in reference(NAMES[1]).items() if key != "sop_instance_uid"}], NAMES[1:2]),
        ([{key: value for key, value in reference(NAMES[2]).items() if key != "series_instance_uid"}], NAMES[2:3]),
        ([{"study_instance_uid": STUDY}, reference(NAMES[0])], NAMES),
    ],
)
async def test_a_study_a_series_or_a_film_without_its_series_is_searched(serve_jobs, pacs, films, found) -> None:
    async with serve_jobs(pacs_url=pacs.url) as client:
        job = await ended(client, await create(client, films=films))

    assert counts(job) == {"films": len(found), "analysed": len(found)}
    assert pacs.given == {uid(name): 1 for name in found}


@pytest.mark.parametrize("repeats", [False, True])
async def test_a_query_is_asked_page_by_page_also_of_a_pacs_that_repeats_itself(serve_jobs, pacs, repeats) -> None:
    pacs.repeats = repeats
    async with serve_jobs(pacs_url=pacs.url) as client:
        jobs = client.app.api.state.jobs
        jobs.source = replace(jobs.source, page=2)
        job = await ended(client, await create(client, query={"StudyInstanceUID": STUDY, "StudyDate": "20260101-"}))
        searches = [search for search in pacs.searches if "StudyDate=20260101-" in search]

    assert (job["source"], job["progress"]["analysed"], len(searches)) == ("query", *((2, 2) if repeats else (5, 4)))


async def test_a_study_whose_first_pages_hold_no_film_is_searched_to_its_end(serve_jobs, pacs) -> None:
    row = {"study": STUDY, "series": "1.2.3", "class": CTImageStorage}
    slices = [row | {"instance": f"1.2.3.{number}"} for number in range(4)]
    pacs.rows = [*slices, *pacs.rows]
    async with serve_jobs(pacs_url=pacs.url) as client:
        jobs = client.app.api.state.jobs
        jobs.source = replace(jobs.source, page=2)
        job = await ended(client, await create(client, films=[{"study_instance_uid": STUDY}]))

    assert counts(job) == {"films": 5, "analysed": 5}


async def test_a_page_of_films_that_the_job_has_already_does_not_end_the_search(serve_jobs, pacs) -> None:
    async with serve_jobs(pacs_url=pacs.url) as client:
        jobs = client.app.api.state.jobs
        jobs.source = replace(jobs.source, page=2)
        first = [reference(name) for name in NAMES[:2]]
        job = await ended(client, await create(client, films=[*first, {"study_instance_uid": STUDY}]))

    assert counts(job) == {"films": 5, "analysed": 5}


async def test_a_pacs_that_gives_fewer_instances_than_it_is_asked_for_is_asked_for_the_others(serve_jobs, pacs) -> None:
    pacs.at_most = 2
    async with serve_jobs(pacs_url=pacs.url) as client:
        job = await ended(client, await create(client, films=[{"study_instance_uid": STUDY}]))

    assert counts(job) == {"films": 5, "analysed": 5}


async def test_a_pacs_that_repeats_itself_is_not_taken_for_one_with_too_many_films(serve_jobs, pacs) -> None:
    pacs.repeats = True
    async with serve_jobs(pacs_url=pacs.url, jobs_max_films=5) as client:
        jobs = client.app.api.state.jobs
        jobs.source = replace(jobs.source, page=5)
        job = await ended(client, await create(client, films=[{"study_instance_uid": STUDY}]))

    assert counts(job) == {"films": 5, "analysed": 5}


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (zipped(*map(film, NAMES)), ZIP),
        (zipped(*map(film, NAMES), method=zipfile.ZIP_STORED), ZIP),
        (tarred(*map(film, NAMES)), TAR),
    ],
    ids=["zip", "stored zip", "tar"],
)
async def test_the_films_of_an_archive_are_read_and_its_file_goes_with_the_job(
    serve_jobs, tmp_path, content, headers
) -> None:
    async with serve_jobs() as client:
        job = await ended(client, await create(client, content=content, headers=headers))
        await asyncio.to_thread(client.app.api.state.jobs.tidy)

    assert (job["source"], counts(job)) == ("archive", {"films": 5, "analysed": 5})
    assert list((tmp_path / "jobs").iterdir()) == []


async def test_what_is_not_a_film_is_refused_alone_and_says_why(serve_jobs) -> None:
    contents = [film("one"), b"# Read me", film("sc", SOPClassUID=SecondaryCaptureImageStorage), film("one")]
    async with serve_jobs() as client:
        job = await ended(client, await create(client, content=zipped(*contents), headers=ZIP))
        refused = (await listed(client, job["id"], state="refused"))["films"]

    assert counts(job) == {"films": 4, "analysed": 1, "refused": 3}
    assert [each["problem"] for each in refused] == ["invalid_image", "not_a_radiograph", "duplicate"]
    assert "Mustermann" not in str(refused)


@pytest.mark.scale("21.7 backfills", "the same job again fetches nothing and reads nothing", quick=True)
async def test_the_same_job_again_fetches_nothing_and_reads_nothing(serve_jobs, pacs) -> None:
    async with serve_jobs(pacs_url=pacs.url) as client:
        await ended(client, await create(client, films=[{"study_instance_uid": STUDY}]))
        live = client.services.deployments.first.live
        read = live.metrics.images._value.get()
        again = await ended(client, await create(client, films=[{"study_instance_uid": STUDY}]))
        verified = await ended(client, await create(client, films=[{"study_instance_uid": STUDY}], verify=True))
        archived = await ended(client, await create(client, content=zipped(*map(film, NAMES)), headers=ZIP))

        assert live.metrics.images._value.get() == read == 5
    assert counts(again) == counts(verified) == counts(archived) == {"films": 5, "analysed": 5, "reused": 5}
    assert set(pacs.given.values()) == {2}  # the first job, and the one that compares


async def is_delivered(client, name):
    return (await client.get(f"/results/{uid(name)}")).json()["state"] == "delivered"


async def test_another_bundle_reads_the_films_again(serve_jobs, pacs, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models")
    async with serve_jobs(pacs_url=pacs.url, models_dir=tmp_path / "models", model_poll_s=3600) as client:
        await ended(client, await create(client, films=[reference(NAMES[0])]))
        await until(partial(is_delivered, client, NAMES[0]))  # a film is not read anew while its results are sent
        write_tiny_bundle(tmp_path / "models", version="2.0.0")
        assert (await client.post("/models/tiny/2.0.0/activate")).status_code == 200
        again = await ended(client, await create(client, films=[reference(NAMES[0])]))

    assert counts(again) == {"films": 1, "analysed": 1}
    assert pacs.given[uid(NAMES[0])] == 2


async def test_a_request_with_its_key_again_gets_its_job_and_another_one_is_refused(serve_jobs, pacs) -> None:
    key = {"Idempotency-Key": "night-1"}
    async with serve_jobs(pacs_url=pacs.url) as client:
        asked = {"films": [reference(NAMES[0])]}
        first, second = [await client.post("/jobs", json=asked, headers=key) for _ in range(2)]
        other = await client.post("/jobs", json={"films": [reference(NAMES[1])]}, headers=key)
        archive = zipped(film("a"))
        one, two = [
            await client.post("/jobs", content=archive, headers=ZIP | {"Idempotency-Key": "a"}) for _ in range(2)
        ]
        jobs = (await client.get("/jobs")).json()["jobs"]

    assert first.json()["id"] == second.json()["id"]
    assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert one.json()["id"] == two.json()["id"]
    assert [each["id"] for each in jobs] == [one.json()["id"], first.json()["id"]]


async def test_a_cancelled_job_fetches_no_further_film_and_says_so_once(serve_jobs, pacs) -> None:
    opener = GatedOpener()
    many = [film(f"many {number}", StudyInstanceUID=OTHER_STUDY) for number in range(IN_SPOOL + 10)]
    pacs.rows = list(map(uids_of, many))
    pacs.content = {row["instance"]: each for row, each in zip(pacs.rows, many, strict=True)}.__getitem__
    async with serve_jobs(pacs_url=pacs.url, open_engine=opener) as client:
        opener.engine.gate.clear()
        job = await create(client, query={"Modality": "CR"})
        await until(lambda: len(pacs.given) >= IN_SPOOL)
        cancelled = (await client.post(f"/jobs/{job}/cancel")).json()
        again = (await client.post(f"/jobs/{job}/cancel")).json()
        opener.engine.gate.set()

        async def through():
            return not (await client.get(f"/jobs/{job}")).json()["progress"]["stored"]

        await until(through)
        after = (await client.get(f"/jobs/{job}")).json()

    assert cancelled["state"] == again["state"] == after["state"] == "cancelled"
    assert after["finished_at"] == cancelled["finished_at"]
    assert after["progress"]["analysed"] + after["progress"]["cancelled"] == len(many)
    assert IN_SPOOL <= len(pacs.given) <= IN_SPOOL + 2


async def test_a_backfill_fills_but_a_part_of_the_spool(serve_jobs) -> None:
    opener = GatedOpener()
    many = [film(f"many {number}") for number in range(IN_SPOOL + 10)]
    async with serve_jobs(open_engine=opener) as client:
        opener.engine.gate.clear()
        await create(client, content=zipped(*many), headers=ZIP)
        await until(lambda: in_spool(client) >= IN_SPOOL)
        stored = await client.post("/dicomweb/studies", **stow(film("routine")))
        opener.engine.gate.set()

        assert stored.status_code == 200
        assert in_spool(client) <= IN_SPOOL + 2


def in_spool(client):
    with client.intake.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(instances))


def begun(client):
    """How often the analysis of a film of each priority has begun."""
    with client.intake.engine.connect() as connection:
        return dict(connection.execute(select(instances.c.priority, instances.c.attempts)).all())


async def test_no_film_of_a_backfill_begins_while_another_film_is_in_the_process(serve_jobs) -> None:
    opener = GatedOpener()
    async with serve_jobs(open_engine=opener) as client:
        opener.engine.gate.clear()
        waiting = asyncio.create_task(client.post("/predict", content=flat_film(60)))
        await until(lambda: client.services.metrics.inflight_images._value.get() == 1)
        job = await create(client, content=zipped(film("backfill")), headers=ZIP)
        await until(lambda: in_spool(client) == 1)
        client.intake.worker.wake()
        stored = client.post("/dicomweb/studies", **stow(film("routine")))
        assert (await stored).status_code == 200
        await until(lambda: begun(client) == {"routine": 1, "backfill": 0})
        opener.engine.gate.set()
        assert (await waiting).status_code == 200
        assert (await ended(client, job))["state"] == "completed"
        with client.intake.engine.connect() as connection:
            times = dict(connection.execute(select(instances.c.priority, instances.c.changed_at)).all())

    assert times["routine"] < times["backfill"]


async def test_a_film_of_a_backfill_that_is_sent_as_routine_waits_no_longer(serve_jobs) -> None:
    opener = GatedOpener()
    async with serve_jobs(open_engine=opener) as client:
        opener.engine.gate.clear()
        waiting = asyncio.create_task(client.post("/predict", content=flat_film(60)))
        await until(lambda: client.services.metrics.inflight_images._value.get() == 1)
        await create(client, content=zipped(film("wanted")), headers=ZIP)
        await until(lambda: in_spool(client) == 1)
        await client.post("/dicomweb/studies", **stow(film("wanted")))
        found = (await client.get(f"/results/{uid('wanted')}")).json()
        opener.engine.gate.set()
        await waiting

    assert found["priority"] == "routine"


@pytest.mark.scale("21.7 backfills", "the end is told by a signed webhook, once", quick=True)
async def test_the_end_of_a_job_is_told_by_a_signed_webhook_once(serve_jobs, pacs, tmp_path) -> None:
    receiver = Receiver()
    receiver.statuses = [503]
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    rules = {"decisions": ["abstain"]}
    row = {"name": "desk", "kind": "webhook", "url": receiver.url, "secret_file": str(secret), "rules": rules}
    (tmp_path / "destinations.yml").write_text(yaml.safe_dump({"destinations": [row]}))
    try:
        async with serve_jobs(pacs_url=pacs.url, destinations=tmp_path / "destinations.yml") as client:
            job = await ended(client, await create(client, films=[reference(NAMES[0])], notify="desk"))
            await until(lambda: len(receiver.received) == 2)
            unknown = await client.post("/jobs", json={"films": [reference(NAMES[0])], "notify": "nobody"})
    finally:
        receiver.close()

    first, second = receiver.received
    assert second.json["type"] == "job.completed"
    assert second.json["data"]["id"] == job["id"]
    assert second.json["data"]["progress"]["analysed"] == 1
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    (key,) = read_secrets(secret)
    signed = signature(key, second.headers["webhook-id"], second.headers["webhook-timestamp"], second.body)
    assert second.headers["webhook-signature"] == signed
    assert (unknown.status_code, unknown.json()["code"]) == (422, "invalid_parameter")


async def test_a_pacs_that_is_away_for_a_while_and_a_film_that_it_lacks_hold_nothing_up(serve_jobs, pacs) -> None:
    pacs.statuses = [503, 500]
    gone = reference(NAMES[0]) | {"sop_instance_uid": str(generate_uid(entropy_srcs=["gone"]))}
    async with serve_jobs(pacs_url=pacs.url) as client:
        job = await create(client, films=[reference(NAMES[1]), gone])

        async def is_read():
            return (await client.get(f"/jobs/{job}")).json()["progress"]["analysed"] == 1

        await until(is_read)
        missing = (await listed(client, job, state="waiting"))["films"]

    assert [each["problem"] for each in missing] == ["film_missing"]


async def test_pages_of_films_and_jobs_follow_one_another(serve_jobs, pacs) -> None:
    async with serve_jobs(pacs_url=pacs.url) as client:
        job = await ended(client, await create(client, films=[reference(name) for name in NAMES]))
        second = await create(client, films=[reference(NAMES[0])])
        seen, cursor = [], {}
        while cursor is not None:
            page = await listed(client, job["id"], limit=2, **cursor)
            seen.append([each["sop_instance_uid"] for each in page["films"]])
            cursor = None if page["next"] is None else {"cursor": page["next"]}
        latest = (await client.get("/jobs", params={"limit": 1})).json()
        before = (await client.get("/jobs", params={"limit": 1, "cursor": latest["next"]})).json()
        odd = await client.get("/jobs", params={"cursor": "bm9uZQ"})

    assert seen == [[uid(name) for name in NAMES[start : start + 2]] for start in (0, 2, 4)]
    assert [each["id"] for each in (*latest["jobs"], *before["jobs"])] == [second, job["id"]]
    assert before["next"] is None
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"json": {}}, (400, "malformed_request")),
        ({"json": {"films": [{"study_instance_uid": "Mustermann"}]}}, (400, "malformed_request")),
        ({"json": {"query": {"limit": "5"}}}, (400, "malformed_request")),
        ({"json": {"query": {"a": "2026"}, "films": [{"study_instance_uid": "1.2"}]}}, (400, "malformed_request")),
        ({"content": b"x", "headers": {"Content-Type": "text/csv"}}, (415, "unsupported_media_type")),
        ({"content": b"no archive", "headers": ZIP}, (400, "malformed_request")),
        ({"content": b"no archive" * 200, "headers": TAR}, (400, "malformed_request")),
        ({"content": bytes(1024), "headers": TAR}, (400, "malformed_request")),
        ({"content": zipped(*map(film, NAMES)), "headers": ZIP}, (413, "body_too_large")),
        ({"content": tarred(*map(film, NAMES)), "headers": TAR}, (413, "body_too_large")),
        ({"json": {"films": [{"study_instance_uid": f"1.{n}"} for n in range(5)]}}, (422, "invalid_parameter")),
        ({"content": bytes(200_001), "headers": ZIP}, (413, "body_too_large")),
    ],
)
async def test_what_cannot_be_a_job_leaves_nothing(serve_jobs, pacs, tmp_path, arguments, answer) -> None:
    limits = {"jobs_max_films": 4, "jobs_archive_bytes": 200_000}
    async with serve_jobs(pacs_url=pacs.url, **limits) as client:
        response = await client.post("/jobs", **arguments)
        jobs = (await client.get("/jobs")).json()["jobs"]

    assert (response.status_code, response.json()["code"]) == answer
    assert "Mustermann" not in response.text
    assert jobs == []
    assert not (tmp_path / "jobs").exists() or list((tmp_path / "jobs").iterdir()) == []


async def test_an_archive_may_be_larger_than_any_other_body(serve_jobs) -> None:
    content = zipped(*map(film, NAMES), method=zipfile.ZIP_STORED)
    async with serve_jobs(max_body_bytes=4000, max_inflight_bytes=4000) as client:
        job = await ended(client, await create(client, content=content, headers=ZIP))
        other = await client.post("/predict", content=bytes(4001))

    assert len(content) > 5000
    assert (counts(job), other.status_code) == ({"films": 5, "analysed": 5}, 413)


async def test_a_small_file_that_becomes_a_huge_one_is_refused(serve_jobs) -> None:
    async with serve_jobs(max_body_bytes=100_000) as client:
        job = await ended(client, await create(client, content=zipped(bytes(10_000_000)), headers=ZIP))
        (refused,) = (await listed(client, job["id"]))["films"]

    assert (refused["state"], refused["problem"]) == ("refused", "image_too_large")


async def test_without_a_spool_or_a_pacs_the_remedy_is_named(serve, serve_jobs) -> None:
    async with serve() as client:
        off = await client.post("/jobs", json={"films": [reference(NAMES[0])]})
    async with serve_jobs() as client:
        nowhere = await client.post("/jobs", json={"films": [reference(NAMES[0])]})

    assert (off.status_code, "CXR_DICOMWEB=true" in off.json()["detail"]) == (404, True)
    assert (nowhere.status_code, "CXR_PACS_URL" in nowhere.json()["detail"]) == (422, True)


async def test_callers_need_the_scope_of_dicom_and_see_no_decision_of_a_silent_service(
    serve_jobs, tmp_path, pacs
) -> None:
    keys = Keys(tmp_path / "keys.json")
    router = {"X-API-Key": keys.add("router", "dicom")}
    judge = {"X-API-Key": keys.add("judge", "dicom", "trial")}
    other = {"X-API-Key": keys.add("other", "predict")}
    async with serve_jobs(mode="silent", pacs_url=pacs.url, api_keys_file=keys.path) as client:
        asked = {"films": [reference(NAMES[0])]}
        refused = [(await client.post("/jobs", json=asked, headers=key)).status_code for key in ({}, other)]
        job = (await client.post("/jobs", json=asked, headers=router)).json()["id"]
        client.headers.update(judge)
        await ended(client, job)
        whole = await listed(client, job)
        client.headers.update(router)
        hidden = await listed(client, job)

    assert refused == [401, 403]
    assert [each["decision"] for each in whole["films"]] == ["positive"]
    assert [each["decision"] for each in hidden["films"]] == [None]
