"""Rules of `/dicomweb/studies` and `/results`, spoken to as a PACS and an operator would."""

import asyncio
import json

import pytest

from service.mime.native_model import native_model
from tests.fakes import GatedOpener
from tests.imaging.files import dicom_bytes
from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import STUDY, film, film_dataset, stow, uid
from tests.waiting import until

pytestmark = pytest.mark.anyio

FAILED = "00081198"
REFERENCED = "00081199"
OTHER = "0008119A"
CR = "1.2.840.10008.5.1.4.1.1.1"


async def result_in(client, state, name="film"):
    async def result():
        body = (await client.get(f"/results/{uid(name)}")).json()
        return body if body.get("state") == state else None

    return await until(result)


def uids(body, sequence):
    return [item["00081155"]["Value"][0] for item in body.get(sequence, {"Value": []})["Value"]]


def reasons(body, sequence):
    return [item["00081197"]["Value"][0] for item in body[sequence]["Value"]]


@pytest.mark.clause("PS3.18 10.5.3", "a stored instance stands in ReferencedSOPSequence")
async def test_a_stored_film_is_named_in_the_answer_and_analysed_by_the_same_network(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/studies", **stow(film()))
        body = await result_in(client, "analysed")
        predicted = (await client.post("/predict", content=film())).json()

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/dicom+json")
    assert response.json() == {
        "00081190": {"vr": "UR"},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": [CR]},
                    "00081155": {"vr": "UI", "Value": [uid("film")]},
                    "00081190": {"vr": "UR"},
                }
            ],
        },
    }
    assert body["analysis"]["prediction"] == predicted["prediction"]
    assert (body["attempts"], body["problem"], body["study_instance_uid"]) == (0, None, STUDY)


async def test_of_several_findings_each_is_in_the_record_and_in_fhir(serve_dicomweb, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models", alone=True, guide=True)
    async with serve_dicomweb(models_dir=tmp_path / "models") as client:
        for name, attributes in {"child": {"PatientAge": "004Y"}, "adult": {"PatientAge": "044Y"}}.items():
            await client.post("/dicomweb/studies", **stow(film(name, gray=128, **attributes)))
        child, adult = [(await result_in(client, "analysed", name))["analysis"] for name in ("child", "adult")]
        fhir = (await client.get(f"/results/{uid('child')}/fhir")).json()

    assert child["activation"] == "sigmoid"
    assert [finding["decision"] for finding in child["prediction"]["findings"]] == ["abstain", "negative", "negative"]
    assert (child["prediction"]["decision"], child["delivery"], child["explanation"]) == ("abstain", ["note"], None)
    observations = [entry["resource"] for entry in fhir["entry"] if entry["resource"]["resourceType"] == "Observation"]
    assert [made["interpretation"][0]["coding"][0]["code"] for made in observations] == ["IND", "NEG", "NEG"]
    assert adult["prediction"]["abstention_reasons"] == ["outside_population", "unclear"]
    assert "population_contradicts_header" in adult["image"]["warnings"]
    assert "44" not in json.dumps(adult["prediction"]["recommendation"])


@pytest.mark.parametrize("boundary", ["boundary=" + "b" * 257, "boundary*=utf-8''%E2%82%AC"])
async def test_a_boundary_that_no_parser_takes_is_a_malformed_request(serve_dicomweb, boundary) -> None:
    async with serve_dicomweb() as client:
        refused = await client.post(
            "/dicomweb/studies", content=b"--b--", headers={"Content-Type": f"multipart/related; {boundary}"}
        )

    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")


async def test_the_capabilities_name_what_is_stored(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        assert CR in (await client.get("/capabilities")).json()["stored_sop_classes"]


async def test_a_draining_service_takes_no_film_and_finishes_those_it_has(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film()))
        client.services.admission.drain()
        refused = await client.post("/dicomweb/studies", **stow(film("late")))
        await result_in(client, "analysed")

    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")


async def test_a_body_that_does_not_arrive_is_504_in_time_and_keeps_no_bundle(serve_dicomweb) -> None:
    request = stow(film())
    held = []

    async with serve_dicomweb() as client:
        service = client.services

        async def body():
            yield request["content"][:100]
            held.append(service.deployments.first.live._holders)
            await asyncio.Event().wait()

        headers = request["headers"] | {"X-Deadline-Ms": "50"}
        late = await client.post("/dicomweb/studies", content=body(), headers=headers)
        metrics = (await client.get("/metrics")).text

    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    assert held == [0]
    assert 'cxr_shed_total{reason="deadline"} 1.0' in metrics


async def test_without_a_deadline_of_the_sender_the_services_own_counts(serve_dicomweb) -> None:
    request = stow(film())

    async def body():
        yield request["content"][:100]
        await asyncio.Event().wait()

    async with serve_dicomweb(deadline_ms=50) as client:
        late = await client.post("/dicomweb/studies", content=body(), headers=request["headers"])

    assert late.status_code == 504


async def test_no_film_is_analysed_while_the_network_is_dead(serve_dicomweb) -> None:
    opener = GatedOpener()
    async with serve_dicomweb(open_engine=opener) as client:
        analysis, *_ = client.intake.worker._steps
        assert analysis.may_start()
        opener.engine.broken = RuntimeError("the device is lost")
        await client.post("/predict", content=film(), headers={"Content-Type": "application/dicom"})
        await until(lambda: not client.services.deployments.first.alive)

        assert not analysis.may_start()


async def test_what_follows_the_pixels_is_not_parsed(serve_dicomweb) -> None:
    without_its_end = b"\xfc\xff\xfc\xffSQ\0\0" + b"\xff" * 4
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film() + without_its_end))
        body = await result_in(client, "analysed")

    assert body["problem"] is None


