"""The bundle that answered, as a Device.

It has no udiCarrier: a Unique Device Identifier is issued for a medical device, and the bundle is none.
"""

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from service.results.fhir.datatypes import URI_SYSTEM, FhirVersion, Resource, uid_identifier
from service.results.source import MANUFACTURER
from service.results.structured_report import device_uid


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
            uid_identifier(device_uid(record)),
            {"system": URI_SYSTEM, "value": f"urn:cxr:sha256:{model.sha256}"},
        ],
        "manufacturer": MANUFACTURER,
        **name,
        "modelNumber": model.architecture,
        "version": [
            {"type": {"text": "bundle"}, "value": model.version},
            {"type": {"text": "software"}, "value": record.software_version},
        ],
        "note": [{"text": DISCLAIMER}],
    }
