"""The findings as a DICOM Comprehensive 3D SR: one measurement group for each finding, under TID 1500.

Source: DICOM PS3.16 TID 1500 (Measurement Report), 1501 (Measurement and Qualitative Evaluation
Group), 1004 (Device Observer), 4019 (Algorithm Identification); IHE Radiology Supplement AI Results (AIR), 6.5.3.
"""

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
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
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from schemas.model.calibration import OperatingPoint
from service.answers.guide import without_figures
from service.results import codes as terms
from service.results.contributor import coded, contributor, device_uid
from service.results.evaluations import comment_item, evaluations, tracking, whole_film
from service.results.remarks import remarks
from service.results.source import MANUFACTURER, equipment
from service.results.uids import derived_uid

SERIES_NUMBER = 9901

_MODALITIES = {"CR": "Computed Radiography", "DX": "Digital Radiography"}  # of PS3.16 CID 29, the two that are read


def structured_report(film: Dataset, record: AnalysisRecord, picture: Dataset | None = None) -> Dataset:
    """Write the report; as a note each finding has its decision, but no figure.

    Args:
        film: `service.results.source.evidence`.
        record: what was found.
        picture: the heat map of the same analysis, to which the report refers; None: it has none.
    """
    model = record.model
    content = MeasurementReport(
        observation_context=_observer(record),
        procedure_reported=terms.CHEST_FILM,
        imaging_measurements=[_group(record, point, picture) for point in record.operating_points],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            language=CodedConcept("en-US", "RFC5646", "English (United States)")
        ),
    )
    # Before the measurements, which come last. highdicom's own library needs orientation and pixel spacing,
    # which films lack that were not written as CR or DX objects.
    content[0].ContentSequence.insert(-1, _image_library(film))
    content[0].ContentSequence.append(whole_film(record))
    report = Comprehensive3DSR(
        evidence=[film] if picture is None else [film, picture],
        content=content,
        series_instance_uid=derived_uid(record.study_instance_uid, model.sha256, "SR series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=report_uid(record),
        instance_number=film.InstanceNumber,
        **equipment(record),
        contributing_equipment=[contributor(record)],
        series_description="Chest X-ray findings (research use only)",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    report.CodingSchemeIdentificationSequence = [_our_scheme()]
    return report


def report_uid(record: AnalysisRecord) -> str:
    """SOPInstanceUID of the report of an analysis; the short one has another, for the whole one may follow it."""
    return derived_uid(record.sop_instance_uid, record.model.sha256, "SR note" if is_note(record) else "SR")


def is_note(record: AnalysisRecord) -> bool:
    """Whether the report is the short one, without figures."""
    return "note" in record.delivery


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
        model_name=model.name,
        serial_number=model.sha256,
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
            CodeContentItem(codes.DCM.Modality, coded(modality), relationship_type=has_context),
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


def _group(
    record: AnalysisRecord, point: OperatingPoint, picture: Dataset | None
) -> MeasurementsAndQualitativeEvaluations:
    model = record.model
    note = is_note(record)
    decision = terms.finding_answer(record, point)[0]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(record, point.finding),
        # What is listed as a finding is read as present: one that is absent or unclear is named by its evaluation.
        finding_type=coded(terms.finding_code(point.finding).code) if decision == "positive" else None,
        algorithm_id=AlgorithmIdentification(
            name=model.name,
            version=model.version,
            manufacturer=MANUFACTURER,
            parameters=_parameters(record, point),
        ),
        measurements=None if note else [_measurement(name, value) for name, value in _figures(record, point)],
        qualitative_evaluations=[
            QualitativeEvaluation(coded(name), coded(value)) for name, value in evaluations(record, point)
        ],
        source_images=[SourceImageForMeasurementGroup(record.sop_class_uid, record.sop_instance_uid)],
    )
    explained = record.explanation
    if picture is not None and explained is not None and explained.finding == point.finding:
        rows = group[0].ContentSequence
        modifiers = [row.relationship_type is RelationshipTypeValues.HAS_CONCEPT_MOD for row in rows]
        rows.insert(len(rows) - modifiers[::-1].index(True), _visual_explanation(picture))  # after the algorithm
    if not note or point == record.operating_points[0]:
        group[0].ContentSequence.extend(_comments(record))
    return group


def _visual_explanation(picture: Dataset) -> ImageContentItem:
    """Source: DICOM PS3.16 TID 1501 row 9d."""
    return ImageContentItem(
        name=coded(terms.VISUAL_EXPLANATION),
        referenced_sop_class_uid=picture.SOPClassUID,
        referenced_sop_instance_uid=picture.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


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
    return Measurement(name=coded(name), value=round(value, 6), unit=coded(terms.NO_UNITS))


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
    return [comment_item(comment) for comment in comments]
