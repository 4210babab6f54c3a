"""Rules of the route of a film to one of several bundles, through HTTP, DICOMweb and the command line."""

import io
import json

import numpy as np
import pytest

from schemas.model.manifest import GOLDEN
from schemas.preprocess import PreprocessSpec
from service.commands.local import open_reader
from tests.films import encode
from tests.service.bundles import change_manifest, golden, guide_fields, replace_file, write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.conftest import dots
from tests.service.dicomweb.films import film, stow, uid
from tests.service.network import SIDE, lungs, tiny_network, traits
from tests.service.populations import ADULT, BOTH, CHILD, write_adults, write_both, write_children
from tests.waiting import until

pytestmark = pytest.mark.anyio

CONTRADICTION = "population_contradicts_caller"
LATERAL = encode(np.concatenate([dots(250, 40, 16), dots(20, 40, 16)], axis=1), ".png")
"""A lateral film to the tiny guide."""


async def answer(client, content, question="", **headers):
    response = await client.post(f"/predict{question}", content=content, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def route(client, content, question="", **headers):
    body = await answer(client, content, question, **headers)
    return body["model"]["name"], body["route"], CONTRADICTION in body["image"]["warnings"]


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("004Y", ("children", "header")),
        ("017Y", ("children", "header")),
        ("215M", ("children", "header")),  # 17.9 years
        ("216M", ("adults", "header")),
        ("030W", ("children", "header")),
        ("005D", ("children", "header")),
        ("018Y", ("adults", "header")),
        ("091Y", ("adults", "header")),
    ],
)
async def test_the_age_in_a_files_header_decides_before_anything_else(serve, tmp_path, age, expected) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        content = film(PatientAge=age)

        assert (await route(client, content))[:2] == expected


@pytest.mark.parametrize("order", ["children,adults", "adults,children"])
async def test_without_a_header_the_first_whose_guide_takes_the_film_answers(serve, tmp_path, order) -> None:
    async with serve(models_dir=write_both(tmp_path), models=order) as client:
        for content in (CHILD, film(), film(PatientAge="old")):
            assert await route(client, content) == ("children", "guide", False)
        assert await route(client, ADULT) == ("adults", "guide", False)


async def test_a_film_that_no_guide_takes_is_answered_by_the_first_bundle_with_its_reason(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        body = await answer(client, LATERAL)
        named = await route(client, LATERAL, "?population=child")

    prediction = body["prediction"]
    assert (body["model"]["name"], body["route"]) == ("children", "none")
    assert (prediction["decision"], prediction["abstention_reasons"][0]) == ("abstain", "outside_population")
    assert "a lateral view" in prediction["recommendation"]
    assert named == ("children", "none", True)


async def test_the_callers_word_counts_where_neither_header_nor_guide_can_tell(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path, guide=False), **BOTH) as client:
        by_address = await route(client, CHILD, "?population=adult")
        by_header = await route(client, CHILD, **{"X-Population": "Child"})
        unsaid = await answer(client, CHILD)
        both = await client.post("/predict?population=adult", content=CHILD, headers={"X-Population": "child"})

    assert by_address == ("adults", "caller", False)
    assert by_header == ("children", "caller", False)
    assert (unsaid["model"]["name"], unsaid["route"]) == ("children", "none")
    assert unsaid["prediction"]["abstention_reasons"] == ["outside_population"]
    assert unsaid["prediction"]["confidence_band"] == "low"
    assert unsaid["prediction"]["recommendation"] == (
        "No answer: none of the bundles that serve (children, adults) is for this film: neither its file nor its "
        "caller states the patient's age, and no bundle can see it. Have it read by a radiologist."
    )
    assert (both.status_code, both.json()["code"]) == (422, "invalid_parameter")


