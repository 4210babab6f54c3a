"""The analysis as FHIR, judged by models of its types, and by rules that they do not hold."""

import base64
import json

import pytest
from fhir.resources import __fhir_version__, get_fhir_model_class
from fhir.resources.R4B import __fhir_version__ as r4_version
from fhir.resources.R4B import get_fhir_model_class as get_r4_model_class
from pydicom.dataset import Dataset

from schemas.api import DISCLAIMER, CenterOfMass
from schemas.errors import InvalidParameterError
from service.results.fhir.bundle import collection, transaction
from service.results.messages.context import context_of
from service.results.objects import result_objects
from service.surveillance.reports.fhir import read_fhir
from service.surveillance.reports.rules import ReportRules, Rule
from tests.service.results.fhir.rules import us_core_violations, violations
from tests.service.results.films import SHA256, analysis, film, several

MODELS = {"4.0": get_r4_model_class, "5.0": get_fhir_model_class}
THREE = {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4}


def resources(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return [dataset]


NAMED = {
    "PatientName": "Doe^Jane",
    "PatientID": "12345",
    "IssuerOfPatientID": "CLINIC",
    "IssuerOfPatientIDQualifiersSequence": item(UniversalEntityID="1.2.3.9", UniversalEntityIDType="ISO"),
    "AccessionNumber": "A77",
    "StudyDate": "20261120",
    "StudyTime": "101112",
    "TimezoneOffsetFromUTC": "+0100",
}


def placed(record):
    """With a heat map whose centre is known."""
    explanation = record.explanation.model_copy(update={"center_of_mass": CenterOfMass(x=0.25, y=0.5)})
    return record.model_copy(update={"explanation": explanation})


def noted(record):
    return record.model_copy(update={"delivery": ("note",), "explanation": None})


RECORDS = [
    analysis(film()),
    placed(analysis(film())),
    analysis(film(), THREE, warnings=("low_resolution",)),
    analysis(film(), decision="abstain", in_distribution=None, out_of_distribution_score=None),
    noted(analysis(film(), decision="abstain", abstention_reasons=("not_frontal", "unclear"))),
    analysis(film(), {"Swan-Ganz": 0.4, "pacemaker": 0.6}, negative_class=None),
    several(film(), warnings=("overlay",)),
]
HEADERS = [
    film(**NAMED),
    film(PatientID="", AccessionNumber="", PatientName=""),
    film(PatientID="7", IssuerOfPatientID="north", StudyDate="20261120", StudyTime="101112"),
]


def bundles(record, version):
    yield collection(record, version)
    for source in HEADERS:
        for by in ("identifier", "search"):
            yield transaction(record, context_of(source), version, patient_by=by)


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.clause("FHIR R5 Bundle", "bundle and resources are valid by fhir.resources")
@pytest.mark.clause(
    "FHIR R4 Bundle", "bundle and resources are valid by fhir.resources, references and invariants hold"
)
@pytest.mark.clause("US Core diagnosticreport-note", "category, subject, effective and issued are there (us-core-10)")
@pytest.mark.clause(
    "US Core observation-clinical-result", "category imaging, a value or a reason for none (us-core-1, us-core-2)"
)
def test_the_bundle_and_every_resource_are_valid(record, version) -> None:
    for made in bundles(record, version):
        bundle = json.loads(json.dumps(made))

        MODELS[version]("Bundle").model_validate(bundle)
        for entry in bundle["entry"]:
            MODELS[version](entry["resource"]["resourceType"]).model_validate(entry["resource"])
        assert violations(bundle) == []
        assert version == "5.0" or us_core_violations(bundle) == []
    assert (r4_version[:2], __fhir_version__[:2]) == ("4.", "5.")


def test_the_report_refers_to_what_the_bundle_holds() -> None:
    bundle = collection(analysis(film(), THREE))

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
    (made,) = resources(collection(analysis(film())), "Observation")

    assert made["code"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "233604007",
        "display": "Pneumonia",
    }
    assert made["code"]["coding"][1]["code"] == "RID5350"
    assert made["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    assert made["interpretation"][0]["coding"][0]["code"] == "POS"
    figures = {
        part["code"]["coding"][0]["display"]: part.get("valueQuantity", {}).get("value") for part in made["component"]
    }
    assert figures["Probability"] == 0.958765
    assert (
        figures["Decision threshold"],
        figures["Sensitivity at the threshold"],
        figures["Specificity at the threshold"],
    ) == (
        0.31,
        0.962,
        0.91,
    )


def test_each_finding_that_is_judged_by_itself_is_an_observation_with_its_own_interpretation_and_band() -> None:
    made = resources(collection(several(film())), "Observation")
    bands = [part["valueCodeableConcept"]["coding"][0]["code"] for each in made for part in each["component"][5:6]]

    assert [each["code"]["text"] for each in made] == [
        "Effusion",
        "Cardiomegaly",
        "Pneumothorax",
    ]
    assert [each["interpretation"][0]["coding"][0]["code"] for each in made] == ["POS", "IND", "NEG"]
    assert bands == ["75540009", "62482003", "75540009"]
    assert made[0]["note"][-1]["text"] == "The film looks like: population adult (0.97), view frontal (0.99)"


def test_the_report_has_the_name_of_the_structured_report() -> None:
    (report,) = resources(collection(analysis(film())), "DiagnosticReport")

    sr = result_objects(film(), analysis(film()), None).sr
    assert report["identifier"][0]["value"] == f"urn:oid:{sr.SOPInstanceUID}"


def test_the_device_is_the_bundle() -> None:
    (device,) = resources(collection(analysis(film())), "Device")
    (again,) = resources(collection(analysis(film(SOPInstanceUID="1.2.9"))), "Device")

    assert device == again
    assert device["version"] == [
        {"type": {"text": "bundle"}, "value": "1.2.0"},
        {"type": {"text": "software"}, "value": "0.1.2"},
    ]
    assert f"urn:cxr:sha256:{SHA256}" in [name["value"] for name in device["identifier"]]


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.parametrize(
    ("udi", "fixed"), [("(01)00844588003288(11)141231", "00844588003288"), ("+H123PARTNO1234567890120/$$420", None)]
)
def test_a_bundle_with_a_udi_states_it(version, udi, fixed) -> None:
    record = analysis(film()).model_copy(update={"udi": udi})
    (device,) = resources(collection(record, version), "Device")
    MODELS[version]("Device").model_validate(json.loads(json.dumps(device)))

    assert device["identifier"][0]["value"] == udi
    assert [each["deviceIdentifier"] for each in device.get("udiCarrier", [])] == ([fixed] if fixed else [])


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.clause("FHIR R5 DiagnosticReport", "what is read names no patient")
def test_the_same_analysis_is_the_same_json_and_names_no_patient(version) -> None:
    record = analysis(film(**NAMED))
    text = json.dumps(collection(record, version))

    assert text == json.dumps(collection(record, version))
    assert not any(word in text for word in ("12345", "Doe", "CLINIC", "A77", "2026-11-20", "MARKER"))
    assert version == "4.0" or "subject" not in text


def test_r4_says_of_subject_and_time_that_they_are_masked() -> None:
    (report,) = resources(collection(analysis(film()), "4.0"), "DiagnosticReport")

    masked = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
    }
    assert (report["subject"], report["_effectiveDateTime"]) == (masked, masked)
    assert "study" not in report
    assert report["imagingStudy"][0]["identifier"]["value"] == "urn:oid:1.2.3"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        (("unclear",), "unknown"),
        (("not_frontal", "unclear"), "unsupported"),
        (("outside_population",), "unsupported"),
        (("suspended",), "not-permitted"),
        ((), "unknown"),
    ],
)
@pytest.mark.clause("FHIR R4 Observation", "a finding without an answer has dataAbsentReason and no value (obs-6)")
def test_a_finding_without_an_answer_has_a_reason_and_no_value(reasons, code) -> None:
    (made,) = resources(
        collection(analysis(film(), decision="abstain", abstention_reasons=reasons), "4.0"), "Observation"
    )

    assert made["dataAbsentReason"]["coding"][0]["code"] == code
    assert made["interpretation"][0]["coding"][0]["code"] == "IND"
    assert not any(name.startswith("value") for name in made)