async def test_a_film_sent_again_is_answered_as_stored_and_not_analysed_again(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film()))
        await result_in(client, "analysed")
        again = await client.post("/dicomweb/studies", **stow(film()))
        metrics = (await client.get("/metrics")).text

    assert (again.status_code, uids(again.json(), REFERENCED)) == (200, [uid("film")])
    assert "cxr_images_total 1.0" in metrics
    assert 'cxr_stow_instances_total{result="known"} 1.0' in metrics


@pytest.mark.clause("PS3.18 10.5.3", "202 where some instances fail, with a reason for each in FailedSOPSequence")
async def test_some_stored_and_some_not_is_202_with_a_reason_for_each_failure(serve_dicomweb) -> None:
    report = film("report", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/studies", **stow(film(), b"rubbish", report))

    assert response.status_code == 202
    assert uids(response.json(), REFERENCED) == [uid("film")]
    assert (uids(response.json(), FAILED), reasons(response.json(), FAILED)) == ([uid("report")], [0x0122])
    assert reasons(response.json(), OTHER) == [0xC000]
    assert "invalid_image: " in response.headers["Warning"]
    assert "not_a_radiograph: the SOP class" in response.headers["Warning"]


@pytest.mark.clause("PS3.18 10.5.3", "409 and A900 for an instance of another study than the address names")
async def test_a_film_of_another_study_than_the_addresses_is_409(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        right = await client.post(f"/dicomweb/studies/{STUDY}", **stow(film()))
        wrong = await client.post("/dicomweb/studies/1.2.3", **stow(film("another")))

    assert right.status_code == 200
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (409, "application/dicom+json")
    assert reasons(wrong.json(), FAILED) == [0xA900]


async def test_another_content_under_a_known_uid_is_stored_without_a_warning(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film()))
        response = await client.post("/dicomweb/studies", **stow(film(gray=60)))

    assert response.status_code == 200
    assert uids(response.json(), REFERENCED) == [uid("film")]
    assert "00081196" not in response.json()[REFERENCED]["Value"][0]


@pytest.mark.clause("PS3.18 I.2", "C122 for a transfer syntax that is not supported")
async def test_a_deflated_film_is_refused_by_its_transfer_syntax(serve_dicomweb) -> None:
    deflated = dicom_bytes(film_dataset(), "1.2.840.10008.1.2.1.99")
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/studies", **stow(deflated))

    assert (response.status_code, reasons(response.json(), OTHER)) == (409, [0xC122])


@pytest.mark.clause("PS3.18 I.2", "A7xx and 503 where there is no room")
async def test_a_full_spool_is_503_with_a_time_to_come_back(serve_dicomweb) -> None:
    async with serve_dicomweb(spool_capacity=1) as client:
        await client.intake.worker.stop()
        await client.post("/dicomweb/studies", **stow(film()))
        response = await client.post("/dicomweb/studies", **stow(film("another")))

    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert reasons(response.json(), FAILED) == [0xA700]


@pytest.mark.clause("PS3.18 10.5.1", "bodies other than multipart/related of application/dicom are refused")
@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("image/jpeg", film(), 415, "unsupported_media_type"),
        ("application/dicom", b"", 400, "malformed_request"),
        ('multipart/related; type="application/dicom+json"; boundary=b', b"--b--", 415, "unsupported_media_type"),
        ('multipart/related; type="application/dicom"', b"--b--", 400, "malformed_request"),
        ('multipart/related; type="application/dicom"; boundary=b', b"", 400, "malformed_request"),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b--\r\n", 400, "malformed_request"),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b\r\n\r\nfilm", 400, "malformed_request"),
    ],
)
async def test_a_request_that_cannot_be_read_is_a_problem(serve_dicomweb, content_type, body, status, code) -> None:
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/studies", content=body, headers={"Content-Type": content_type})

    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_more_instances_than_a_batch_holds_are_refused(serve_dicomweb) -> None:
    async with serve_dicomweb(max_batch_items=2) as client:
        response = await client.post("/dicomweb/studies", **stow(b"1", b"2", b"3"))

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_a_body_over_the_limit_is_refused_while_it_arrives(serve_dicomweb) -> None:
    whole = stow(film())

    async def chunks():
        yield whole["content"]
        yield bytes(1)

    async with serve_dicomweb(max_body_bytes=len(whole["content"])) as client:
        accepted = await client.post("/dicomweb/studies", **whole)
        response = await client.post("/dicomweb/studies", **whole | {"content": chunks()})

    assert accepted.status_code == 200
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("media_type", ["application/dicom", "application/octet-stream"])
async def test_one_instance_may_be_the_body_itself(serve_dicomweb, media_type) -> None:
    async with serve_dicomweb() as client:
        stored = await client.post("/dicomweb/studies", content=film(), headers={"Content-Type": media_type})
        known = await client.post("/dicomweb/studies", **stow(film()))

    assert stored.status_code == 200
    assert stored.json() == known.json()


