"""The one error tree: every failure that a user can cause, each with a stable code.

A message names the value, the rule and the remedy; never pixel data, a file name, or a
patient's name or id. `service.problems` maps each class to its HTTP status.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar


class CxrError(Exception):
    """Root of every failure that this project raises on purpose."""

    code: ClassVar[str] = "error"
    retry_after_s: int | None = None
    """When it is worth trying again, where the failure itself knows."""


class InvalidImageError(CxrError):
    """The bytes claim a supported format but cannot be decoded to a film."""

    code = "invalid_image"


class UnsupportedImageError(CxrError):
    """Not JPEG, PNG or DICOM of a supported transfer syntax, or the declared type is contradicted by the content."""

    code = "unsupported_image"


class ImageTooLargeError(CxrError):
    """More pixels or frames than the limits allow."""

    code = "image_too_large"


class NotARadiographError(CxrError):
    """A readable image that is not a single-frame projection radiograph."""

    code = "not_a_radiograph"


class BurnedInError(CxrError):
    """A film whose file says that text is burned into its pixels, where a copy must name no patient."""

    code = "burned_in_annotation"


class MalformedRequestError(CxrError):
    """The request's body cannot be read as multipart, or holds no film."""

    code = "malformed_request"


class InvalidParameterError(CxrError):
    """A parameter or header outside its allowed values."""

    code = "invalid_parameter"


class UnsupportedMediaTypeError(CxrError):
    """The request's body is declared as something that this address does not take."""

    code = "unsupported_media_type"


class UnauthenticatedError(CxrError):
    """No key or token where one is needed, or one that is unknown, revoked or expired."""

    code = "unauthenticated"


class ForbiddenError(CxrError):
    """A known caller without the scope that the address needs."""

    code = "forbidden"


class NotFoundError(CxrError):
    """An address, a model or a version that does not exist."""

    code = "not_found"


class MethodNotAllowedError(CxrError):
    """The address exists, for another HTTP method."""

    code = "method_not_allowed"


class NotAcceptableError(CxrError):
    """No representation of the answer fits the Accept header."""

    code = "not_acceptable"


class BodyTooLargeError(CxrError):
    """The request's body, or the number of films in a batch, is over the limit."""

    code = "body_too_large"


class QuotaError(CxrError):
    """The caller has sent more films than their quota allows."""

    code = "quota_exceeded"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(CxrError):
    """No room for the films or their bytes, or no time for them; nothing was done; worth trying again."""

    code = "overloaded"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(CxrError):
    """No bundle is loaded yet, or the service is draining."""

    code = "not_ready"


class SpoolFullError(CxrError):
    """As many films wait in the spool as it may hold; nothing was stored; worth trying again."""

    code = "spool_full"


class SpoolUnavailableError(CxrError):
    """The spool's database cannot be reached or written; nothing was stored; worth trying again."""

    code = "spool_unavailable"


class AuditUnavailableError(CxrError):
    """The audit log cannot be written, and the operator wants no answer that is not recorded; worth trying again."""

    code = "audit_unavailable"


class PacsUnreachableError(CxrError):
    """The PACS gave no answer, or one that may be another later; the delivery is tried again."""

    code = "pacs_unreachable"


class PacsRefusedError(CxrError):
    """The PACS will not store the results: a dead letter until somebody asks for another attempt."""

    code = "pacs_refused"


class DeadlineError(CxrError):
    """The caller's deadline passed before an answer was there."""

    code = "deadline_exceeded"


class BundleError(CxrError):
    """A bundle is missing, altered, of another format, or fails its self-test."""

    code = "bundle_rejected"


class UntrustedBundleError(BundleError):
    """A bundle that none of the operator's trusted keys has signed."""

    code = "bundle_untrusted"


class SigningKeyError(CxrError):
    """A key to sign bundles with that cannot be read or made."""

    code = "invalid_signing_key"


class ExplanationUnavailableError(CxrError):
    """The bundle that serves has no heat-map outputs, and torch cannot draw them here."""

    code = "explanation_unavailable"


class InferenceError(CxrError):
    """The network failed on a film that passed every check: a defect of ours."""

    code = "inference_failed"


class InternalError(CxrError):
    """A failure that nobody foresaw: a defect of ours."""

    code = "internal"


class SettingsError(CxrError):
    """A setting that is unknown, out of range, or cannot be honoured on this machine."""

    code = "invalid_settings"


class TrainingDataError(CxrError):
    """Films that cannot be trained on as they are: an empty class, a leak, an unreadable file.

    `unreadable` holds the reason for each file that could not be read, where that is the failure.
    """

    code = "invalid_training_data"

    def __init__(self, message: str, *, unreadable: Mapping[Path, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.unreadable = unreadable


class TrainingConfigError(CxrError):
    """A training option that is unknown, out of range, or contradicts another."""

    code = "invalid_training_config"


class WeightsError(CxrError):
    """Pretrained weights that are missing or do not fit the network."""

    code = "weights_mismatch"


class TestSetError(CxrError):
    """An attempt to open the test set before the winner was chosen, or twice."""

    __test__ = False  # the name starts with Test; pytest must not collect it
    code = "test_set_sealed"


class ParityError(CxrError):
    """The exported graph does not compute what the trained network computes."""

    code = "parity_failed"
