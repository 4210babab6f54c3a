"""What is remembered of a film that was read: the answer, and of whom and from where in groups alone."""

import json
from typing import Any, Final

from imaging.dicom.attributes import text
from service.dicomweb.analysis import AnalysedFilm
from service.results.structured_report import report_uid
from service.surveillance.pseudonyms import Pseudonyms

_AGES: Final = ((1, "0"), (18, "1-17"), (40, "18-39"), (65, "40-64"))
"""Years below which a patient is of a group; the others are of `65+`."""


def reading_of(film: AnalysedFilm, names: Pseudonyms) -> dict[str, Any]:
    """The row of a film in `surveillance_readings`."""
    record = film.record
    accession = text(film.source, "AccessionNumber")
    findings = {each.name: (each.decision, each.probability) for each in film.judged.findings}
    return {
        "film_key": names.film(record.sop_instance_uid),
        "model_sha256": record.model.sha256,
        "study_key": names.study(record.study_instance_uid),
        "accession_key": names.accession(accession) if accession else None,
        "report_key": names.report(report_uid(record)),
        "film_sha256": film.sha256,
        "analysed_at": record.analysed_at.timestamp(),
        "bundle": f"{record.model.name}/{record.model.version}",
        "software": record.software_version,
        "label": film.judged.label[:64],
        "decision": film.judged.decision,
        "suspended": int("suspended" in record.prediction.abstention_reasons),
        "findings": json.dumps(findings),
        "reasons": json.dumps(film.judged.abstention_reasons),
        "signals": json.dumps(film.signals),
        "station": text(film.source, "StationName")[:16],
        "device": text(film.source, "ManufacturerModelName")[:64],
        "view": text(film.source, "ViewPosition")[:16],
        "age_group": age_group(film.age_years),
    }


def age_group(years: float | None) -> str:
    """The group of an age: wide enough to point at nobody; `unknown` where there is none."""
    if years is None:
        return "unknown"
    return next((name for below, name in _AGES if years < below), "65+")
