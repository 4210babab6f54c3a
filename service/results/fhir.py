"""stand-in"""

from schemas.analysis import AnalysisRecord


def fhir_bundle(record: AnalysisRecord) -> dict[str, object]:
    return {"resourceType": "Bundle"}
