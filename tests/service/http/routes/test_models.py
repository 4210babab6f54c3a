"""Rules of `GET /models…`."""

import pytest

from schemas.model.manifest import MODEL_CARD, BundleManifest
from tests.service.bundles import CARD, CHILDREN, FINDINGS, write_tiny_bundle

pytestmark = pytest.mark.anyio

MARKDOWN = {"Accept": "text/markdown"}


async def test_all_bundles_are_listed_and_the_one_that_serves_is_marked(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0", current=False)
    write_tiny_bundle(tmp_path, version="1.1.0")
    async with serve(models_dir=tmp_path, model="tiny/1.0.0") as client:
        models = (await client.get("/models")).json()["models"]

    assert models == [
        {
            "name": "tiny",
            "version": "1.0.0",
            "serving": True,
            "precision": "fp32",
            "refused": None,
            "explain_backend": "onnx",
            "activation": "softmax",
            "findings": ["PNEUMONIA"],
            "population": None,
            "traits": None,
            "engine": {
                "provider": "cpu",
                "precision": "fp32",
                "intra_op_threads": 1,
                "concurrent_runs": 2,
                "max_batch_size": 1,
                "film_processes": 0,
            },
            "tuning": None,
            "site": None,
        },
        {
            "name": "tiny",
            "version": "1.1.0",
            "serving": False,
            "precision": None,
            "refused": None,
            "explain_backend": None,
            "activation": None,
            "findings": None,
            "population": None,
            "traits": None,
            "engine": None,
            "tuning": None,
            "site": None,
        },
    ]


async def test_the_list_shows_what_a_bundle_looks_for_and_whose_films_it_answers(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, alone=True, guide=True)
    async with serve(models_dir=tmp_path) as client:
        (listed,) = (await client.get("/models")).json()["models"]

    assert (listed["activation"], listed["findings"]) == ("sigmoid", list(FINDINGS))
    assert listed["population"] == CHILDREN.model_dump(mode="json")
    assert [(trait["name"], trait["accepted"], trait["cutoff"]) for trait in listed["traits"]] == [
        ("population", ["child"], 0.7),
        ("view", ["frontal"], 0.8),
    ]
    assert listed["traits"][0]["passed"]["value"] == 0.98
    assert listed["traits"][1]["refused"]["lateral"]["value"] == 0.9


async def test_without_a_bundle_that_serves_the_list_is_still_answered(serve, tmp_path) -> None:
    async with serve(models_dir=tmp_path) as client:
        listed = await client.get("/models")
        current = await client.get("/models/current")

    assert listed.json()["models"] == []
    assert current.status_code == 503


@pytest.mark.parametrize("address", ["/models/current", "/models/tiny/1.0.0"])
async def test_a_bundle_is_described_by_its_manifest_or_its_card(client, address) -> None:
    manifest = await client.get(address)
    card = await client.get(address, headers=MARKDOWN)

    assert BundleManifest.model_validate_json(manifest.content).name == "tiny"
    assert (card.text, card.headers["Content-Type"]) == (CARD, "text/markdown; charset=utf-8")


async def test_an_unknown_model_is_not_found(client) -> None:
    response = await client.get("/models/tiny/9.9.9")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_an_altered_bundle_is_not_described(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    other = write_tiny_bundle(tmp_path, version="2.0.0", current=False)
    (other / MODEL_CARD).write_text("# other\n")
    async with serve(models_dir=tmp_path) as client:
        response = await client.get("/models/tiny/2.0.0", headers=MARKDOWN)

    assert (response.status_code, response.json()["code"]) == (409, "bundle_rejected")


async def test_a_description_in_no_known_form_is_refused(client) -> None:
    assert (await client.get("/models/current", headers={"Accept": "text/html"})).status_code == 406
