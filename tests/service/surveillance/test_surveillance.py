"""Verdicts and the stop rule through a running app: what is answered, remembered and recorded."""

import hashlib
import sqlite3

import pytest

from service.settings import SurveillanceSettings
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, uid
from tests.service.surveillance.site import (
    REASON,
    SENSITIVITY,
    SPECIFICITY,
    decision,
    monitoring,
    read,
    recorded,
    say,
    write_all_keys,
    write_limits,
)

pytestmark = pytest.mark.anyio

WRONG = [f"wrong {number}" for number in range(4)]


@pytest.fixture
def site(serve_dicomweb, tmp_path, log):
    """A service with limits and an audit log; its films are of a gray of 200: PNEUMONIA, positive."""
    return lambda **more: serve_dicomweb(**({"stop_limits": write_limits(tmp_path), "audit_file": log} | more))


async def stop_it(client, **more):
    """Four false positives, which are more than a specificity of 95 % explains."""
    await read(client, *WRONG)
    for name in WRONG:
        answer = await say(client, name, "reject", **more)
        assert answer.status_code == 200, answer.text


async def test_a_verdict_is_stored_once_changed_by_another_and_recorded_without_the_film(site, log) -> None:
    async with site() as client:
        await read(client, "film")
        first = await say(client, "film")
        again = await say(client, "film")
        other = await say(client, "film", "reject")
        monitored = await monitoring(client)

    assert first.json() == {"stored": "new", "truth": {"PNEUMONIA": "present"}}
    assert again.json()["stored"] == "known"
    assert other.json() == {"stored": "changed", "truth": {"PNEUMONIA": "absent"}}
    figures = {each["figure"]: (each["right"], each["films"]) for each in monitored["figures"]}
    assert figures == {"sensitivity": (0, 0), "specificity": (0, 1), "ppv": (0, 1)}
    assert (monitored["readings"], monitored["verdicts"], monitored["suspended"]) == (1, 1, False)
    lines = recorded(log, "verdict")
    assert [(line["verdict"], line["truth"], line["source"]) for line in lines] == [
        ("accept", {"PNEUMONIA": "present"}, "api"),
        ("reject", {"PNEUMONIA": "absent"}, "api"),
    ]
    assert {line["film_sha256"] for line in lines} == {hashlib.sha256(film("film")).hexdigest()}
    assert uid("film") not in str(lines)


async def test_what_is_remembered_names_no_patient_and_no_film(site, spool_url) -> None:
    patient = {"PatientName": "Miller^Anne", "PatientID": "P-0815", "AccessionNumber": "A-4711", "PatientAge": "071Y"}
    async with site() as client:
        await read(client, "film", **patient, StationName="ROOM 3", ManufacturerModelName="DX-9")
        await say(client, "film")
        monitored = await monitoring(client)

    with sqlite3.connect(spool_url.removeprefix("sqlite:///")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'surveillance%'")]
        dump = str([connection.execute(f"SELECT * FROM {name}").fetchall() for name in names if "index" not in name])
    for secret in ("Miller", "0815", "4711", uid("film"), "1.2.826.0.1.3680043"):
        assert secret not in dump
    assert "65+" in dump
    (rates,) = monitored["rates"]
    assert (rates["station"], rates["device"], rates["films"]) == ("ROOM 3", "DX-9", 1)


async def test_a_verdict_outlasts_the_retention_of_the_result(site, spool_url) -> None:
    async with site(results_retention_h=0) as client:
        await read_and_forget(client, "film")
        answer = await say(client, "film")

    assert answer.json()["stored"] == "new"


async def read_and_forget(client, name):
    from tests.service.dicomweb.films import stow
    from tests.waiting import until

    await client.post("/dicomweb/studies", **stow(film(name)))

    async def is_noted():
        return (await monitoring(client))["readings"]

    async def is_forgotten():
        client.intake.ledger.prune()
        return (await client.get(f"/results/{uid(name)}")).status_code == 404

    await until(is_noted)
    await until(is_forgotten)


async def test_a_film_that_was_never_read_has_no_verdict(site) -> None:
    async with site() as client:
        answer = await say(client, "nowhere")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"verdict": "perhaps"}, "body parameter verdict"),
        ({"verdict": "modify"}, "modify needs `corrected`"),
        ({"verdict": "accept", "corrected": {"PNEUMONIA": "absent"}}, "accept leaves the answer as it is"),
        ({"verdict": "modify", "corrected": {"Mrs Miller": "gone"}}, "body parameter corrected"),
        ({"verdict": "modify", "corrected": {"Edema": "present"}}, "about PNEUMONIA"),
        (None, "body"),
    ],
)
async def test_what_is_not_a_verdict_is_refused_in_words(site, body, words) -> None:
    async with site() as client:
        await read(client, "film")
        answer = await client.post(f"/results/{uid('film')}/verdict", json=body)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert "Miller" not in answer.text


