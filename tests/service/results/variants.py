"""Films and analyses of every kind, for what validates the objects that are written about them."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation, generate_uid

from schemas.analysis import AnalysisRecord
from schemas.api import AbstentionReason
from tests.service.results.films import analysis, film, several

NAMES: Final = ("Miller^Anne", "Müller^Jörg", "山田^太郎=やまだ^たろう", "Ivanov^Пётр", "", "O'Neil^Mary^J^Dr")
ORIENTATIONS: Final = ((), ("L", "F"), ("R", "F"), ("R", "H"), ("F", "L"), ("H", "R"), ("A", "F"))
_ABSTAINED: Final[dict[str, Any]] = {"decision": "abstain", "confidence_band": "low"}


def variants(source: Dataset) -> Mapping[str, AnalysisRecord]:
    """Analyses of one film, by what is special about them."""
    several_unclear = [each.model_copy(update={"decision": "abstain"}) for each in several(source).prediction.findings]
    none: dict[str, Any] = {**_ABSTAINED, "findings": tuple(several_unclear)}
    records = {
        "positive": analysis(source),
        "negative": analysis(source, {"NORMAL": 0.9, "PNEUMONIA": 0.1}, label="NORMAL", decision="negative"),
        "three classes": analysis(
            source,
            {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4},
            explained="BACTERIAL_PNEUMONIA",
        ),
        "judged by themselves": several(source, warnings=("overlay", "put_upright")),
        "not checked": analysis(source, in_distribution=None, out_of_distribution_score=None),
        "names of our own": analysis(
            source, {"Swan-Ganz": 0.6, "肺炎": 0.4}, negative_class=None, explained="Swan-Ganz"
        ),
        "report without a map": analysis(source).model_copy(update={"explanation": None, "delivery": ("report",)}),
        "whole report of an abstention": several(source, **none, abstention_reasons=("unclear", "unfamiliar")),
        "with a udi": analysis(source).model_copy(update={"udi": "(01)00889842200003(11)261129(21)A1"}),
    }
    for reason in get_args(AbstentionReason):
        for made in (
            analysis(source, **_ABSTAINED, abstention_reasons=(reason,)),
            several(source, **none, abstention_reasons=(reason,)),
        ):
            kind = "note of several" if made.activation == "sigmoid" else "note"
            records[f"{kind}: {reason}"] = made.model_copy(update={"delivery": ("note",)})
    return records


def films(count: int) -> Iterator[Dataset]:
    """Films that differ in all that the objects take over from them; the same ones for the same count."""
    draw = random.Random(19)
    for number in range(count):
        is_dx = draw.random() < 0.5
        lossy = draw.random() < 0.3
        attributes: dict[str, Any] = {
            "SOPClassUID": DigitalXRayImageStorageForPresentation if is_dx else ComputedRadiographyImageStorage,
            "Modality": "DX" if is_dx else "CR",
            "SOPInstanceUID": generate_uid(entropy_srcs=["film", str(number)]),
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientName": draw.choice(NAMES),
            "PatientSex": draw.choice(("M", "F", "O", "", "U")),
            "PatientBirthDate": draw.choice(("19400101", "", "20210229")),
            "StudyDate": draw.choice(("20260301", "")),
            "StudyTime": draw.choice(("101500", "")),
            "AccessionNumber": draw.choice(("A1", "", "A" * 16)),
            "InstanceNumber": draw.choice((1, 7, None)),
            "PatientOrientation": list(draw.choice(ORIENTATIONS)) or None,
            "PhotometricInterpretation": draw.choice(("MONOCHROME1", "MONOCHROME2")),
            "BodyPartExamined": draw.choice(("CHEST", "THORAX", "", None)),
            "TimezoneOffsetFromUTC": draw.choice(("+0100", None)),
            "PixelAspectRatio": draw.choice(([1, 1], [2, 1], [3, 4])),
            "LossyImageCompression": "01" if lossy else draw.choice(("00", None)),
            "LossyImageCompressionRatio": [draw.choice((10, 12.5))] if lossy else None,
            "LossyImageCompressionMethod": ["ISO_10918_1"] if lossy else None,
        }
        if draw.random() < 0.5:
            attributes |= {"WindowCenter": draw.choice((128, [100, 50])), "WindowWidth": draw.choice((256, [80, 20]))}
        if draw.random() < 0.3:
            region = Dataset()
            region.CodeValue, region.CodingSchemeDesignator = "51185008", "SCT"
            region.CodeMeaning = "Thorax"
            attributes["AnatomicRegionSequence"] = [region]
        yield film(**{keyword: value for keyword, value in attributes.items() if value is not None})