def test_a_negative_finding_is_absent() -> None:
    (made,) = resources(
        collection(analysis(film(), {"NORMAL": 0.9, "PNEUMONIA": 0.1}, label="NORMAL", decision="negative")),
        "Observation",
    )

    assert made["valueCodeableConcept"]["coding"][0]["code"] == "2667000"


@pytest.mark.clause("FHIR R5 ImagingSelection", "the centre of the heat map is a point on the film")
def test_only_r5_has_the_place_of_the_heat_map() -> None:
    record = placed(analysis(film()))
    (made,) = resources(collection(record), "ImagingSelection")
    (observation,) = resources(collection(record), "Observation")

    assert resources(collection(record, "4.0"), "ImagingSelection") == []
    assert made["instance"][0]["imageRegion2D"] == [{"regionType": "point", "coordinate": [50.0, 150.0]}]
    assert observation["derivedFrom"][1] == {"reference": f"urn:uuid:{made['id']}"}


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.clause(
    "FHIR R4 DiagnosticReport", "patient, order (ACSN), time and study are named by the identifiers of the header"
)
def test_a_server_gets_patient_order_time_and_study_by_their_own_names(version) -> None:
    source = film(**NAMED)
    bundle = transaction(analysis(source), context_of(source), version)

    (report,) = resources(bundle, "DiagnosticReport")
    (observation,) = resources(bundle, "Observation")
    assert report["subject"] == observation["subject"]
    assert report["subject"]["identifier"]["system"] == "urn:oid:1.2.3.9"
    assert report["subject"]["identifier"]["value"] == "12345"
    assert report["subject"]["identifier"]["assigner"] == {"display": "CLINIC"}
    assert report["basedOn"][0]["identifier"]["type"]["coding"][0]["code"] == "ACSN"
    assert report["basedOn"][0]["identifier"]["value"] == "A77"
    assert report["effectiveDateTime"] == "2026-11-20T10:11:12+01:00"
    assert report["contained"][0]["series"][0]["instance"][0]["uid"] == "1.2.3.4.5"
    assert "Doe" not in json.dumps(bundle)
    assert resources(bundle, "Patient") == []


