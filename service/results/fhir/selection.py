"""Where on the film the heat map has its centre, as an ImagingSelection: a resource that R5 has and R4 has not.

Source: HL7 FHIR 5.0.0, ImagingSelection; imageRegion2D counts columns and rows from the film's top left corner.
"""

from schemas.analysis import ExplainedFinding
from service.results import codes as terms
from service.results.fhir.datatypes import URI_SYSTEM, Resource, concept, instant
from service.results.fhir.parties import Parties


def imaging_selection(parties: Parties, explained: ExplainedFinding, *, address: str, device: str) -> Resource:
    """Write it; without a region where the map is zero everywhere."""
    record = parties.record
    centre = explained.center_of_mass
    regions = []
    if centre is not None:
        column = round(centre.x * record.image.columns, 2)
        row = round(centre.y * record.image.rows, 2)
        regions = [{"regionType": "point", "coordinate": [column, row]}]
    text = f"Centre of the {explained.method} map of {explained.finding}"
    about = {name: value for name, value in parties.about().items() if name in ("subject", "basedOn")}
    return {
        "resourceType": "ImagingSelection",
        "identifier": [{"system": URI_SYSTEM, "value": address}],
        "status": "available",
        **about,
        "issued": instant(record),
        "performer": [{"actor": {"reference": device}}],
        "code": {
            **concept(terms.VISUAL_EXPLANATION),
            "text": text,
        },
        "studyUid": record.study_instance_uid,
        "derivedFrom": [parties.study()],
        "seriesUid": record.series_instance_uid,
        "instance": [
            {
                "uid": record.sop_instance_uid,
                "sopClass": {"system": URI_SYSTEM, "code": f"urn:oid:{record.sop_class_uid}"},
                **({"imageRegion2D": regions} if regions else {}),
            }
        ],
    }
