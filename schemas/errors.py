"""The one error tree: every failure that a user can cause, each with a stable code.

A message names the value, the rule and the remedy; never pixel data, a file name, or a patient's name or id. The base
of a class says who can mend the failure; `service.http.errors` derives its HTTP status and title from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar


class CxrError(Exception):
    """Root of every failure that this project raises on purpose."""

    code: ClassVar[str] = "error"
    """What clients and logs know the failure by; it never changes. The bases below are never raised and have none."""
    retry_after_s: int | None = None
    """Seconds after which the same request may succeed; None where a repetition would fail again."""

    def __init_subclass__(cls, *, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init_subclass__()
        if code is not None:
            cls.code = code
        cls.retry_after_s = cls.retry_after_s if retry_after_s is None else retry_after_s


class RequestError(CxrError):
    """The request must be changed: its address, body, parameters, headers or credentials are wrong."""


class FilmError(CxrError):
    """The film itself cannot be read; no later attempt and no other service would change that."""


class UnavailableError(CxrError, retry_after_s=1):
    """Nothing was done now; the same request may succeed after `retry_after_s`, by default those of the class."""

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = self.retry_after_s if retry_after_s is None else retry_after_s


class TrainerError(CxrError):
    """Training cannot begin or go on."""


class ExportError(CxrError):
    """A bundle cannot be made or signed."""


class InvalidImageError(FilmError, code="invalid_image"):
    """The bytes claim a supported format but cannot be decoded to a film."""


class UnsupportedImageError(FilmError, code="unsupported_image"):
    """Not JPEG, PNG or DICOM of a supported transfer syntax, or the declared type is contradicted by the content."""


class ImageTooLargeError(FilmError, code="image_too_large"):
    """More pixels or frames than the limits allow."""


class NotARadiographError(FilmError, code="not_a_radiograph"):
    """A readable image that is not a single-frame projection radiograph."""


class SameExposureError(FilmError, code="same_exposure"):
    """A film FOR PROCESSING, where the one FOR PRESENTATION of the same exposure is read."""


class BurnedInError(CxrError, code="burned_in_annotation"):
    """A film whose file says that text is burned into its pixels, where a copy must name no patient."""


class MalformedRequestError(RequestError, code="malformed_request"):
    """The request's body cannot be read as multipart, or holds no film."""


class InvalidParameterError(RequestError, code="invalid_parameter"):
    """A parameter or header outside its allowed values."""


class UnsupportedMediaTypeError(RequestError, code="unsupported_media_type"):
    """The request's body is declared as something that this address does not accept."""


class UnsupportedEncodingError(UnsupportedMediaTypeError, code="unsupported_encoding"):
    """The request's body, or a part of it, is compressed for its transport (Content-Encoding)."""


class IdempotencyKeyInUseError(RequestError, code="idempotency_key_in_use", retry_after_s=1):
    """A request of the same Idempotency-Key is being answered; send this one again to get its answer."""


class IdempotencyKeyReusedError(RequestError, code="idempotency_key_reused"):
    """The Idempotency-Key belongs to a request that asked something else."""


class UnauthenticatedError(RequestError, code="unauthenticated"):
    """No key or token where one is needed, or one that is unknown, revoked or expired."""


class ForbiddenError(RequestError, code="forbidden"):
    """A known caller without the scope that the address needs."""


class SilentError(ForbiddenError, code="silent"):
    """A silent service shows what it finds to callers with the scope `trial` alone."""


class PromotionRefusedError(RequestError, code="promotion_refused"):
    """The rule does not promote the challenger, or cannot decide yet."""


class NotFoundError(RequestError, code="not_found"):
    """An address, a model or a version that does not exist."""


class MethodNotAllowedError(RequestError, code="method_not_allowed"):
    """The address exists, for another HTTP method."""


class NotAcceptableError(RequestError, code="not_acceptable"):
    """No representation of the answer fits the Accept header."""


class BodyTooLargeError(RequestError, code="body_too_large"):
    """The request's body, or the number of films in a batch, is over the limit."""


class UploadTooSlowError(RequestError, code="upload_too_slow"):
    """The request, or its body, did not arrive in the time that is given to it."""


