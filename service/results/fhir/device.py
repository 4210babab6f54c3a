"""The bundle that answered, as a Device; with its Unique Device Identifier, where it has one."""

import re
from typing import Final

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from service.results.contributor import device_uid
from service.results.fhir.datatypes import (
    TERMINOLOGY,
    URI_SYSTEM,
    Resource,
    coding,
    uid_identifier,
)
from service.results.fhir.versions import FhirVersion
from service.results.source import MANUFACTURER

_GS1: Final = "http://hl7.org/fhir/NamingSystem/gs1-di"
_KIND: Final = {"coding": [coding(f"{TERMINOLOGY}/v2-0203", "UDI", "Universal Device Identifier")]}


def device(record: AnalysisRecord, version: FhirVersion) -> Resource:
    """Write it; the same for every film that the bundle answered.

    Source: FHIR 4.0.1 Device.deviceName, 5.0.0 Device.name.
    """
    model = record.model
    name: Resource = {"deviceName": [{"name": model.name, "type": "user-friendly-name"}]}
    if version == "5.0":
        name = {"name": [{"value": model.name, "type": "user-friendly-name", "display": True}]}
    return {
        "resourceType": "Device",
        "identifier": [
            *([] if record.udi is None else [{"type": _KIND, "value": record.udi}]),
            uid_identifier(device_uid(record)),
            {"system": URI_SYSTEM, "value": f"urn:cxr:sha256:{model.sha256}"},
        ],
        **_udi(record.udi),
        "manufacturer": MANUFACTURER,
        **name,
        "modelNumber": model.architecture,
        "version": [
            {"type": {"text": "bundle"}, "value": model.version},
            {"type": {"text": "software"}, "value": record.software_version},
        ],
        "note": [{"text": DISCLAIMER}],
    }


def _udi(udi: str | None) -> Resource:
    """Its carrier, of an identifier of GS1: that alone shows where its fixed part ends, which R5 requires.

    Source: FHIR 5.0.0 Device.udiCarrier; GS1 General Specifications, application identifier 01.
    """
    fixed = re.match(r"\(01\)(\d{14})", udi or "")
    if fixed is None:
        return {}
    return {"udiCarrier": [{"deviceIdentifier": fixed[1], "issuer": _GS1, "carrierHRF": udi}]}
