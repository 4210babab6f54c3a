"""The analysis as FHIR R5, judged by the models of its specification."""

import json

import pytest
from fhir.resources import __fhir_version__, get_fhir_model_class
from fhir.resources.bundle import Bundle

from schemas.api import DISCLAIMER
from service.results.fhir import fhir_bundle
from service.results.objects import result_objects
from tests.service.results.films import SHA256, analysis, film, several

THREE = {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4}


def resources(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.clause("FHIR R5 Bundle", "bundle and resources are valid by fhir.resources")
@pytest.mark.parametrize(
    "record",
    [
        analysis(film()),
        analysis(film(), THREE, warnings=("low_resolution",)),
        analysis(film(), decision="abstain", in_distribution=None, out_of_distribution_score=None),
        analysis(film(), {"Swan-Ganz": 0.4, "pacemaker": 0.6}, negative_class=None),
        several(film(), warnings=("overlay",)),
    ],
)
def test_the_bundle_and_every_resource_are_valid_r5(record) -> None:
    bundle = json.loads(json.dumps(fhir_bundle(record)))

    assert __fhir_version__.startswith("5.")
    Bundle.model_validate(bundle)
    for entry in bundle["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])


def test_the_report_refers_to_what_the_bundle_holds() -> None:
    bundle = fhir_bundle(analysis(film(), THREE))

    (report,), observations, (device,) = (
        resources(bundle, kind) for kind in ("DiagnosticReport", "Observation", "Device")
    )
    assert [made["reference"] for made in report["result"]] == [f"urn:uuid:{made['id']}" for made in observations]
    assert {made["device"]["reference"] for made in observations} == {f"urn:uuid:{device['id']}"}
    assert report["study"] == [
        {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}}
    ]
    assert report["status"] == "preliminary"
    assert report["conclusion"].endswith(DISCLAIMER)


@pytest.mark.clause("FHIR R5 Observation", "a finding has code, probability and interpretation")
def test_an_observation_has_code_probability_interpretation_and_operating_point() -> None:
    (made,) = resources(fhir_bundle(analysis(film())), "Observation")

    assert made["code"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "233604007",
        "display": "Pneumonia",
    }
    assert made["code"]["coding"][1]["code"] == "RID5350"
    assert made["valueQuantity"]["value"] == 0.958765
    assert made["interpretation"][0]["coding"][0]["code"] == "POS"
    figures = {
        part["code"]["coding"][0]["display"]: part.get("valueQuantity", {}).get("value") for part in made["component"]
    }
    assert [
        figures[name] for name in ("Decision threshold", "Sensitivity at the threshold", "Specificity at the threshold")
    ] == [0.31, 0.962, 0.91]


def test_each_finding_that_is_judged_by_itself_is_an_observation_with_its_own_interpretation_and_band() -> None:
    made = resources(fhir_bundle(several(film())), "Observation")
    bands = [part["valueCodeableConcept"]["coding"][0]["code"] for each in made for part in each["component"][3:4]]

    assert [each["code"]["text"] for each in made] == [
        "Probability of Effusion",
        "Probability of Cardiomegaly",
        "Probability of Pneumothorax",
    ]
    assert [each["interpretation"][0]["coding"][0]["code"] for each in made] == ["POS", "IND", "NEG"]
    assert bands == ["75540009", "62482003", "75540009"]
    assert made[0]["note"][-1]["text"] == "The film looks like: population adult (0.97), view frontal (0.99)"


def test_the_report_has_the_name_of_the_structured_report() -> None:
    (report,) = resources(fhir_bundle(analysis(film())), "DiagnosticReport")

    sr = result_objects(film(), analysis(film()), None).sr
    assert report["identifier"][0]["value"] == f"urn:oid:{sr.SOPInstanceUID}"


def test_the_device_is_the_bundle() -> None:
    (device,) = resources(fhir_bundle(analysis(film())), "Device")
    (again,) = resources(fhir_bundle(analysis(film(SOPInstanceUID="1.2.9"))), "Device")

    assert device == again
    assert device["version"] == [
        {"type": {"text": "bundle"}, "value": "1.2.0"},
        {"type": {"text": "software"}, "value": "0.1.2"},
    ]
    assert f"urn:cxr:sha256:{SHA256}" in [name["value"] for name in device["identifier"]]


def test_the_same_analysis_is_the_same_json_and_names_no_patient() -> None:
    text = json.dumps(fhir_bundle(analysis(film())))

    assert text == json.dumps(fhir_bundle(analysis(film())))
    assert "subject" not in text
    assert "MARKER" not in text.upper()
