"""Rules of failures as HTTP."""

import pytest

from schemas import errors
from schemas.api import Problem
from schemas.errors import CxrError
from service.http.errors import documented, problem_of, problem_response, problem_type


def every_error(root=CxrError):
    return [found for kind in root.__subclasses__() for found in (kind, *every_error(kind))]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_status_and_becomes_a_problem(kind) -> None:
    problem = problem_of(kind("why"), "request-1")

    assert problem == Problem(
        type=f"urn:cxr:problem:{kind.code}",
        title=problem_type(kind).title,
        status=problem_type(kind).status,
        detail="why",
        code=kind.code,
        request_id="request-1",
    )
    assert 400 <= problem.status < 600


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in every_error() if "code" in vars(kind)]
    bases = {kind for kind in every_error() if "code" not in vars(kind)}

    assert len(set(codes)) == len(codes)
    assert bases == {
        errors.RequestError,
        errors.FilmError,
        errors.UnavailableError,
        errors.TrainerError,
        errors.ExportError,
    }


@pytest.mark.parametrize("kind", every_error())
def test_whoever_is_told_to_come_back_is_told_when(kind) -> None:
    response = problem_response(kind("why"), "request-1")

    comes_back = response.status_code in (429, 503) or kind is errors.IdempotencyKeyInUseError
    assert ("Retry-After" in response.headers) == comes_back
    assert response.media_type == "application/problem+json"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.MalformedRequestError, 400),
        (errors.NotFoundError, 404),
        (errors.BundleError, 409),
        (errors.BodyTooLargeError, 413),
        (errors.ImageTooLargeError, 413),
        (errors.UnsupportedImageError, 415),
        (errors.InvalidImageError, 422),
        (errors.NotARadiographError, 422),
        (errors.InvalidParameterError, 422),
        (errors.OverloadedError, 503),
        (errors.NotReadyError, 503),
        (errors.DeadlineError, 504),
        (errors.TestSetError, 500),
        (errors.SigningKeyError, 500),
    ],
)
def test_statuses_are_those_of_the_contract(kind, status) -> None:
    assert problem_type(kind).status == status


def test_errors_of_one_status_are_documented_together() -> None:
    responses = documented(errors.InvalidImageError, errors.NotARadiographError, errors.NotReadyError)

    assert set(responses) == {422, 503}
    assert "invalid_image" in responses[422]["description"]
    assert "not_a_radiograph" in responses[422]["description"]
    assert "Retry-After" in responses[503]["headers"]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.OverloadedError("full"), "1"),
        (errors.OverloadedError("full", retry_after_s=7), "7"),
        (errors.NotReadyError("loading"), "5"),
        (errors.AuditUnavailableError("full"), "30"),
        (errors.QuotaError("used up", retry_after_s=42), "42"),
    ],
)
def test_the_error_itself_says_when_to_come_back(error, seconds) -> None:
    assert problem_response(error, "request-1").headers["Retry-After"] == seconds