async def test_a_word_against_header_or_guide_changes_nothing_and_is_answered_with_a_warning(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        by_header = await route(client, film(PatientAge="040Y"), "?population=child")
        by_guide = await route(client, CHILD, "?population=adult")
        agreed = await route(client, film(PatientAge="040Y"), "?population=adult")

    assert by_header == ("adults", "header", True)
    assert by_guide == ("children", "guide", True)
    assert agreed == ("adults", "header", False)


async def test_a_population_that_no_bundle_states_is_refused_before_a_film_is_read(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        for address in ("/predict", "/predict/batch", "/explain"):
            refused = await client.post(f"{address}?population=neonate", content=b"no film")
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
            assert refused.json()["detail"].endswith("name one of adult, child")


async def test_a_service_of_one_bundle_without_a_population_refuses_a_word_and_says_why(client) -> None:
    refused = await client.post("/predict?population=child", content=CHILD)

    assert refused.status_code == 422
    assert "no bundle that serves states one: leave it out" in refused.json()["detail"]


async def test_an_age_that_no_bundle_answers_has_no_route(serve, tmp_path) -> None:
    write_children(tmp_path)
    write_adults(tmp_path)
    change_manifest(
        tmp_path / "adults" / "1.0.0", population={"name": "adult", "least_age_years": 18, "age_below_years": 80}
    )
    async with serve(models_dir=tmp_path, **BOTH) as client:
        body = await answer(client, film(PatientAge="085Y"), "?population=adult")

    assert (body["model"]["name"], body["route"]) == ("children", "none")
    assert "the age that is stated of the patient is not that of their patients" in body["prediction"]["recommendation"]
    assert CONTRADICTION in body["image"]["warnings"]


async def test_a_bundle_without_a_population_takes_what_no_other_can_claim(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    write_children(tmp_path, guide=False)
    async with serve(models_dir=tmp_path, models="tiny,children") as client:
        stated = await route(client, film(PatientAge="004Y"))
        other = await route(client, film(PatientAge="040Y"))
        unsaid = await route(client, CHILD)
        said = await route(client, CHILD, "?population=child")

    assert stated == ("children", "header", False)
    assert other == unsaid == ("tiny", "any_film", False)
    assert said == ("children", "caller", False)


async def test_a_guide_that_knows_no_populations_can_refuse_a_film_and_not_claim_it(serve, tmp_path) -> None:
    for directory in (write_children(tmp_path), write_adults(tmp_path)):
        seen = guide_fields()["guide"]
        seen["traits"][0] |= {"name": "pose"}  # its first two outputs, which it takes for something else
        seen["traits"][0] |= {"accepted": ["child", "adult"]}
        change_manifest(directory, guide=seen)
    async with serve(models_dir=tmp_path, **BOTH) as client:
        unsaid = await answer(client, CHILD)
        said = await route(client, CHILD, "?population=adult")
        lateral = await route(client, LATERAL, "?population=adult")

    assert unsaid["route"] == "none"
    assert "no bundle can see it" in unsaid["prediction"]["recommendation"]
    assert said == ("adults", "caller", False)
    assert lateral == ("children", "none", True)


async def test_an_age_against_the_callers_word_is_a_contradiction_whoever_answers(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    write_children(tmp_path)
    async with serve(models_dir=tmp_path, models="children,tiny") as client:
        assert await route(client, film(PatientAge="040Y"), "?population=child") == ("tiny", "any_film", True)
        assert await route(client, ADULT, "?population=child") == ("tiny", "any_film", True)
        assert await route(client, film(PatientAge="040Y")) == ("tiny", "any_film", False)


async def test_each_film_of_a_batch_goes_its_own_way(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        parts = [("files", content) for content in (ADULT, CHILD, b"rubbish", film(PatientAge="040Y"))]
        body = (await client.post("/predict/batch", files=parts)).json()

    assert body["model"]["name"] == "children"
    results = [(each["model"]["name"], each["route"]) for each in body["results"] if "model" in each]
    assert results == [("adults", "guide"), ("children", "guide"), ("adults", "header")]
    assert body["results"][2]["problem"]["code"] == "unsupported_image"


def resize_linearly(directory) -> None:
    """Let a bundle with a guide resize as OpenCV does, for which a JPEG is decoded at its full size."""
    network, spec = tiny_network(), PreprocessSpec(size=SIDE, interpolation="linear")
    arrays = golden(network, spec)
    for seen in (lungs, traits):
        arrays[seen.__name__] = np.stack([seen(network, image) for image in arrays["inputs"]])
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy types its one other keyword as bool
    change_manifest(directory, preprocess=spec.model_dump())
    replace_file(directory, GOLDEN, content.getvalue())


async def test_a_bundle_answers_a_film_as_it_does_alone_whatever_size_of_it_another_was_shown(serve, tmp_path) -> None:
    write_children(tmp_path)
    resize_linearly(write_adults(tmp_path))
    noise = np.random.default_rng(0).integers(0, 256, (1600, 1280), np.uint8)
    films = {"children": encode(noise, ".jpg")}
    noise[:800] = 190 + noise[:800] // 4
    noise[800:] //= 8
    films["adults"] = encode(noise, ".jpg")
    async with serve(models_dir=tmp_path, **BOTH) as client:
        routed = {name: await answer(client, content) for name, content in films.items()}
    for name, content in films.items():
        async with serve(models_dir=tmp_path, model=name) as client:
            alone = await answer(client, content)

        assert routed[name]["model"]["name"] == name
        assert routed[name]["prediction"] == alone["prediction"]


async def test_an_explanation_is_drawn_by_the_bundle_that_answers(serve, tmp_path) -> None:
    write_children(tmp_path)
    write_adults(tmp_path)
    async with serve(models_dir=tmp_path, **BOTH) as client:
        adult = (await client.post("/explain", content=ADULT)).json()
        unknown = await client.post("/explain?finding=FRACTURE", content=ADULT)

    assert (adult["model"]["name"], adult["route"]) == ("adults", "guide")
    assert adult["explanation"]["finding"] == adult["prediction"]["label"]
    assert unknown.status_code == 422


async def test_a_finding_that_only_the_other_bundle_knows_is_refused_once_the_route_is_known(serve, tmp_path) -> None:
    write_children(tmp_path)
    several = write_tiny_bundle(tmp_path, name="adults", alone=True, current=False)
    change_manifest(several, population={"name": "adult", "least_age_years": 18, "age_below_years": None})
    async with serve(models_dir=tmp_path, **BOTH) as client:
        adult = await client.post("/explain?finding=Effusion", content=film(PatientAge="040Y"))
        child = await client.post("/explain?finding=Effusion", content=film(PatientAge="004Y"))

    assert (adult.status_code, adult.json()["explanation"]["finding"]) == (200, "Effusion")
    assert child.status_code == 422
    assert "the finding is not one of NORMAL, PNEUMONIA" in child.json()["detail"]


async def test_films_of_the_spool_go_the_same_ways_and_are_read_again_once_a_missing_bundle_serves(
    serve_dicomweb, tmp_path
) -> None:
    models = tmp_path / "models"
    write_adults(models)
    films = {"child": film("child", PatientAge="004Y"), "adult": film("adult", PatientAge="040Y")}
    async with serve_dicomweb(models_dir=models, model_poll_s=0.01, models="adults,children") as client:

        async def sent():
            await client.post("/dicomweb/studies", **stow(*films.values()))
            await until(analysed)
            return await results()

        async def results():
            return {name: (await client.get(f"/results/{uid(name)}")).json() for name in films}

        async def analysed() -> bool:
            return all(each["state"] == "analysed" for each in (await results()).values())

        without = await sent()
        write_children(models)
        await until(lambda: len(client.services.deployments.live) == 2)
        both = await sent()
        again = await sent()

    def routes(results):
        return {name: (each["analysis"]["model"]["name"], each["analysis"]["route"]) for name, each in results.items()}

    assert routes(without) == {"child": ("adults", "none"), "adult": ("adults", "header")}
    assert "children might be for it" in without["child"]["analysis"]["prediction"]["recommendation"]
    assert routes(both) == {"child": ("children", "header"), "adult": ("adults", "header")}
    assert again == both


async def test_the_command_line_routes_as_the_service_does(tmp_path) -> None:
    settings = settings_of(models_dir=write_both(tmp_path, guide=False), concurrent_runs=1, decode_workers=1, **BOTH)
    async with open_reader(settings, "adult") as reader:
        said = await reader.predict(CHILD)
        stated = await reader.explain(film(PatientAge="004Y"))

    assert (said.model.name, said.route) == ("adults", "caller")
    assert (stated.model.name, stated.route) == ("children", "header")
    assert CONTRADICTION in stated.image.warnings


async def test_the_audit_log_names_the_bundle_that_answered(serve, tmp_path, log) -> None:
    async with serve(models_dir=write_both(tmp_path / "models"), audit_file=log, **BOTH) as client:
        bodies = [await answer(client, content) for content in (CHILD, ADULT)]
        await client.post("/predict", content=b"rubbish")

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    films = [line for line in lines if line["event"] == "film"]
    assert [line.get("model_sha256") for line in films] == [*(body["model"]["sha256"] for body in bodies), None]


async def test_a_film_counts_for_the_drift_of_the_bundle_that_answers_alone(serve, tmp_path) -> None:
    async with serve(models_dir=write_both(tmp_path), **BOTH) as client:
        await answer(client, ADULT)
        sample = client.services.metrics.registry.get_sample_value
        counted = [
            sample("cxr_out_of_distribution_score_count", {"bundle": bundle}) for bundle in ("children", "adults")
        ]

    assert counted == [0, 1]
