"""The findings as a DICOM Comprehensive SR: one measurement group for each finding, under TID 1500.

Source: DICOM PS3.16 TID 1500 (Measurement Report), 1501 (Measurement and Qualitative Evaluation
Group), 1004 (Device Observer), 4019 (Algorithm Identification).
"""

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from schemas.model.calibration import OperatingPoint
from service.answers.guide import without_figures
from service.results import codes as terms
from service.results.identity import result_uid, series_uid
from service.results.remarks import remarks
from service.results.source import MANUFACTURER, equipment
from service.results.uids import derived_uid

SERIES_NUMBER = 9901

_MODALITIES = {"CR": "Computed Radiography", "DX": "Digital Radiography"}  # of PS3.16 CID 29, the two that are read


def structured_report(film: Dataset, record: AnalysisRecord) -> Dataset:
    """Write the report; as a note each finding has its decision, but no figure.

    Args:
        film: `service.results.source.evidence`.
        record: what was found.
    """
    content = MeasurementReport(
        observation_context=_observer(record),
        procedure_reported=terms.CHEST_FILM,
        imaging_measurements=[_group(record, point) for point in record.operating_points],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            language=CodedConcept("en-US", "RFC5646", "English (United States)")
        ),
    )
    # Before the measurements, which come last. highdicom's own library needs orientation and pixel spacing,
    # which films lack that were not written as CR or DX objects.
    content[0].ContentSequence.insert(-1, _image_library(film))
    report = ComprehensiveSR(
        evidence=[film],
        content=content,
        series_instance_uid=series_uid(record, "SR"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=report_uid(record),
        instance_number=film.InstanceNumber,
        **equipment(record),
        series_description="Chest X-ray findings (research use only)",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    report.CodingSchemeIdentificationSequence = [_our_scheme()]
    return report


def report_uid(record: AnalysisRecord) -> str:
    """SOPInstanceUID of the report of an analysis; the short one has another, for the whole one may follow it."""
    return result_uid(record, "SR note" if is_note(record) else "SR")


def is_note(record: AnalysisRecord) -> bool:
    """Whether the report is the short one, without figures."""
    return "note" in record.delivery


def device_uid(record: AnalysisRecord) -> str:
    """The UID of a bundle as an observing device."""
    return derived_uid(record.model.sha256, "device")


def _our_scheme() -> Dataset:
    """Source: DICOM PS3.3 C.12.1.1.17 (Coding Scheme Identification)."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator = terms.OURS
    scheme.CodingSchemeName = terms.OURS_NAME
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    return scheme


def _observer(record: AnalysisRecord) -> ObservationContext:
    model = record.model
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(record),
        name=model.name,
        manufacturer_name=MANUFACTURER,
        model_name=model.architecture,
        serial_number=model.version,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    )


def _image_library(film: Dataset) -> ContainerContentItem:
    """The one film, with what every image has. Source: DICOM PS3.16 TID 1600, 1601, 1602."""
    has_context = RelationshipTypeValues.HAS_ACQ_CONTEXT
    modality = Code(film.Modality, terms.DICOM, _MODALITIES[film.Modality])
    pixels = CodedConcept("{pixels}", "UCUM", "Pixels")
    image = ImageContentItem(
        name=CodedConcept("260753009", terms.SNOMED, "Source"),
        referenced_sop_class_uid=film.SOPClassUID,
        referenced_sop_instance_uid=film.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    image.ContentSequence = ContentSequence(
        [
            CodeContentItem(codes.DCM.Modality, _coded(modality), relationship_type=has_context),
            NumContentItem(codes.DCM.PixelDataRows, film.Rows, pixels, relationship_type=has_context),
            NumContentItem(codes.DCM.PixelDataColumns, film.Columns, pixels, relationship_type=has_context),
        ]
    )
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    group.ContentSequence = ContentSequence([image])
    library = ContainerContentItem(
        codes.DCM.ImageLibrary, template_id="1600", relationship_type=RelationshipTypeValues.CONTAINS
    )
    library.ContentSequence = ContentSequence([group])
    return library


def _group(record: AnalysisRecord, point: OperatingPoint) -> MeasurementsAndQualitativeEvaluations:
    model = record.model
    note = is_note(record)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(record.sop_instance_uid, model.sha256, "finding", point.finding),
            identifier=f"{point.finding} by {model.name} {model.version}",
        ),
        finding_type=_coded(terms.finding_code(point.finding).code),
        algorithm_id=AlgorithmIdentification(
            name=model.name, version=model.version, manufacturer=MANUFACTURER, parameters=_parameters(record, point)
        ),
        measurements=None if note else [_measurement(name, value) for name, value in _figures(record, point)],
        qualitative_evaluations=[
            QualitativeEvaluation(_coded(name), _coded(value)) for name, value in _evaluations(record, point)
        ],
        source_images=[SourceImageForMeasurementGroup(record.sop_class_uid, record.sop_instance_uid)],
    )
    if not note or point == record.operating_points[0]:
        group[0].ContentSequence.extend(_comments(record))
    return group


def _evaluations(record: AnalysisRecord, point: OperatingPoint) -> list[tuple[Code, Code]]:
    decision, band = terms.finding_answer(record, point)
    reasons = [(terms.REASON, terms.reason_code(reason)) for reason in record.prediction.abstention_reasons]
    if is_note(record):
        return [(terms.DECISION, terms.DECISIONS[decision]), *reasons]
    return [
        (terms.DECISION, terms.DECISIONS[decision]),
        (terms.CONFIDENCE, terms.CONFIDENCES[band]),
        (terms.FAMILIARITY, terms.FAMILIARITIES[record.prediction.in_distribution]),
        *reasons,
    ]


def _figures(record: AnalysisRecord, point: OperatingPoint) -> list[tuple[Code, float]]:
    score = record.prediction.out_of_distribution_score
    return [
        (terms.PROBABILITY, record.prediction.probabilities[point.finding]),
        (terms.THRESHOLD, point.threshold),
        (terms.SENSITIVITY, point.sensitivity.value),
        (terms.SPECIFICITY, point.specificity.value),
        *([] if score is None else [(terms.DISTANCE, score)]),
    ]


def _measurement(name: Code, value: float) -> Measurement:
    # Without an image of its own: OHIF leaves out a number that has one, and the group has it already.
    return Measurement(name=_coded(name), value=round(value, 6), unit=_coded(terms.NO_UNITS))


def _parameters(record: AnalysisRecord, point: OperatingPoint) -> list[str]:
    computed = "bundle" if record.model.precision == "fp32" else f"{record.model.precision} graph"
    identity = [f"{computed} sha256 {record.model.sha256}", f"architecture {record.model.architecture}"]
    if is_note(record):
        return identity
    return [
        *identity,
        f"calibrated {'yes' if record.prediction.calibrated else 'no'}",
        f"sensitivity {point.sensitivity}, specificity {point.specificity} (95 % intervals) on {point.data}",
    ]


def _comments(record: AnalysisRecord) -> list[TextContentItem]:
    recommendation = record.prediction.recommendation
    comments = [DISCLAIMER, recommendation, *remarks(record)]
    if is_note(record):
        comments = [DISCLAIMER, without_figures(recommendation), *remarks(record, figures=False)]
    return [
        TextContentItem(name=_coded(terms.COMMENT), value=comment, relationship_type=RelationshipTypeValues.CONTAINS)
        for comment in comments
    ]


def _coded(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme_designator, code.meaning)
