"""Rules of FHIR and US Core that models of its types do not hold: invariants, bindings, references.

Source: HL7 FHIR 4.0.1 and 5.0.0 (the name of each invariant is theirs); US Core 8.0.0, the profiles
us-core-diagnosticreport-note and us-core-observation-clinical-result.
"""

import re

UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REPORT_STATUS = {"registered", "partial", "preliminary", "final", "amended", "corrected", "appended"}
# Required bindings of the elements that are used.
BOUND = {
    ("DiagnosticReport", "status"): REPORT_STATUS,
    ("Observation", "status"): {"registered", "preliminary", "final", "amended"},
    ("ImagingStudy", "status"): {"registered", "available", "cancelled", "entered-in-error", "unknown"},
    ("ImagingSelection", "status"): {"available", "entered-in-error", "unknown"},
}
TARGETS = {
    "subject": {"Patient"},
    "basedOn": {"ServiceRequest"},
    "study": {"ImagingStudy"},
    "imagingStudy": {"ImagingStudy"},
    "result": {"Observation"},
    "device": {"Device"},
    "derivedFrom": {"ImagingStudy", "ImagingSelection"},
    "actor": {"Device"},
}
SLICES = {
    "DiagnosticReport": ("http://loinc.org", {"LP29684-5", "LP29708-2", "LP7839-6"}),
    "Observation": ("http://terminology.hl7.org/CodeSystem/observation-category", {"imaging"}),
}


def violations(bundle):
    """What breaks a rule, in words; empty: nothing does."""
    resources = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    return [
        *_of_bundle(bundle, resources),
        *(problem for each in resources.values() for problem in _of_resource(each, resources)),
    ]


def us_core_violations(bundle):
    """What breaks a rule of the two profiles."""
    found = []
    for resource in (entry["resource"] for entry in bundle["entry"]):
        kind = resource["resourceType"]
        if kind not in SLICES:
            continue
        system, codes = SLICES[kind]
        given = [code for concept in resource["category"] for code in concept["coding"]]
        if not any(each["system"] == system and each["code"] in codes for each in given):
            found.append(f"{kind}.category has no code of US Core's slice")
        if "subject" not in resource:
            found.append(f"{kind}.subject is absent")
        if not {"effectiveDateTime", "_effectiveDateTime"} & set(resource):
            found.append(f"us-core-10: {kind}.effective is absent")
        if len(resource.get("effectiveDateTime", "2000-01-01")) < len("2000-01-01"):
            found.append(f"us-core-1: {kind}.effective is less than a day")
        if kind == "DiagnosticReport" and not {"issued", "result", "presentedForm"} <= set(resource):
            found.append("DiagnosticReport lacks an element that must be supported")
        if kind == "Observation" and ("valueCodeableConcept" in resource) == ("dataAbsentReason" in resource):
            found.append("us-core-2: Observation has a value or a reason for none")
    return found


def _of_bundle(bundle, resources):
    changes = bundle["type"] == "transaction"
    for entry in bundle["entry"]:
        if UUID.fullmatch(entry["fullUrl"]) is None:
            yield f"fullUrl {entry['fullUrl']} is not urn:uuid:"
        if ("request" in entry) != changes:
            yield "bdl-3: request stands in transactions, and in them alone"
        if changes and "id" in entry["resource"]:
            yield "a resource that is created has an id"
    if len(resources) != len(bundle["entry"]):
        yield "bdl-7: fullUrl is not unique"
    queries = [entry["request"].get("ifNoneExist", entry["request"]["url"]) for entry in bundle["entry"] if changes]
    if len(set(queries)) != len(queries):
        yield "two entries have the same condition"


def _of_resource(resource, resources):
    kind = resource["resourceType"]
    if (kind, "status") in BOUND and resource.get("status") not in BOUND[kind, "status"]:
        yield f"{kind}.status {resource.get('status')}"
    if kind == "Observation" and "dataAbsentReason" in resource and any(key.startswith("value") for key in resource):
        yield "obs-6: a value, and a reason for none"
    contained = {f"#{each['id']}" for each in resource.get("contained", ())}
    used = {reference for reference in _values(resource, "reference") if reference.startswith("#")}
    if contained != used:
        yield f"dom-3: {kind} contains what it does not refer to, or the reverse"
    for each in resource.get("contained", ()):
        if {"contained", "meta"} & set(each):
            yield "dom-2, dom-4: a contained resource contains others, or has a version"
        if each["resourceType"] == "ImagingStudy" and "subject" not in each:
            yield "ImagingStudy.subject is required"
    yield from _of_elements(kind, resource, resources)


def _of_elements(path, element, resources):
    for name, value in element.items():
        here = f"{path}.{name}"
        for each in value if isinstance(value, list) else [value]:
            if each in ("", [], {}, None) or value == []:
                yield f"ele-1: {here} is empty"
            if name in TARGETS and isinstance(each, dict):
                yield from _of_reference(here, each, TARGETS[name], resources)
            if name == "effectiveDateTime" and DATE_TIME.fullmatch(each) is None:
                yield f"{here} {each} is not a dateTime"
            if name == "system" and ":" not in each:
                yield f"{here} {each} is not absolute"
            if name == "code" and isinstance(each, str) and each != each.strip():
                yield f"{here} has white space"
            if isinstance(each, dict):
                yield from _of_elements(here, each, resources)


def _of_reference(path, reference, targets, resources):
    address = reference.get("reference", "")
    if "extension" in reference:
        if [each["url"] for each in reference["extension"]] != [ABSENT]:
            yield f"{path} is neither there nor stated to be absent"
    elif address.startswith("urn:uuid:"):
        if address not in resources or resources[address]["resourceType"] not in targets:
            yield f"{path} refers to {address}, which is not in the bundle, or not {targets}"
    elif not address and not reference.get("identifier", {}).get("value"):
        yield f"ref-2: {path} refers to nothing"
    elif reference.get("type") not in targets and address.split("?")[0] not in targets:
        yield f"{path} is of type {reference.get('type')}"


def _values(element, name):
    if isinstance(element, list):
        return [found for each in element for found in _values(each, name)]
    if not isinstance(element, dict):
        return []
    own = [element[name]] if isinstance(element.get(name), str) else []
    return own + [found for each in element.values() for found in _values(each, name)]