async def test_answers_that_are_wrong_too_often_stop_the_service_and_it_goes_on_analysing(site, log) -> None:
    async with site() as client:
        await stop_it(client)
        monitored = await monitoring(client)
        at_once = (await client.post("/predict", files={"file": flat_film(200)})).json()
        await read(client, "after")
        result = (await client.get(f"/results/{uid('after')}")).json()["analysis"]["prediction"]
        fhir = (await client.get(f"/results/{uid('after')}/fhir")).text
        ready = await client.get("/readyz")
        metrics = (await client.get("/metrics")).text

    assert monitored["suspended"]
    assert monitored["suspension"]["limit"] == SPECIFICITY
    assert monitored["suspension"]["limits_sha256"] == monitored["limits"]["sha256"]
    for prediction in (at_once["prediction"], result):
        assert prediction["decision"] == "abstain"
        assert prediction["abstention_reasons"] == ["suspended"]
        assert {finding["decision"] for finding in prediction["findings"]} == {"abstain"}
        assert "No answer: the service is suspended since" in prediction["recommendation"]
    assert "the service is suspended since" in fhir
    assert '"IND"' in fhir
    assert ready.status_code == 200
    assert "specificity of PNEUMONIA is below its limit" in ready.json()["suspended"]
    assert "cxr_suspended 1.0" in metrics
    (stop,) = recorded(log, "suspended")
    assert stop["reason"] == monitored["suspension"]["reason"]
    assert recorded(log, "limits")[0]["limits_sha256"] == monitored["limits"]["sha256"]
    (withheld,) = [line for line in recorded(log, "analysed") if "withheld" in line]
    assert (withheld["decision"], withheld["withheld"]) == ("abstain", {"PNEUMONIA": "positive"})


async def test_figures_go_on_while_the_answers_are_withheld(site) -> None:
    async with site() as client:
        await stop_it(client)
        await read(client, "after")
        silent = await say(client, "after")
        stated = await say(client, "after", "modify", corrected={"PNEUMONIA": "present"})
        monitored = await monitoring(client)

    assert silent.json()["truth"] == {}
    assert stated.json()["truth"] == {"PNEUMONIA": "present"}
    sensitivity = next(each for each in monitored["figures"] if each["figure"] == "sensitivity")
    assert (sensitivity["right"], sensitivity["films"]) == (1, 1)


async def test_a_stop_is_lifted_by_a_named_key_with_a_reason_and_the_figures_begin_anew(site, tmp_path, log) -> None:
    keys, quality, router = write_all_keys(tmp_path)
    async with site(api_keys_file=keys) as client:
        client.headers.update(quality)
        await stop_it(client)
        refused = await client.post("/monitoring/resume", json={"reason": REASON}, headers=router)
        hasty = await client.post("/monitoring/resume", json={"reason": "ok"})
        lifted = await client.post("/monitoring/resume", json={"reason": REASON})
        again = await client.post("/monitoring/resume", json={"reason": REASON})
        await read(client, "after")
        decided = await decision(client, "after")

    assert (refused.status_code, hasty.status_code, again.status_code) == (403, 422, 404)
    assert lifted.status_code == 200
    assert (lifted.json()["suspended"], lifted.json()["readings"], lifted.json()["figures"]) == (False, 0, [])
    assert decided == "positive"
    (line,) = recorded(log, "lifted")
    assert line["reason"] == REASON
    assert line["caller"].startswith("key:")


async def test_nobody_lifts_a_stop_without_a_name(site) -> None:
    async with site() as client:
        await stop_it(client)
        answer = await client.post("/monitoring/resume", json={"reason": REASON})
        monitored = await monitoring(client)

    assert (answer.status_code, monitored["suspended"]) == (403, True)


async def test_a_stop_and_its_figures_are_there_again_after_a_start(site) -> None:
    async with site() as client:
        await stop_it(client)
        before = await monitoring(client)
    async with site() as client:
        answer = (await client.post("/predict", files={"file": flat_film(200)})).json()
        after = await monitoring(client)

    assert answer["prediction"]["abstention_reasons"] == ["suspended"]
    assert after["suspension"] == before["suspension"]
    assert after["figures"] == before["figures"]


async def test_a_stop_holds_where_the_limits_are_taken_away(site, serve_dicomweb) -> None:
    async with site() as client:
        await stop_it(client)
    async with serve_dicomweb() as client:
        monitored = await monitoring(client)

    assert monitored["suspended"]
    assert "no limits are registered" in monitored["note"]


async def test_without_limits_nothing_stops_the_service(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await stop_it(client)
        monitored = await monitoring(client)

    assert not monitored["suspended"]
    assert "no limits are registered" in monitored["note"]


async def test_other_limits_are_registered_anew_and_what_was_read_before_does_not_count(site, tmp_path, log) -> None:
    async with site() as client:
        await read(client, *WRONG)
        first = (await monitoring(client))["limits"]
    stricter = tmp_path / "stricter"
    stricter.mkdir()
    async with site(stop_limits=write_limits(stricter, SENSITIVITY, SPECIFICITY)) as client:
        for name in WRONG:
            await say(client, name, "reject")
        monitored = await monitoring(client)

    assert monitored["limits"]["sha256"] != first["sha256"]
    assert not monitored["suspended"]
    assert len({line["limits_sha256"] for line in recorded(log, "limits")}) == 2


async def test_without_a_spool_nothing_is_monitored_and_the_service_says_so(client) -> None:
    monitored = await monitoring(client)
    verdict = await say(client, "film")

    assert (monitored["enabled"], monitored["suspended"]) == (False, False)
    assert "CXR_DICOMWEB=true" in monitored["note"]
    assert verdict.status_code == 404


async def test_a_key_for_films_gives_no_verdicts(site, tmp_path) -> None:
    keys, quality, router = write_all_keys(tmp_path)
    async with site(api_keys_file=keys) as client:
        client.headers.update(router)
        await read(client, "film")
        refused = await say(client, "film")
        allowed = await client.post(f"/results/{uid('film')}/verdict", json={"verdict": "accept"}, headers=quality)

    assert (refused.status_code, allowed.status_code) == (403, 200)


def test_limits_without_a_spool_are_refused() -> None:
    from tests.service.chosen import settings_of

    with pytest.raises(ValueError, match="CXR_DICOMWEB=true"):
        settings_of(stop_limits="limits.json")
    assert SurveillanceSettings().stop_limits is None
