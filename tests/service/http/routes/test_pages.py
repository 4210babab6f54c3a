"""Rules of the pages for people and of the OpenAPI document."""

import json
import re

import pytest

from service.http.routes.pages import STATIC

pytestmark = pytest.mark.anyio

OURS = [
    path.relative_to(STATIC) for path in STATIC.rglob("*.*") if path.is_file() and path.parent != STATIC / "swagger"
]


@pytest.mark.parametrize("address", ["/", "/docs"])
async def test_every_file_that_a_page_names_comes_from_this_service(client, address) -> None:
    page = await client.get(address)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["Content-Type"].startswith("text/html")
    assert named
    for name in named:
        assert (await client.get(f"/{name}")).status_code == 200


@pytest.mark.parametrize("name", OURS, ids=str)
def test_none_of_our_files_names_an_outside_address_or_holds_an_inline_script(name) -> None:
    text = (STATIC / name).read_text()

    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.findall(r"<script>|<style|style=|\son\w+=|innerHTML|\beval\(|new Function", text)


async def test_the_page_states_what_the_service_is_not(client) -> None:
    assert "Research use, not a diagnosis" in (await client.get("/")).text


async def test_swagger_ui_is_small_and_carries_its_licence() -> None:
    files = {path.name: path.stat().st_size for path in (STATIC / "swagger").iterdir()}

    assert {"LICENSE", "NOTICE", "swagger-ui-bundle.js", "swagger-ui.css"} <= set(files)
    assert sum(files.values()) < 2_000_000


async def test_the_openapi_document_is_of_version_3_1_and_names_no_outside_address(client) -> None:
    response = await client.get("/openapi.json")

    assert response.json()["openapi"].startswith("3.1")
    # In examples they are names of code systems and of formats of XML, as the standards write them.
    named = set(re.findall(r"https?://([\w.]+)", response.text))
    assert named <= {
        "dicom.nema.org",
        "radlex.org",
        "snomed.info",
        "terminology.hl7.org",
        "unitsofmeasure.org",
        "www.w3.org",
    }
    document = response.json()
    del document["components"]["examples"]
    outside = [content["example"] for content in described(document) if "example" in content]
    text = json.dumps(document)
    for example in outside:
        text = text.replace(json.dumps(example), "")
    assert not re.search(r"https?://", text)


def described(document):
    """Every body of an operation."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from holder.get("content", {}).values()


async def test_every_operation_documents_its_body_its_success_and_its_problems(client) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]

    assert set(paths) == {
        "/predict",
        "/predict/batch",
        "/explain",
        "/film",
        "/acceptance",
        "/acceptance/{report}",
        "/acceptance/{report}/report.html",
        "/acceptance/{report}/report.pdf",
        "/acceptance/{report}/plots/{picture}",
        "/jobs",
        "/jobs/{job}",
        "/jobs/{job}/cancel",
        "/jobs/{job}/films",
        "/models",
        "/models/current",
        "/models/challenger",
        "/models/challenger/promote",
        "/models/{name}/{version}",
        "/models/{name}/{version}/activate",
        "/models/{name}/rollback",
        "/models/rollback",
        "/admin/drain",
        "/capabilities",
        "/dicomweb/commitments",
        "/dicomweb/studies",
        "/dicomweb/studies/{study}",
        "/results",
        "/results/{sop_instance_uid}",
        "/results/{sop_instance_uid}/fhir",
        "/results/{sop_instance_uid}/retry",
        "/results/{sop_instance_uid}/verdict",
        "/results/{sop_instance_uid}/withdraw",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{name}",
        "/v2/models/{name}/infer",
        "/v2/models/{name}/ready",
        "/v2/models/{name}/versions/{version}",
        "/v2/models/{name}/versions/{version}/infer",
        "/v2/models/{name}/versions/{version}/ready",
        "/verdicts",
        "/monitoring",
        "/monitoring/resume",
        "/livez",
        "/readyz",
        "/metrics",
    }
    for address in ("/predict", "/predict/batch", "/explain", "/film"):
        operation = paths[address]["post"]
        assert {
            "multipart/form-data",
            "image/jpeg",
            "image/png",
            "application/dicom",
            "application/octet-stream",
        } == set(operation["requestBody"]["content"])
        assert {"200", "400", "413", "422", "500", "503", "504"} <= set(operation["responses"])
        assert {"priority", "X-Deadline-Ms"} <= {parameter["name"] for parameter in operation["parameters"]}
    for address in ("/dicomweb/studies", "/dicomweb/studies/{study}"):
        operation = paths[address]["post"]
        assert set(operation["requestBody"]["content"]) == {
            'multipart/related; type="application/dicom"',
            "application/dicom",
            "application/octet-stream",
        }
        assert {"200", "202", "400", "401", "406", "409", "413", "415", "503"} <= set(operation["responses"])
        assert "X-Priority" in {parameter["name"] for parameter in operation["parameters"]}
    assert {"406", "415"} <= set(paths["/explain"]["post"]["responses"])
    assert {"404", "406", "409"} <= set(paths["/models/{name}/{version}"]["get"]["responses"])
    assert {"application/json", "image/png", "image/jpeg"} == set(
        paths["/explain"]["post"]["responses"]["200"]["content"]
    )


async def test_every_documented_failure_is_a_problem(client) -> None:
    document = (await client.get("/openapi.json")).json()

    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for address, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if address.startswith("/dicomweb") and status == "409":  # PS3.18 10.5.3: what became of each instance
                    assert set(response["content"]) == {"application/dicom+json", "application/dicom+xml"}
                elif address.startswith("/v2") and not status.startswith("2"):  # in the words of the protocol
                    assert set(response["content"]) == {"application/json"}
                elif not status.startswith("2"):
                    assert set(response["content"]) == {"application/problem+json"}