@pytest.mark.parametrize(("content", "status"), [(film(), 200), (b"no instance", 409)])
async def test_the_answer_is_in_xml_where_that_is_asked_for(serve_dicomweb, content, status) -> None:
    request = stow(content)
    async with serve_dicomweb() as client:
        as_json = await client.post("/dicomweb/studies", **request)
        request["headers"] |= {"Accept": "application/dicom+xml"}
        response = await client.post("/dicomweb/studies", **request)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/dicom+xml")
    assert response.content == native_model(as_json.json())


async def test_without_a_bundle_no_film_is_taken(serve_dicomweb, tmp_path) -> None:
    async with serve_dicomweb(models_dir=tmp_path) as client:
        response = await client.post("/dicomweb/studies", **stow(film()))

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


async def test_where_dicomweb_is_switched_off_the_answer_names_the_setting(client) -> None:
    for response in (await client.post("/dicomweb/studies", **stow(film())), await client.get("/results")):
        assert response.status_code == 404
        assert "CXR_DICOMWEB=true" in response.json()["detail"]


@pytest.mark.parametrize(
    ("header", "attributes", "priority"),
    [
        (None, {}, "routine"),
        (None, {"RequestedProcedurePriority": "STAT"}, "stat"),
        (None, {"StudyPriorityID": "HIGH"}, "stat"),
        (None, {"ScheduledProcedureStepPriority": "LOW"}, "routine"),
        ("routine", {"RequestedProcedurePriority": "STAT"}, "routine"),
        ("stat", {}, "stat"),
    ],
)
async def test_the_header_or_else_the_film_says_how_urgent_it_is(serve_dicomweb, header, attributes, priority) -> None:
    request = stow(film(**attributes))
    request["headers"] |= {} if header is None else {"X-Priority": header}
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **request)
        body = (await client.get(f"/results/{uid('film')}")).json()

    assert body["priority"] == priority


