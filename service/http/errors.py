"""Failures as HTTP: one table from error class to status and title, and one shape for every failed answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from bundle.stores.source import StoreRefusedError, StoreUnavailableError
from schemas import errors
from schemas.api import Problem
from schemas.errors import CxrError

MEDIA_TYPE: Final = "application/problem+json"
CALLER_LEFT: Final = 499
"""The status under which a request is counted whose caller closed the connection; it is never sent."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How one class of failure looks from outside."""

    status: int
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)


PROBLEMS: Final[Mapping[type[CxrError], ProblemType]] = {
    errors.RequestError: ProblemType(400, "Malformed request"),
    errors.UnauthenticatedError: ProblemType(
        401, "Authentication required", headers={"WWW-Authenticate": 'Bearer realm="cxr"'}
    ),
    errors.ForbiddenError: ProblemType(403, "Not permitted"),
    errors.SilentError: ProblemType(403, "The service is silent"),
    errors.NotFoundError: ProblemType(404, "Not found"),
    errors.PromotionRefusedError: ProblemType(409, "The rule does not promote the bundle"),
    errors.MethodNotAllowedError: ProblemType(405, "Method not allowed"),
    errors.NotAcceptableError: ProblemType(406, "No acceptable representation"),
    errors.UploadTooSlowError: ProblemType(408, "The request arrives too slowly", headers={"Connection": "close"}),
    errors.IdempotencyKeyInUseError: ProblemType(409, "The request is being answered"),
    errors.BundleError: ProblemType(409, "The bundle failed its checks"),
    errors.UntrustedBundleError: ProblemType(409, "The bundle is not signed by a trusted key"),
    errors.BodyTooLargeError: ProblemType(413, "Request too large"),
    errors.ImageTooLargeError: ProblemType(413, "Image too large"),
    errors.UnsupportedImageError: ProblemType(415, "Unsupported image format"),
    errors.UnsupportedMediaTypeError: ProblemType(415, "Unsupported media type"),
    errors.UnsupportedEncodingError: ProblemType(
        415, "Unsupported content encoding", headers={"Accept-Encoding": "identity"}
    ),
    errors.FilmError: ProblemType(422, "The image cannot be read"),
    errors.InvalidImageError: ProblemType(422, "The image cannot be decoded"),
    errors.NotARadiographError: ProblemType(422, "The image is not a projection radiograph"),
    errors.InvalidParameterError: ProblemType(422, "Invalid parameter"),
    errors.IdempotencyKeyReusedError: ProblemType(422, "The key belongs to another request"),
    errors.ExplanationUnavailableError: ProblemType(422, "The bundle that serves has no heat maps"),
    errors.HeadersTooLargeError: ProblemType(431, "The headers are too large", headers={"Connection": "close"}),
    errors.QuotaError: ProblemType(429, "Quota exceeded"),
    errors.UnavailableError: ProblemType(503, "Service unavailable"),
    errors.OverloadedError: ProblemType(503, "Too many images at once"),
    errors.NotReadyError: ProblemType(503, "Service not ready"),
    errors.SpoolFullError: ProblemType(503, "The spool is full"),
    errors.SpoolUnavailableError: ProblemType(503, "The spool cannot be written"),
    errors.AuditUnavailableError: ProblemType(503, "The audit log cannot be written"),
    errors.PacsUnreachableError: ProblemType(503, "The PACS cannot be reached"),
    StoreUnavailableError: ProblemType(503, "The store of bundles cannot be reached"),
    StoreRefusedError: ProblemType(502, "The store of bundles refuses"),
    errors.DeadlineError: ProblemType(504, "Deadline exceeded"),
    errors.InferenceError: ProblemType(500, "Inference failed"),
    errors.PacsRefusedError: ProblemType(502, "The PACS refused the results"),
    errors.DestinationUnreachableError: ProblemType(503, "A destination cannot be reached"),
    errors.DestinationRefusedError: ProblemType(502, "A destination refused the results"),
    # Whatever a caller cannot cause: settings, training, export.
    errors.CxrError: ProblemType(500, "Internal error"),
}
"""By class; a class without a row looks as its nearest base does, see `problem_type`."""

GATE_FAILURES: Final = (
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.QuotaError,
    errors.OverloadedError,  # too many new keys at once
)
"""How any request may fail at an address that needs a scope."""

KEY_FAILURES: Final = (errors.IdempotencyKeyInUseError, errors.IdempotencyKeyReusedError)
"""How a request with an Idempotency-Key may fail."""

