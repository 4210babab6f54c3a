"""Rules of a silent service: it reads and stores as ever, delivers nothing, and answers those alone who judge it."""

import pytest

from schemas.api import BatchResponse, PredictResponse
from schemas.errors import SettingsError
from service.settings import load_settings
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.security.test_authentication import Keys
from tests.waiting import until

pytestmark = pytest.mark.anyio

BRIGHT = flat_film(200)
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys.json")


@pytest.fixture
def silent(serve_dicomweb, keys):
    """A silent service with keys, and the headers of a key with scopes: `async with silent() as client`."""
    return lambda **settings: serve_dicomweb(mode="silent", api_keys_file=keys.path, **settings)


async def analysed(client, headers, name="film"):
    async def result():
        body = (await client.get(f"/results/{uid(name)}", headers=headers)).json()
        return body if body.get("analysis") else None

    return await until(result)


async def test_a_caller_of_a_silent_service_sees_that_it_is_silent_and_nothing_that_was_found(silent, keys) -> None:
    ris = {"X-API-Key": keys.add("ris", "predict")}
    async with silent() as client:
        response = await client.post("/predict", content=BRIGHT, headers=PNG | ris)

    body = PredictResponse.model_validate_json(response.content)
    assert (response.status_code, response.headers["X-CXR-Mode"], body.mode) == (200, "silent", "silent")
    assert (body.prediction.decision, body.prediction.abstention_reasons) == ("abstain", ("silent",))
    assert (body.prediction.label, body.prediction.probabilities, body.prediction.findings) == ("", {}, ())
    assert (body.prediction.out_of_distribution_score, body.prediction.traits) == (None, None)
    assert "silent" in body.prediction.recommendation


async def test_a_caller_with_the_scope_trial_sees_the_answer_and_that_it_is_of_a_trial(silent, keys) -> None:
    judge = {"X-API-Key": keys.add("judge", "predict", "trial")}
    async with silent() as client:
        response = await client.post("/predict", content=BRIGHT, headers=PNG | judge)

    body = PredictResponse.model_validate_json(response.content)
    assert (body.mode, body.prediction.label, body.prediction.decision) == ("silent", "PNEUMONIA", "positive")
    assert body.prediction.recommendation.startswith("SILENT TRIAL, not for care: ")


async def test_the_films_of_a_batch_are_withheld_each(silent, keys) -> None:
    ris = {"X-API-Key": keys.add("ris", "predict")}
    async with silent() as client:
        parts = [("files", ("x.png", BRIGHT, "image/png")), ("files", ("y.png", b"no film", "image/png"))]
        response = await client.post("/predict/batch", files=parts, headers=ris)

    body = BatchResponse.model_validate_json(response.content)
    assert body.mode == "silent"
    assert body.results[0].prediction.abstention_reasons == ("silent",)
    assert body.results[0].prediction.probabilities == {}
    assert body.results[1].problem.status == 415


@pytest.mark.parametrize("accept", ["application/json", "image/png"])
async def test_a_heat_map_would_show_what_was_found(silent, keys, accept) -> None:
    ris = {"X-API-Key": keys.add("ris", "predict"), "Accept": accept}
    judge = {"X-API-Key": keys.add("judge", "predict", "trial"), "Accept": accept}
    async with silent() as client:
        withheld = await client.post("/explain", content=BRIGHT, headers=PNG | ris)
        shown = await client.post("/explain", content=BRIGHT, headers=PNG | judge)

    assert (withheld.status_code, withheld.json()["code"]) == (403, "silent")
    assert (shown.status_code, shown.headers["X-CXR-Mode"]) == (200, "silent")
    if accept == "application/json":
        assert shown.json()["mode"] == "silent"
        assert shown.json()["prediction"]["recommendation"].startswith("SILENT TRIAL")


async def test_a_silent_service_stores_results_and_delivers_nothing(silent, keys, archive) -> None:
    pacs = {"X-API-Key": keys.add("pacs", "dicom")}
    judge = {"X-API-Key": keys.add("judge", "dicom", "trial")}
    async with silent(pacs_url=archive.url) as client:
        request = stow(film())
        request["headers"] |= pacs
        stored = await client.post("/dicomweb/studies", **request)
        body = await analysed(client, judge)
        withheld = await client.get(f"/results/{uid('film')}", headers=pacs)
        as_fhir = await client.get(f"/results/{uid('film')}/fhir", headers=pacs)
        listed = await client.get("/results", headers=pacs)
        objects = client.intake.ledger.depth().states

    assert (stored.status_code, body["state"]) == (200, "analysed")
    assert body["analysis"]["prediction"]["decision"] == "positive"
    assert [each.json()["code"] for each in (withheld, as_fhir)] == ["silent", "silent"]
    assert [each["state"] for each in listed.json()["results"]] == ["analysed"]
    assert objects == {"analysed": 1}
    assert archive.requests == []


async def test_a_film_that_was_read_in_silence_is_not_delivered_by_an_active_service_later(
    serve_dicomweb, archive
) -> None:
    async with serve_dicomweb(mode="silent", pacs_url=archive.url) as client:
        await client.post("/dicomweb/studies", **stow(film("silent", StudyInstanceUID=f"{STUDY}.2")))
        await analysed(client, {}, "silent")
    async with serve_dicomweb(pacs_url=archive.url) as client:
        await client.post("/dicomweb/studies", **stow(film("active")))
        await until(lambda: client.intake.ledger.depth().states.get("delivered"))

    assert {each.StudyInstanceUID for each in archive.instances} == {STUDY}


async def test_the_mode_is_on_every_answer_and_in_readyz(serve) -> None:
    async with serve(mode="silent") as client:
        ready = await client.get("/readyz")
        missing = await client.get("/nowhere")

    assert ready.json() == {"status": "ready", "mode": "silent"}
    assert [each.headers["X-CXR-Mode"] for each in (ready, missing)] == ["silent", "silent"]


async def test_an_active_service_says_nothing_of_modes(client) -> None:
    ready = await client.get("/readyz")

    assert ready.json() == {"status": "ready"}
    assert "X-CXR-Mode" not in ready.headers


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"CXR_MODE": "quiet"}, "CXR_MODE='quiet': must be active or silent"),
        ({"CXR_CHALLENGER": "tiny/2.0.0"}, "set CXR_DICOMWEB=true too"),
        (
            {"CXR_CHALLENGER": "tiny/2.0.0", "CXR_MODEL": "tiny/2.0.0", "CXR_DICOMWEB": "true"},
            "name another version as CXR_CHALLENGER",
        ),
    ],
)
def test_a_trial_that_cannot_be_is_refused_at_the_start(monkeypatch, variables, rule) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=rule):
        load_settings()
