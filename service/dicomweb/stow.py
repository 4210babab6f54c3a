"""STOW-RS: instances into the spool, and the answer with the result of each.

Source: DICOM PS3.18 10.5 (Store transaction), Annex I.2 (reasons of failures).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from imaging.limits import DecodeLimits
from schemas import errors
from schemas.errors import CxrError
from service.capacity.admission import Priority
from service.dicomweb.instance import Instance, read_instance
from service.tracing.span import stage

if TYPE_CHECKING:  # with SQLAlchemy: the routes of DICOMweb exist where it is switched off, too
    from service.dicomweb.spool import Spool, Stored

DICOM_JSON: Final = "application/dicom+json"

OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED: Final = 0xC122
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
"""Reasons, PS3.18 table I.2-2 and PS3.4 table B.2-1."""

_SOP_CLASS = "00081150"
_SOP_INSTANCE = "00081155"
_RETRIEVE_URL = "00081190"
_FAILURE_REASON = "00081197"
_FAILED = "00081198"
_REFERENCED = "00081199"
_OTHER_FAILURES = "0008119A"

_REASONS: Final[Mapping[type[CxrError], int]] = {
    errors.UnsupportedImageError: TRANSFER_SYNTAX_NOT_SUPPORTED,
    errors.SpoolFullError: OUT_OF_RESOURCES,
    errors.SpoolUnavailableError: OUT_OF_RESOURCES,
}
"""Why an instance was not stored; anything else was not understood."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one instance."""

    instance: Instance | None
    """None where it could not be read so far."""
    result: "Stored | CxrError"
    reason: int | None = None
    """Of the failure; None where it is stored."""

    @property
    def code(self) -> str:
        """The result in one word: how it was stored, or the problem's code."""
        return self.result if isinstance(self.result, str) else self.result.code

    @property
    def is_assessment(self) -> bool:
        """Whether it was taken in, and is not a film: a reader has said something."""
        return self.stored and self.instance is not None and not self.instance.is_film

    @property
    def stored(self) -> bool:
        """Whether it is on disk, now or since an earlier request."""
        return isinstance(self.result, str)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What the sender states about all instances of one request."""

    study: str | None = None
    """StudyInstanceUID that all must have; None accepts any."""
    priority: Priority | None = None
    """None: what each states itself."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What the instances of one request are held to, and where they wait."""

    spool: "Spool"
    limits: DecodeLimits
    model_sha256: str
    """Of the bundle that would analyse them now."""
    options: StoreOptions
    assess: "Callable[[Instance], Stored | None] | None" = None
    """Takes in what is not a film and may be a reader's assessment of our results; None: it is not one.

    It raises CxrError where it is one that cannot be used.
    """

    def store(self, contents: Sequence[bytes]) -> tuple[Outcome, ...]:
        """Store each DICOM file in a transaction of its own; returns after the last commit."""
        return tuple(map(self._store_one, contents))

    def _store_one(self, content: bytes) -> Outcome:
        try:
            instance = read_instance(content, self.limits)
        except CxrError as error:
            return Outcome(None, error, _REASONS.get(type(error), CANNOT_UNDERSTAND))
        if self.options.study not in (None, instance.study_instance_uid):
            msg = "the StudyInstanceUID of the instance is not that of the address; send each study to its own"
            return Outcome(instance, errors.InvalidParameterError(msg), DOES_NOT_MATCH)
        if not instance.is_film:
            return self._take_assessment(instance)
        try:
            with stage("store film", "producer"):
                stored = self.spool.store(instance, self.options.priority or instance.priority, self.model_sha256)
        except CxrError as error:
            return Outcome(instance, error, _REASONS[type(error)])
        return Outcome(instance, stored)

    def _take_assessment(self, instance: Instance) -> Outcome:
        try:
            assessed = None if self.assess is None else self.assess(instance)
        except CxrError as error:
            return Outcome(instance, error, _REASONS.get(type(error), CANNOT_UNDERSTAND))
        if assessed is not None:
            return Outcome(instance, assessed)
        msg = "the SOP class is neither CR nor DX image storage; send films alone, and no results of this service"
        return Outcome(instance, errors.NotARadiographError(msg), SOP_CLASS_NOT_SUPPORTED)


def status_of(outcomes: Sequence[Outcome]) -> int:
    """The status of the whole request. Source: PS3.18 table 10.5.3-1."""
    if all(outcome.stored for outcome in outcomes):
        return HTTPStatus.OK
    if any(outcome.stored for outcome in outcomes):
        return HTTPStatus.ACCEPTED
    if any(outcome.reason == OUT_OF_RESOURCES for outcome in outcomes):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.CONFLICT


def headers_of(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """`Retry-After` where there was no room, and in `Warning` why instances failed, or what was odd about them.

    Reasons of the answer's body are coarse, and one of a warning would make a sender take 202 for a partial failure.
    """
    failures = [outcome.result for outcome in outcomes if isinstance(outcome.result, CxrError)]
    longest_s = max((wait for failure in failures if (wait := failure.retry_after_s) is not None), default=None)
    headers = {} if longest_s is None else {"Retry-After": str(longest_s)}
    faults = [f"{failure.code}: {failure}" for failure in failures]
    zero_led = dict.fromkeys(name for outcome in outcomes if outcome.stored for name in _zero_led(outcome))
    if zero_led:
        faults.append(
            f"uid_leading_zero: {' and '.join(zero_led)} has a component with a leading zero (PS3.5 9.1); stored and "
            "reported as it was sent"
        )
    reasons = dict.fromkeys(fault.replace('"', "'") for fault in faults)
    if reasons:
        headers["Warning"] = ", ".join(f'299 cxr "{reason}"' for reason in reasons)
    return headers


def _zero_led(outcome: Outcome) -> Sequence[str]:
    return () if outcome.instance is None else outcome.instance.zero_led


def answer(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The response's data set in the DICOM JSON model. Source: PS3.18 table 10.5.3-2 and annex F."""
    referenced = [
        _reference(outcome.instance, {_RETRIEVE_URL: {"vr": "UR"}})
        for outcome in outcomes
        if outcome.stored and outcome.instance is not None
    ]
    failed = [
        _reference(outcome.instance, _us(_FAILURE_REASON, outcome.reason))
        for outcome in outcomes
        if not outcome.stored and outcome.instance is not None
    ]
    other = [_us(_FAILURE_REASON, outcome.reason) for outcome in outcomes if outcome.instance is None]
    sequences = {_REFERENCED: referenced, _FAILED: failed, _OTHER_FAILURES: other}
    # Its retrieval is the PACS's business, so the address is empty (type 2).
    present = {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
    return {_RETRIEVE_URL: {"vr": "UR"}} | present


def _reference(instance: Instance, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _SOP_CLASS: {"vr": "UI", "Value": [instance.sop_class_uid]},
        _SOP_INSTANCE: {"vr": "UI", "Value": [instance.sop_instance_uid]},
        **more,
    }


def _us(tag: str, value: int | None) -> dict[str, Any]:
    return {} if value is None else {tag: {"vr": "US", "Value": [value]}}