REQUEST_FAILURES: Final = (
    *GATE_FAILURES,
    errors.MalformedRequestError,
    errors.UploadTooSlowError,
    errors.BodyTooLargeError,
    errors.UnsupportedEncodingError,
    errors.InvalidParameterError,
    errors.NotReadyError,
    errors.AuditUnavailableError,
    errors.DeadlineError,
    errors.InternalError,
)
"""How any request that brings films may fail."""

DECODE_FAILURES: Final = (
    errors.ImageTooLargeError,
    errors.UnsupportedImageError,
    errors.InvalidImageError,
    errors.NotARadiographError,
)
"""How the decoding of one film may fail: the subclasses of `FilmError`."""

FILM_FAILURES: Final = (*DECODE_FAILURES, errors.InferenceError)
"""How the reading of one film may fail."""

UNFORESEEN: Final = "an unforeseen failure; its reason is in the log of the service under this request_id"

WITHOUT_PROBLEM: Final[Mapping[int, CxrError]] = {
    400: errors.MalformedRequestError(
        "the request cannot be read; send multipart/form-data or the bytes of an image, or JSON where /docs asks for it"
    ),
    404: errors.NotFoundError("no such address; /docs lists the addresses of this service"),
    405: errors.MethodNotAllowedError("the address answers the methods of the Allow header; /docs lists them"),
    413: errors.BodyTooLargeError("the body is larger than this service accepts; send fewer or smaller images"),
}
"""What the frameworks beneath answer in their own words, and the error that replaces it; any other status is 500."""


_DETAIL: Final = "what was wrong, the rule, and the remedy"
_REQUEST_ID: Final = "0f8fad5bd9cb469fa16570867728950e"
"""Of examples in the document of the interface."""


def problem_type(kind: type[CxrError]) -> ProblemType:
    """How the failures of a class look from outside."""
    return next(PROBLEMS[base] for base in kind.__mro__ if base in PROBLEMS)


def problem_of(error: CxrError, request_id: str) -> Problem:
    """The body that explains `error` to a caller."""
    kind = problem_type(type(error))
    return Problem(
        type=f"urn:cxr:problem:{error.code}",
        title=kind.title,
        status=kind.status,
        detail=str(error),
        code=error.code,
        request_id=request_id,
    )


def headers_of(error: CxrError) -> dict[str, str]:
    """The headers of an answer that reports `error`; the error itself knows when a repetition is worthwhile."""
    headers = dict(problem_type(type(error)).headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return headers


def problem_response(error: CxrError, request_id: str) -> Response:
    """The whole answer that reports `error`."""
    problem = problem_of(error, request_id)
    return Response(problem.model_dump_json(), problem.status, headers_of(error), MEDIA_TYPE)


def documented(*failures: type[CxrError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an operation that may fail with `failures`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for failure in failures:
        kind = problem_type(failure)
        example = problem_of(failure(_DETAIL), _REQUEST_ID).model_dump()
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
        response = responses.setdefault(kind.status, {"description": "", "content": content})
        response["description"] = f"{response['description']}; {failure.code}: {kind.title}".removeprefix("; ")
        if failure.retry_after_s is not None:
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return responses


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer our errors, and those of the frameworks, as problems."""
    app.exception_handler(CxrError)(_on_cxr_error)
    app.exception_handler(RequestValidationError)(_on_invalid_parameter)
    app.exception_handler(ClientDisconnect)(_on_caller_left)


async def _on_cxr_error(request: Request, error: CxrError) -> Response:
    return problem_response(error, request.state.request_id)


async def _on_invalid_parameter(request: Request, error: RequestValidationError) -> Response:
    # FastAPI's own handler sends the refused value back, which may be a patient's. What comes after the name in `loc`
    # is a kind of value that was tried, or a place in a list.
    reasons = "; ".join(
        f"{_place(entry['loc'])}: {entry['msg'].removeprefix('Value error, ')}" for entry in error.errors()
    )
    return problem_response(errors.InvalidParameterError(reasons), request.state.request_id)


def _place(location: tuple[int | str, ...]) -> str:
    """A parameter by its name; of a body that is read as JSON only its field, for a key below may be of a patient."""
    names = [part for part in location[1:2] if isinstance(part, str)]
    return " parameter ".join([str(location[0]), *names])


async def _on_caller_left(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=CALLER_LEFT)