def test_without_a_time_zone_the_time_is_the_day() -> None:
    (report,) = resources(transaction(analysis(film()), context_of(HEADERS[2])), "DiagnosticReport")

    assert report["effectiveDateTime"] == "2026-11-20"


def test_a_patient_can_be_one_that_the_server_has_to_find() -> None:
    source = film(PatientID="a|b&c,d", IssuerOfPatientID="north")
    bundle = transaction(
        analysis(source), context_of(source), patient_system="http://hospital/mrn", patient_by="search"
    )

    (report,) = resources(bundle, "DiagnosticReport")
    assert report["subject"] == {"reference": "Patient?identifier=http%3A%2F%2Fhospital%2Fmrn|a%5C%7Cb%26c%5C%2Cd"}


def test_a_film_that_is_analysed_again_has_the_names_of_the_first_time_and_another_film_has_others() -> None:
    first, again, other = (
        [entry["request"] for entry in transaction(record, context_of(film()))["entry"]]
        for record in (
            analysis(film()),
            noted(analysis(film(), decision="abstain")),
            analysis(film(SOPInstanceUID="1.2.9")),
        )
    )
    device = [request for request in first if "ifNoneExist" in request]

    assert first == again
    assert [request["url"].partition("?")[0] for request in first] == ["DiagnosticReport", "Observation", "Device"]
    assert [request["method"] for request in first] == ["PUT", "PUT", "POST"]
    assert [request for request in first if request in other] == device
    assert "?identifier=urn:ietf:rfc:3986|urn:uuid:" in first[0]["url"]


def test_a_short_report_has_no_figures_for_a_server_either() -> None:
    record = noted(analysis(film(), decision="abstain", abstention_reasons=("unclear",)))
    (made,) = resources(transaction(record, context_of(film())), "Observation")

    assert "valueQuantity" not in json.dumps(made)
    assert made["component"][0]["valueCodeableConcept"]["coding"][0]["code"] == "UNCLEAR"


def test_the_report_stands_in_plain_text_too() -> None:
    (report,) = resources(collection(several(film())), "DiagnosticReport")
    text = base64.b64decode(report["presentedForm"][0]["data"]).decode()

    assert text.splitlines()[:3] == ["Effusion: present", "Cardiomegaly: no answer", "Pneumothorax: absent"]
    assert text.endswith(DISCLAIMER)


def test_what_was_ordered_in_loinc_is_the_code_of_the_report() -> None:
    source = film(
        ProcedureCodeSequence=item(CodeValue="36643-5", CodingSchemeDesignator="LN", CodeMeaning="XR Chest 2 Views")
    )
    (ordered,) = resources(transaction(analysis(source), context_of(source)), "DiagnosticReport")
    (read,) = resources(collection(analysis(source)), "DiagnosticReport")

    assert [report["code"]["coding"][0]["code"] for report in (ordered, read)] == ["36643-5", "36554-4"]


@pytest.mark.parametrize("version", MODELS)
def test_our_own_report_is_never_taken_for_a_final_one(version) -> None:
    rules = ReportRules(rules=(Rule(finding="PNEUMONIA", presence="present", phrases=("pneumonia",)),))
    with pytest.raises(InvalidParameterError, match="not final"):
        read_fhir(json.dumps(collection(analysis(film()), version)).encode(), rules)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report, _: report.update(status="ready"),
        lambda report, _: report["result"][0].update(reference="urn:uuid:00000000-0000-0000-0000-000000000000"),
        lambda report, _: report.update(conclusion=""),
        lambda report, _: report.pop("imagingStudy"),
        lambda _, observation: observation.update(dataAbsentReason={"text": "x"}),
        lambda _, observation: observation["device"].clear(),
        lambda _, observation: observation.update(effectiveDateTime="2026-11-20T10:11:12"),
    ],
)
def test_the_rules_refuse_what_breaks_one(spoil) -> None:
    source = film(**NAMED)
    bundle = transaction(analysis(source), context_of(source))
    spoil(*(resources(bundle, kind)[0] for kind in ("DiagnosticReport", "Observation")))

    assert violations(bundle) != []
