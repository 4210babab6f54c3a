"""What findings and figures are called in coded terms; a class that the table does not know keeps its own name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.model.calibration import OperatingPoint

SNOMED = "SCT"
RADLEX = "RADLEX"
DICOM = "DCM"
OURS = "99CXR"
OURS_NAME: Final = "Chest X-ray classifier"

SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        SNOMED: "http://snomed.info/sct",
        RADLEX: "http://radlex.org",
        DICOM: "http://dicom.nema.org/resources/ontology/DCM",
        "UCUM": "http://unitsofmeasure.org",
        OURS: "urn:cxr:codes",
    }
)
"""FHIR's address of each coding scheme. Source: HL7 Terminology, external code systems."""


@dataclass(frozen=True, slots=True)
class FindingCode:
    """A finding: its code in DICOM, and that of RadLex where it has one."""

    code: Code
    radlex: Code | None = None


_PNEUMONIA = FindingCode(Code("233604007", SNOMED, "Pneumonia"), Code("RID5350", RADLEX, "pneumonia"))
_BACTERIAL = FindingCode(Code("53084003", SNOMED, "Bacterial pneumonia"))
_VIRAL = FindingCode(Code("75570004", SNOMED, "Viral pneumonia"))
_COVID = FindingCode(Code("840539006", SNOMED, "COVID-19"))
_OPACITY = FindingCode(Code("112001", DICOM, "Opacity"))

FINDINGS: Final[Mapping[str, FindingCode]] = MappingProxyType(
    {
        "PNEUMONIA": _PNEUMONIA,
        "BACTERIAL_PNEUMONIA": _BACTERIAL,
        "BACTERIAL": _BACTERIAL,
        "BACTERIA": _BACTERIAL,
        "VIRAL_PNEUMONIA": _VIRAL,
        "VIRAL": _VIRAL,
        "VIRUS": _VIRAL,
        "COVID": _COVID,
        "COVID_19": _COVID,
        "COVID19": _COVID,
        "TUBERCULOSIS": FindingCode(Code("56717001", SNOMED, "Tuberculosis")),
        "LUNG_OPACITY": _OPACITY,
        "OPACITY": _OPACITY,
        "PLEURAL_EFFUSION": FindingCode(Code("60046008", SNOMED, "Pleural effusion")),
        "PNEUMOTHORAX": FindingCode(Code("36118008", SNOMED, "Pneumothorax"), Code("RID5352", RADLEX, "pneumothorax")),
        "PULMONARY_EDEMA": FindingCode(Code("19242006", SNOMED, "Pulmonary edema")),
    }
)
"""By class name in capitals, with underscores. A class that means none of the findings is not one, and has no code."""

CHEST_FILM: Final = Code("399208008", SNOMED, "Plain chest X-ray")
FINDING: Final = Code("121071", DICOM, "Finding")
COMMENT: Final = Code("121106", DICOM, "Comment")
NO_UNITS: Final = Code("1", "UCUM", "no units")

PROBABILITY: Final = Code("122157", DICOM, "Probability")
SENSITIVITY: Final = Code("111088", DICOM, "Case Sensitivity")
SPECIFICITY: Final = Code("111090", DICOM, "Case Specificity")
THRESHOLD: Final = Code("THRESHOLD", OURS, "Decision threshold")
DISTANCE: Final = Code("OOD_SCORE", OURS, "Distance to the training films")

DECISION: Final = Code("DECISION", OURS, "Decision at the operating point")
CONFIDENCE: Final = Code("CONFIDENCE", OURS, "Confidence band")
FAMILIARITY: Final = Code("FAMILIARITY", OURS, "Likeness to the training films")

FindingDecision = Literal["positive", "negative", "indeterminate"]
DECISIONS: Final[Mapping[FindingDecision, Code]] = MappingProxyType(
    {
        "positive": Code("10828004", SNOMED, "Positive"),
        "negative": Code("260385009", SNOMED, "Negative"),
        "indeterminate": Code("82334004", SNOMED, "Indeterminate"),
    }
)
CONFIDENCES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        band: Code(f"CONFIDENCE_{band.upper()}", OURS, f"{band.capitalize()} confidence")
        for band in ("low", "medium", "high")
    }
)
FAMILIARITIES: Final[Mapping[bool | None, Code]] = MappingProxyType(
    {
        True: Code("IN_DISTRIBUTION", OURS, "Like the training films"),
        False: Code("OUT_OF_DISTRIBUTION", OURS, "Unlike the training films"),
        None: Code("NOT_CHECKED", OURS, "Not checked"),
    }
)


def finding_code(name: str) -> FindingCode:
    """The code of a class; of our own scheme, under its own name, where the table has none."""
    key = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return FINDINGS.get(key) or FindingCode(Code(key[:16] or "FINDING", OURS, name[:64]))


def finding_decision(record: AnalysisRecord, point: OperatingPoint) -> FindingDecision:
    """What the decision about the film means for one finding.

    An abstention leaves every finding open; so does another finding's label about a finding whose
    own threshold is reached.
    """
    prediction = record.prediction
    if prediction.decision == "abstain":
        return "indeterminate"
    if prediction.label == point.finding:
        return "positive"
    return "indeterminate" if prediction.probabilities[point.finding] >= point.threshold else "negative"
