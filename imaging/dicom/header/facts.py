"""What the attributes of a film's header state, as `HeaderFacts`, and what they say against a frontal chest film."""

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import DigitalXRayImageStorageForPresentation, DigitalXRayImageStorageForProcessing

from imaging.dicom.attributes import OVERLAYS, integer, items, text
from imaging.dicom.header.ages import age_between, age_years
from imaging.dicom.header.body_parts import part_of_code, part_of_words
from imaging.dicom.header.hanging import Hanging, hanging_of
from imaging.dicom.header.views import StatedView, view_of_code, view_of_words
from imaging.dicom.transfer_syntaxes import TransferSyntax
from imaging.limits import parsing
from imaging.radiograph import HeaderFacts, Statement
from schemas.errors import InvalidImageError
from schemas.population import SEXES

HEADER_ATTRIBUTES: Final = (
    "AnatomicRegionSequence",
    "BodyPartExamined",
    "Modality",
    "PatientAge",
    "PatientBirthDate",
    "PatientOrientation",
    "PatientSex",
    "PresentationIntentType",
    "SOPClassUID",
    "StudyDate",
    "ViewCodeSequence",
    "ViewPosition",
)
"""What is read here; of the patient nothing but age and sex."""

_POLARITY_BY_SHAPE = {"IDENTITY": "MONOCHROME2", "INVERSE": "MONOCHROME1"}  # PS3.3 C.8.11.3.1.2
_INTENTS = ("FOR PRESENTATION", "FOR PROCESSING")
_INTENT_BY_CLASS = {
    str(DigitalXRayImageStorageForPresentation): "FOR PRESENTATION",
    str(DigitalXRayImageStorageForProcessing): "FOR PROCESSING",
}


def header_facts(dataset: Dataset) -> HeaderFacts:
    """Read what the header states; an attribute that cannot be read states nothing."""
    age = age_years(_joined(dataset, "PatientAge"))
    age_by = "PatientAge"
    if age is None:
        age_by = "PatientBirthDate"
        age = age_between(_joined(dataset, "PatientBirthDate"), _joined(dataset, "StudyDate"))
    statements = (*_views(dataset), *_body_parts(dataset), *_others(dataset))
    return HeaderFacts(age, age_by, statements, has_header=True)


def hanging(dataset: Dataset) -> Hanging:
    """How the film lies."""
    return hanging_of(_values(dataset, "PatientOrientation"))


def attribute_warnings(dataset: Dataset, syntax: TransferSyntax, facts: HeaderFacts) -> tuple[str, ...]:
    """What the attributes say against a frontal chest film, and against one another.

    Args:
        dataset: of the film.
        syntax: the transfer syntax that its file states.
        facts: `header_facts` of it.
    """
    photometric = text(dataset, "PhotometricInterpretation")
    lies = hanging(dataset)
    age = _joined(dataset, "PatientAge")
    conditions = {
        "burned_in_annotation": text(dataset, "BurnedInAnnotation") == "YES",
        "not_frontal": facts.frontal is False,
        "body_part_mismatch": any(part.value != "chest" for part in facts.stated("body_part")),
        "overlay": any(tag in dataset for tag in OVERLAYS),
        "polarity_contradiction": _POLARITY_BY_SHAPE.get(text(dataset, "PresentationLUTShape"), photometric)
        != photometric,
        "transfer_syntax_contradiction": dataset.original_encoding[0] != syntax.implicit_vr,
        "age_unreadable": bool(age) and age_years(age) is None,
        "frame_count_zero": integer(dataset, "NumberOfFrames", default=1) == 0,
        "for_processing": any(intent.value == "FOR PROCESSING" for intent in facts.stated("presentation_intent")),
        "put_upright": lies.turn.changes,
        "orientation_unreadable": not lies.readable,
    }
    return tuple(name for name, is_true in conditions.items() if is_true)


def _views(dataset: Dataset) -> Iterator[Statement]:
    by_words = view_of_words(" ".join(_values(dataset, "ViewPosition")))
    if by_words is not None:
        yield from _view("ViewPosition", by_words)
    for item in _items(dataset, "ViewCodeSequence"):
        views = [view_of_code(*_code(item))]
        views += [view_of_code(*_code(modifier)) for modifier in _items(item, "ViewModifierCodeSequence")]
        known = [view for view in views if view is not None]
        tilted = [view for view in known if view.view != "frontal"]
        if known:
            yield from _view("ViewCodeSequence", (tilted or known)[0])
    if hanging(dataset).lateral:
        yield Statement("view", "lateral", "PatientOrientation")


def _view(keyword: str, stated: StatedView) -> Iterator[Statement]:
    yield Statement("view", stated.view, keyword)
    if stated.projection is not None:
        yield Statement("projection", stated.projection, keyword)


def _body_parts(dataset: Dataset) -> Iterator[Statement]:
    parts = [("BodyPartExamined", part_of_words(" ".join(_values(dataset, "BodyPartExamined"))))]
    parts += [
        ("AnatomicRegionSequence", part_of_code(*_code(item))) for item in _items(dataset, "AnatomicRegionSequence")
    ]
    return (Statement("body_part", part, keyword) for keyword, part in parts if part is not None)


def _others(dataset: Dataset) -> Iterator[Statement]:
    yield Statement("modality", text(dataset, "Modality"), "Modality")
    intent = _joined(dataset, "PresentationIntentType")
    by_class = _INTENT_BY_CLASS.get(_joined(dataset, "SOPClassUID"))
    if intent in _INTENTS:
        yield Statement("presentation_intent", intent, "PresentationIntentType")
    elif by_class is not None:
        yield Statement("presentation_intent", by_class, "SOPClassUID")
    sex = _joined(dataset, "PatientSex")
    if sex in SEXES:
        yield Statement("sex", sex, "PatientSex")


def _code(item: Dataset) -> tuple[str, str]:
    """The value of a coded item, and its meaning in words."""
    return _joined(item, "CodeValue"), _joined(item, "CodeMeaning")


def _values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of an attribute as text; none where it is absent or cannot be read, which refuses no film."""
    try:
        with parsing(keyword):
            value = dataset.get(keyword)
            values = value if isinstance(value, (MultiValue, list)) else () if value is None else (value,)
            return tuple(str(part).strip("\0 ") for part in values)
    except InvalidImageError:
        return ("?",)


def _joined(dataset: Dataset, keyword: str) -> str:
    r"""All values in capitals, as one text: two ages are none."""
    return "\\".join(_values(dataset, keyword)).upper()


def _items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none where it cannot be read."""
    try:
        return items(dataset, keyword)
    except InvalidImageError:
        return ()
