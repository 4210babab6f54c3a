"""Failures as HTTP: one table from error class to status and title, one shape for every answer that is not a success."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from schemas import errors
from schemas.api import Problem
from schemas.errors import CxrError

MEDIA_TYPE: Final = "application/problem+json"
CALLER_LEFT: Final = 499
"""Never sent to anybody: the status under which a request is counted whose caller closed the connection."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How one class of failure looks from outside."""

    status: int
    title: str
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


PROBLEMS: Final[Mapping[type[CxrError], ProblemType]] = {
    errors.MalformedRequestError: ProblemType(400, "The request holds no readable film"),
    errors.UnauthenticatedError: ProblemType(
        401, "The caller is not known", headers={"WWW-Authenticate": 'Bearer realm="cxr"'}
    ),
    errors.ForbiddenError: ProblemType(403, "The caller may not do this"),
    errors.NotFoundError: ProblemType(404, "There is nothing at this address"),
    errors.MethodNotAllowedError: ProblemType(405, "This address answers another HTTP method"),
    errors.NotAcceptableError: ProblemType(406, "No representation fits the Accept header"),
    errors.BundleError: ProblemType(409, "The bundle failed its checks"),
    errors.UntrustedBundleError: ProblemType(409, "Nobody who is trusted has signed the bundle"),
    errors.BodyTooLargeError: ProblemType(413, "The request is over a limit"),
    errors.ImageTooLargeError: ProblemType(413, "The film is over a limit"),
    errors.UnsupportedImageError: ProblemType(415, "The format is not supported"),
    errors.UnsupportedMediaTypeError: ProblemType(415, "The body is of another media type"),
    errors.InvalidImageError: ProblemType(422, "The film cannot be decoded"),
    errors.NotARadiographError: ProblemType(422, "The image is not a projection radiograph"),
    errors.InvalidParameterError: ProblemType(422, "A parameter is outside its allowed values"),
    errors.ExplanationUnavailableError: ProblemType(422, "The bundle that serves cannot explain"),
    errors.QuotaError: ProblemType(429, "The caller's quota is used up", retry_after_s=1),
    errors.OverloadedError: ProblemType(503, "Too many films at once", retry_after_s=1),
    errors.NotReadyError: ProblemType(503, "The service cannot answer yet", retry_after_s=5),
    errors.SpoolFullError: ProblemType(503, "The spool is full", retry_after_s=30),
    errors.SpoolUnavailableError: ProblemType(503, "The spool cannot be written", retry_after_s=30),
    errors.AuditUnavailableError: ProblemType(503, "The audit log cannot be written", retry_after_s=30),
    errors.PacsUnreachableError: ProblemType(503, "The PACS cannot be reached", retry_after_s=30),
    errors.DeadlineError: ProblemType(504, "The deadline passed"),
    errors.InferenceError: ProblemType(500, "The network failed"),
    errors.InternalError: ProblemType(500, "The service failed"),
    errors.PacsRefusedError: ProblemType(502, "The PACS refused the results"),
    # A caller cannot cause these; they are here so that no error is without an answer.
    errors.SettingsError: ProblemType(500, "The service is misconfigured"),
    errors.BurnedInError: ProblemType(500, "The service failed"),
    errors.TrainingDataError: ProblemType(500, "The service failed"),
    errors.TrainingConfigError: ProblemType(500, "The service failed"),
    errors.SigningKeyError: ProblemType(500, "The service failed"),
    errors.WeightsError: ProblemType(500, "The service failed"),
    errors.TestSetError: ProblemType(500, "The service failed"),
    errors.ParityError: ProblemType(500, "The service failed"),
}

GATE_FAILURES: Final = (
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.QuotaError,
    errors.OverloadedError,  # too many new keys at once
)
"""What may befall any request to an address that needs a scope."""

REQUEST_FAILURES: Final = (
    *GATE_FAILURES,
    errors.MalformedRequestError,
    errors.BodyTooLargeError,
    errors.InvalidParameterError,
    errors.NotReadyError,
    errors.AuditUnavailableError,
    errors.DeadlineError,
    errors.InternalError,
)
"""What may befall any request that brings films."""

FILM_FAILURES: Final = (
    errors.ImageTooLargeError,
    errors.UnsupportedImageError,
    errors.InvalidImageError,
    errors.NotARadiographError,
    errors.InferenceError,
)
"""What may befall one film."""

UNFORESEEN: Final = "an unforeseen failure; its reason is in the log of the service under this request_id"

WITHOUT_PROBLEM: Final[Mapping[int, CxrError]] = {
    400: errors.MalformedRequestError("the request cannot be read; send multipart/form-data or the film's bytes"),
    404: errors.NotFoundError("no such address; /docs lists the addresses of this service"),
    405: errors.MethodNotAllowedError("the address answers the methods of the Allow header; /docs lists them"),
    413: errors.BodyTooLargeError("the body is larger than this service accepts; send fewer or smaller films"),
}
"""What the frameworks beneath answer in their own words, and the error that replaces it; any other status is 500."""


def problem_of(error: CxrError, request_id: str) -> Problem:
    """The body that tells a caller about `error`."""
    kind = PROBLEMS[type(error)]
    return Problem(
        type=f"urn:cxr:problem:{error.code}",
        title=kind.title,
        status=kind.status,
        detail=str(error),
        code=error.code,
        request_id=request_id,
    )


def problem_response(error: CxrError, request_id: str) -> Response:
    """The whole answer that tells a caller about `error`."""
    problem = problem_of(error, request_id)
    kind = PROBLEMS[type(error)]
    headers = dict(kind.headers)
    if (retry_after_s := error.retry_after_s or kind.retry_after_s) is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def documented(*failures: type[CxrError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an operation that may fail with `failures`."""
    responses: dict[int | str, dict[str, Any]] = {}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for failure in failures:
        kind = PROBLEMS[failure]
        response = responses.setdefault(kind.status, {"description": "", "content": content})
        response["description"] = f"{response['description']}; {failure.code}: {kind.title}".removeprefix("; ")
        if kind.retry_after_s is not None:
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return responses


def install(app: FastAPI) -> None:
    """Let `app` answer our errors and the frameworks' as problems."""
    app.exception_handler(CxrError)(_on_cxr_error)
    app.exception_handler(RequestValidationError)(_on_invalid_parameter)
    app.exception_handler(ClientDisconnect)(_on_caller_left)


async def _on_cxr_error(request: Request, error: CxrError) -> Response:
    return problem_response(error, request.state.request_id)


async def _on_invalid_parameter(request: Request, error: RequestValidationError) -> Response:
    # FastAPI's own handler sends the refused value back, which may be a patient's.
    wrong = "; ".join(f"{entry['loc'][0]} parameter {entry['loc'][-1]}: {entry['msg']}" for entry in error.errors())
    return problem_response(errors.InvalidParameterError(wrong), request.state.request_id)


async def _on_caller_left(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=CALLER_LEFT)