async def test_an_urgency_that_does_not_exist_is_refused(serve_dicomweb) -> None:
    request = stow(film())
    request["headers"] |= {"X-Priority": "now"}
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/studies", **request)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")


async def test_a_film_that_cannot_be_read_is_refused_with_its_problem(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film(Modality="CT")))
        body = await result_in(client, "refused")
        listed = (await client.get("/results", params={"state": "refused"})).json()["results"]
        fhir = await client.get(f"/results/{uid('film')}/fhir")

    assert (body["problem"], body["analysis"], body["next_attempt_at"]) == ("not_a_radiograph", None, None)
    assert [entry["sop_instance_uid"] for entry in listed] == [uid("film")]
    assert (fhir.status_code, fhir.json()["code"]) == (404, "not_found")


@pytest.mark.clause("FHIR R5 DiagnosticReport", "a film's analysis is offered as a bundle")
async def test_an_analysis_is_offered_as_fhir(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/dicomweb/studies", **stow(film()))
        await result_in(client, "analysed")
        address = f"/results/{uid('film')}/fhir"
        response = await client.get(address)
        r4 = await client.get(address, headers={"Accept": "application/fhir+json; fhirVersion=4.0"})
        unknown = await client.get(address, headers={"Accept": "application/fhir+json; fhirVersion=3.0"})

    assert [(each.status_code, each.headers["Content-Type"]) for each in (response, r4)] == [
        (200, "application/fhir+json; fhirVersion=5.0"),
        (200, "application/fhir+json; fhirVersion=4.0"),
    ]
    assert ["study" in each.json()["entry"][0]["resource"] for each in (response, r4)] == [True, False]
    assert (unknown.status_code, unknown.json()["code"]) == (406, "not_acceptable")
    assert "fhirVersion=5.0 or application/fhir+json; fhirVersion=4.0" in unknown.json()["detail"]


@pytest.mark.parametrize(
    ("address", "status"),
    [("/results/1.2.3", 404), ("/results/Doe", 422), ("/results?state=lost", 422), ("/results/1.2.3/fhir", 404)],
)
async def test_what_is_not_known_is_a_problem(serve_dicomweb, address, status) -> None:
    async with serve_dicomweb() as client:
        response = await client.get(address)

    assert response.status_code == status
    assert "Doe" not in response.text


async def test_a_dead_loop_of_the_spool_is_visible(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        assert (await client.get("/livez")).status_code == 200
        task = client.intake.worker._tasks[0]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (await client.get("/livez")).status_code == 503


async def test_neither_log_nor_metrics_know_the_patient_or_the_film(serve_dicomweb, archive, logged) -> None:
    async with serve_dicomweb(pacs_url=archive.url) as client:
        await client.post("/dicomweb/studies", **stow(film(), film("broken", Modality="CT")))
        await result_in(client, "delivered")
        await result_in(client, "refused", "broken")
        told = json.dumps(logged, default=str) + (await client.get("/metrics")).text

    assert "Marker" not in told
    assert "MARKER-ID" not in told
    assert uid("film") not in told
    assert STUDY not in told
