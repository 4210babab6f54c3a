"""A film, its analysis and its heat map, as the results are written from them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage

from imaging.overlay import HeatMap, render
from imaging.phantom import phantom
from imaging.radiograph import Radiograph
from schemas.analysis import AnalysisRecord, ExplainedFinding
from schemas.api import (
    ConfidenceBand,
    FindingAnswer,
    ImageFacts,
    ModelReference,
    Prediction,
    SeenTrait,
)
from schemas.estimate import Estimate
from schemas.model.calibration import Activation, Decision, OperatingPoint
from schemas.preprocess import PreprocessSpec
from tests.imaging.files import dicom_dataset

ROWS, COLUMNS = 300, 200
DCIODVFY = Path("/usr/bin/dciodvfy")
SHA256 = "5a" * 32
UIDS = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": "1.2.3.4.5"}


def film(**attributes: Any) -> Dataset:
    """A CR film of 300 x 200 pixels, MONOCHROME2 unless told otherwise."""
    pixels = phantom(ROWS, COLUMNS, seed=1)
    described = {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR", **UIDS, **attributes}
    return dicom_dataset(pixels, **described)


def operating_point(finding: str, threshold: float = 0.31) -> OperatingPoint:
    return OperatingPoint(
        finding=finding,
        threshold=threshold,
        target_sensitivity=0.96,
        sensitivity=Estimate(value=0.962, low=0.94, high=0.98),
        specificity=Estimate(value=0.91, low=0.88, high=0.93),
        data="validation: 1,040 films of 560 patients",
    )


def prediction(probabilities: dict[str, float], points: tuple[OperatingPoint, ...], **changes: Any) -> Prediction:
    answer = {
        "label": points[0].finding,
        "probabilities": probabilities,
        "decision": "positive",
        "prediction_set": (points[0].finding,),
        "operating_point": points[0],
        "calibrated": True,
        "confidence_band": "high",
        "in_distribution": True,
        "out_of_distribution_score": 0.97,
        "recommendation": "PNEUMONIA reached its operating point.",
    }
    return Prediction(**(answer | changes))


def analysis(
    source: Dataset,
    probabilities: dict[str, float] | None = None,
    *,
    negative_class: str | None = "NORMAL",
    explained: str = "PNEUMONIA",
    activation: Activation = "softmax",
    warnings: tuple[str, ...] = (),
    **changes: Any,
) -> AnalysisRecord:
    """The analysis of `source`; `changes` are of its prediction."""
    probabilities = probabilities or {"NORMAL": 0.0412345678, "PNEUMONIA": 0.9587654322}
    points = tuple(operating_point(name) for name in probabilities if name != negative_class)
    return AnalysisRecord(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        analysed_at=datetime(2026, 11, 21, 23, 30, 5, 123000, tzinfo=UTC),
        software_version="0.1.2",
        model=ModelReference(name="chest-xray", version="1.2.0", architecture="resnet18", sha256=SHA256),
        activation=activation,
        negative_class=negative_class,
        operating_points=points,
        prediction=prediction(probabilities, points, **changes),
        image=ImageFacts(
            format="dicom",
            rows=source.Rows,
            columns=source.Columns,
            bits=8,
            photometric_interpretation=source.PhotometricInterpretation,
            warnings=warnings,
        ),
        explanation=ExplainedFinding(finding=explained, method="gradcam", center_of_mass=None),
    )


ALONE = {"Effusion": 0.93, "Cardiomegaly": 0.45, "Pneumothorax": 0.02}


def several(source: Dataset, **changes: Any) -> AnalysisRecord:
    """The analysis of a film whose findings are judged by themselves: one is positive, one unclear, one negative."""
    answers: tuple[tuple[Decision, ConfidenceBand], ...] = (
        ("positive", "high"),
        ("abstain", "low"),
        ("negative", "high"),
    )
    findings = tuple(
        FindingAnswer(
            name=name, probability=value, decision=decision, confidence_band=band, operating_point=operating_point(name)
        )
        for (name, value), (decision, band) in zip(ALONE.items(), answers, strict=True)
    )
    traits = {
        "population": SeenTrait(value="adult", probability=0.97, accepted=True),
        "view": SeenTrait(value="frontal", probability=0.994, accepted=True),
    }
    described = {"negative_class": None, "activation": "sigmoid", "explained": "Effusion", "traits": traits}
    recommendation = "Effusion reached its operating point."
    answer = {"findings": findings, "recommendation": recommendation, **described}
    return analysis(source, ALONE, **(answer | changes))


def cam(row: float, column: float) -> np.ndarray:
    """A map of 7 x 7 cells, hottest at the given cell."""
    y, x = np.mgrid[:7, :7]
    return np.exp(-((x - column) ** 2 + (y - row) ** 2)).astype(np.float32)


def heat_map(source: Dataset, row: float = 4, column: float = 5, resize: str = "squash") -> HeatMap:
    pixels = np.ascontiguousarray(phantom(source.Rows, source.Columns, seed=1))
    radiograph = Radiograph(pixels, 8, "dicom", source.Rows, source.Columns, source.PhotometricInterpretation, ())
    return render(cam(row, column), radiograph, PreprocessSpec(size=224, resize=resize))