class HeadersTooLargeError(RequestError, code="headers_too_large"):
    """The request line and the headers together are over the limit."""


class ExplanationUnavailableError(RequestError, code="explanation_unavailable"):
    """The bundle that serves has no heat-map outputs, and torch cannot draw them here."""


class QuotaError(UnavailableError, code="quota_exceeded"):
    """The caller has sent more films than their quota allows."""


class OverloadedError(UnavailableError, code="overloaded"):
    """No room for the films or their bytes, or no time for them; nothing was done; worth trying again."""


class NotReadyError(UnavailableError, code="not_ready", retry_after_s=5):
    """No bundle is loaded yet, or the service is draining."""


class SpoolFullError(UnavailableError, code="spool_full", retry_after_s=30):
    """As many films wait in the spool as it may hold; nothing was stored; worth trying again."""


class SpoolUnavailableError(UnavailableError, code="spool_unavailable", retry_after_s=30):
    """The spool's database cannot be reached or written; nothing was stored; worth trying again."""


class AuditUnavailableError(UnavailableError, code="audit_unavailable", retry_after_s=30):
    """The audit log cannot be written, and the operator wants no answer that is not recorded; worth trying again."""


class PacsUnreachableError(UnavailableError, code="pacs_unreachable", retry_after_s=30):
    """The PACS gave no answer, or one that may be different later; the delivery is tried again."""


class PacsRefusedError(CxrError, code="pacs_refused"):
    """The PACS will not store the results: a dead letter until somebody asks for another attempt."""


class DestinationUnreachableError(UnavailableError, code="destination_unreachable", retry_after_s=30):
    """A destination of CXR_DESTINATIONS gave no answer, or one that may be different later; it is tried again."""


class DestinationRefusedError(CxrError, code="destination_refused"):
    """A destination of CXR_DESTINATIONS will not have what it is sent: a dead letter until somebody retries it."""


class WorklistUnreachableError(UnavailableError, code="worklist_unreachable", retry_after_s=30):
    """The origin server of workitems gave no answer, or one that may be different later; it is asked again."""


class FilmMissingError(UnavailableError, code="film_missing", retry_after_s=30):
    """The PACS does not have a film that a workitem names; it is asked for again, for a while."""


class DeadlineError(CxrError, code="deadline_exceeded"):
    """The caller's deadline passed before an answer was there."""


class BundleError(CxrError, code="bundle_rejected"):
    """A bundle is missing, altered, of another format, or fails its self-test."""


class UntrustedBundleError(BundleError, code="bundle_untrusted"):
    """A bundle that none of the operator's trusted keys has signed."""


class InferenceError(CxrError, code="inference_failed"):
    """The network failed on a film that passed every check: a defect of ours."""


class InternalError(CxrError, code="internal"):
    """A failure that nobody foresaw: a defect of ours."""


class SettingsError(CxrError, code="invalid_settings"):
    """A setting that is unknown, out of range, or cannot be honoured on this machine."""


class EvidenceError(CxrError, code="invalid_evidence"):
    """Limits or labels of a site's own films, or a report on them, that cannot be used as they are."""


class TrainingDataError(TrainerError, code="invalid_training_data"):
    """Films that cannot be trained on as they are; `unreadable` holds the reason for each file that cannot be read."""

    def __init__(self, message: str, *, unreadable: Mapping[Path, str] = {}) -> None:
        super().__init__(message)
        self.unreadable = unreadable


class TrainingConfigError(TrainerError, code="invalid_training_config"):
    """A training option that is unknown, out of range, or contradicts another."""


class WeightsError(TrainerError, code="weights_mismatch"):
    """Pretrained weights that are missing or do not fit the network."""


class TestSetError(TrainerError, code="test_set_sealed"):
    """An attempt to open the test set before the winner was chosen, or twice."""

    __test__ = False  # the name starts with Test; pytest must not collect it


class ParityError(ExportError, code="parity_failed"):
    """The exported graph does not compute what the trained network computes."""


class SanityError(ExportError, code="sanity_failed"):
    """The heat maps do not depend on what the network has learned."""


class SigningKeyError(ExportError, code="invalid_signing_key"):
    """A key to sign bundles with that cannot be read or made."""
