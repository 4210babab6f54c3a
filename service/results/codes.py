"""What findings and figures are called in coded terms; a class that the table does not know keeps its own name.

Our own scheme is used where no public code means the same; why it is, stands in docs/dicom-objects.md for each code.

Source: DICOM PS3.16 annex D (DCM) and its context groups; SNOMED CT (SCT); presence as in the Open Imaging Finding
Models of ACR and RSNA, whose attribute Presence is SCT 705057003.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.api import ConfidenceBand
from schemas.model.calibration import OperatingPoint
from service.answers.findings import exclusive_decision

SNOMED = "SCT"
RADLEX = "RADLEX"
DICOM = "DCM"
UMLS = "UMLS"
OURS = "99CXR"
OURS_NAME: Final = "Chest X-ray classifier"

SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        SNOMED: "http://snomed.info/sct",
        RADLEX: "http://radlex.org",
        DICOM: "http://dicom.nema.org/resources/ontology/DCM",
        "UCUM": "http://unitsofmeasure.org",
        UMLS: "http://terminology.hl7.org/CodeSystem/umls",
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
_EFFUSION = FindingCode(Code("60046008", SNOMED, "Pleural effusion"))
_EDEMA = FindingCode(Code("19242006", SNOMED, "Pulmonary edema"))
_CONSOLIDATION = FindingCode(Code("95436008", SNOMED, "Lung consolidation"))
_INFILTRATE = FindingCode(Code("112121", DICOM, "Infiltrate"))
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
        "PLEURAL_EFFUSION": _EFFUSION,
        "EFFUSION": _EFFUSION,
        "PNEUMOTHORAX": FindingCode(Code("36118008", SNOMED, "Pneumothorax"), Code("RID5352", RADLEX, "pneumothorax")),
        "PULMONARY_EDEMA": _EDEMA,
        "EDEMA": _EDEMA,
        "CARDIOMEGALY": FindingCode(Code("8186001", SNOMED, "Cardiomegaly")),
        "ATELECTASIS": FindingCode(Code("46621007", SNOMED, "Atelectasis")),
        "CONSOLIDATION": _CONSOLIDATION,
        "LUNG_CONSOLIDATION": _CONSOLIDATION,
        "INFILTRATION": _INFILTRATE,
        "INFILTRATE": _INFILTRATE,
        "EMPHYSEMA": FindingCode(Code("87433001", SNOMED, "Pulmonary emphysema")),
        "NODULE": FindingCode(Code("27925004", SNOMED, "Nodule")),
    }
)
"""By class name in capitals, with underscores. A class that means none of the findings is not one, and has no code."""

CHEST_FILM: Final = Code("399208008", SNOMED, "Plain chest X-ray")
FINDING: Final = Code("121071", DICOM, "Finding")
COMMENT: Final = Code("121106", DICOM, "Comment")
NO_UNITS: Final = Code("1", "UCUM", "no units")

PROBABILITY: Final = Code("122157", DICOM, "Probability")
SENSITIVITY: Final = Code("SENSITIVITY", OURS, "Sensitivity at the threshold")
SPECIFICITY: Final = Code("SPECIFICITY", OURS, "Specificity at the threshold")
THRESHOLD: Final = Code("THRESHOLD", OURS, "Decision threshold")
DISTANCE: Final = Code("OOD_SCORE", OURS, "Distance to the training films")

PRESENCE: Final = Code("705057003", SNOMED, "Presence")
CONFIDENCE: Final = Code("246103008", SNOMED, "Certainty")
FAMILIARITY: Final = Code("FAMILIARITY", OURS, "Likeness to the training films")
REASON: Final = Code("NO_ANSWER", OURS, "Reason for no answer")
NOT_ATTEMPTED: Final = Code("111225", DICOM, "Not Attempted")

FindingDecision = Literal["positive", "negative", "indeterminate"]
PRESENCES: Final[Mapping[FindingDecision, Code]] = MappingProxyType(
    {
        "positive": Code("52101004", SNOMED, "Present"),
        "negative": Code("2667000", SNOMED, "Absent"),
        "indeterminate": Code("82334004", SNOMED, "Indeterminate"),
    }
)
CONFIDENCES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "low": Code("62482003", SNOMED, "Low"),
        "medium": Code("255508009", SNOMED, "Medium"),
        "high": Code("75540009", SNOMED, "High"),
    }
)
FAMILIARITIES: Final[Mapping[bool | None, Code]] = MappingProxyType(
    {
        True: Code("IN_DISTRIBUTION", OURS, "Like the training films"),
        False: Code("OUT_DISTRIBUTION", OURS, "Unlike the training films"),
        None: NOT_ATTEMPTED,
    }
)

QUALITATIVE_EVALUATIONS: Final = Code("C0034375", UMLS, "Qualitative Evaluations")
ANALYSES: Final = Code("111065", DICOM, "Summary of Analyses")
DETECTIONS: Final = Code("111064", DICOM, "Summary of Detections")
STATUSES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "all": Code("111222", DICOM, "Succeeded"),
        "some": Code("111223", DICOM, "Partially Succeeded"),
        "none": Code("111224", DICOM, "Failed"),
        "not_attempted": NOT_ATTEMPTED,
    }
)
"""Of an analysis, by how many findings have an answer. Source: PS3.16 CID 6042 (Status of Results)."""

PROCESSING_EQUIPMENT: Final = Code("109102", DICOM, "Processing Equipment")
VISUAL_EXPLANATION: Final = Code("130401", DICOM, "Visual explanation")
SOURCE_IMAGE: Final = Code("121322", DICOM, "Source image for image processing operation")
DERIVATIONS: Final = (
    Code("130403", DICOM, "Gradient-weighted class activation"),
    Code("113085", DICOM, "Spatial resampling"),
)
"""What was done to a film to make the picture: all three methods of heat maps weight activations by gradients."""

_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unclear": "Not clear enough",
        "unfamiliar": "Unlike the training films",
        "not_frontal": "Not a frontal film",
        "low_contrast": "Little contrast",
        "outside_population": "Outside the intended population",
        "suspended": "Answers are suspended",
        "silent": "A silent trial withholds the answer",
    }
)


def reason_code(reason: str) -> Code:
    """Why a film has no answer, in our own scheme."""
    value = {"outside_population": "OUTSIDE"}.get(reason, reason.upper()[:16])
    return Code(value, OURS, _REASONS.get(reason, reason.replace("_", " ").capitalize()[:64]))


def finding_code(name: str) -> FindingCode:
    """The code of a class; of our own scheme, under its own name, where the table has none."""
    key = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return FINDINGS.get(key) or FindingCode(Code(key[:16] or "FINDING", OURS, name[:64]))


def finding_answer(record: AnalysisRecord, point: OperatingPoint) -> tuple[FindingDecision, ConfidenceBand]:
    """What was decided about one finding, and how sure it is; an abstention leaves it indeterminate."""
    prediction = record.prediction
    answered = next((finding for finding in prediction.findings if finding.name == point.finding), None)
    if answered is not None:
        decision, band = answered.decision, answered.confidence_band
    else:  # of a record that was written before findings had answers of their own
        probability = prediction.probabilities[point.finding]
        decision = exclusive_decision(prediction.decision, prediction.label, point, probability)
        band = prediction.confidence_band
    return "indeterminate" if decision == "abstain" else decision, band
