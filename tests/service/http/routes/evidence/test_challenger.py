"""Rules of `GET /models/challenger` and `POST /models/challenger/promote`, with films and verdicts as they come."""

import json

import pytest

from schemas.evidence.challenger import ChallengerReport
from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import film, stow, uid
from tests.service.security.test_authentication import Keys
from tests.waiting import until

pytestmark = pytest.mark.anyio

GRAYS = {"present": 200, "absent": 60}
EACH = 10


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    write_tiny_bundle(folder)
    write_tiny_bundle(folder, version="2.0.0", current=False)
    return folder


@pytest.fixture
def trial(serve_dicomweb, models):
    rule = {"promotion_films": EACH, "promotion_margin": 0.3}
    return lambda **settings: serve_dicomweb(
        **{"models_dir": models, "model": "tiny/1.0.0", "challenger": "tiny/2.0.0"} | rule | settings
    )


def answered(client) -> float:
    value = client.services.metrics.registry.get_sample_value("cxr_challenger_films_total", {"outcome": "answered"})
    return value or 0


async def read_and_judged(client, *, each=EACH) -> None:
    """Films with and without the finding, with a verdict about each."""
    await until(lambda: client.services.challenger.live is not None)
    names = [(truth, number) for truth in GRAYS for number in range(each)]
    films = [film(f"{truth} {number}", gray=GRAYS[truth], ViewPosition="PA") for truth, number in names]
    await client.post("/dicomweb/studies", **stow(*films))
    await until(lambda: answered(client) == len(names))
    for truth, number in names:
        address = f"/results/{uid(f'{truth} {number}')}/verdict"
        response = await client.post(address, json={"verdict": "accept"})
        assert response.status_code == 200, response.text


async def test_both_bundles_are_compared_by_the_verdicts(trial) -> None:
    async with trial() as client:
        await read_and_judged(client)
        response = await client.get("/models/challenger")

    report = ChallengerReport.model_validate_json(response.content)
    (finding,) = report.findings
    assert (report.challenger, report.active, report.fault) == ("tiny/2.0.0", ("tiny/1.0.0",), None)
    assert (report.films, report.not_read, report.verdicts) == (20, 0, 20)
    assert (report.agreement.share.value, report.agreement.kappa.value) == (1.0, 1.0)
    assert ("view", "PA") in {(group.attribute, group.group) for group in report.groups}
    assert (finding.sensitivity.both, finding.specificity.both, finding.sensitivity.p_value) == (10, 10, 1.0)
    assert finding.auroc.comparison.difference.value == 0
    assert report.promotion.state == "met"


async def test_the_rule_promotes_and_the_challenger_then_reads_no_more(trial, log) -> None:
    async with trial(audit_file=log) as client:
        await read_and_judged(client)
        response = await client.post("/models/challenger/promote", json={"by": "rule"})
        current = (await client.get("/models/current")).json()
        report = (await client.get("/models/challenger")).json()

    assert (response.status_code, response.json()["model"]["version"]) == (200, "2.0.0")
    assert "CXR_MODEL" in response.json()["note"]
    assert current["version"] == "2.0.0"
    assert report["fault"] == "tiny/2.0.0 serves itself by now"
    assert (report["films"], report["active"]) == (20, ["tiny/1.0.0"])
    actions = [entry for line in log.read_text().splitlines() if (entry := json.loads(line))["event"] == "action"]
    assert [(entry["route"], entry["outcome"]) for entry in actions] == [
        ("/models/challenger/promote?by=rule", "begun"),
        ("/models/challenger/promote?by=rule", "ok"),
    ]


async def test_the_rule_refuses_with_its_reason_and_the_bundle_that_serves_goes_on(trial, log) -> None:
    async with trial(audit_file=log) as client:
        await read_and_judged(client, each=2)
        response = await client.post("/models/challenger/promote", json={})
        current = (await client.get("/models/current")).json()

    assert (response.status_code, response.json()["code"]) == (409, "promotion_refused")
    assert (
        "PNEUMONIA: verdicts on 2 films with it and 2 without; the rule takes 10 of each" in response.json()["detail"]
    )
    assert current["version"] == "1.0.0"
    assert json.loads(log.read_text().splitlines()[-2])["outcome"] == "promotion_refused"


async def test_a_person_may_promote_with_a_reason_that_is_recorded(trial, log) -> None:
    async with trial(audit_file=log) as client:
        await until(lambda: client.services.challenger.live is not None)
        without = await client.post("/models/challenger/promote", json={"by": "hand"})
        response = await client.post("/models/challenger/promote", json={"by": "hand", "reason": "1.0.0 is withdrawn"})
        current = (await client.get("/models/current")).json()

    assert without.status_code == 422
    assert (response.status_code, current["version"]) == (200, "2.0.0")
    actions = [entry for line in log.read_text().splitlines() if (entry := json.loads(line))["event"] == "action"]
    assert {(entry["route"], entry["reason"]) for entry in actions} == {
        ("/models/challenger/promote?by=hand", "1.0.0 is withdrawn")
    }


async def test_after_a_rollback_the_challenger_reads_again(trial) -> None:
    async with trial() as client:
        await until(lambda: client.services.challenger.live is not None)
        await client.post("/models/challenger/promote", json={"by": "hand", "reason": "only to try it"})
        await client.post("/models/rollback")
        report = (await client.get("/models/challenger")).json()

    assert report["fault"] is None


async def test_a_promotion_needs_the_scope_admin(trial, tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    judge = {"X-API-Key": keys.add("judge", "trial", "predict", "dicom")}
    async with trial(api_keys_file=keys.path) as client:
        response = await client.post("/models/challenger/promote", json={}, headers=judge)

    assert response.status_code == 403
