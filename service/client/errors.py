"""How a request to the service may fail, as exceptions of the client."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from pydantic import ValidationError

from schemas.api import Problem


class ClientError(Exception):
    """A film was sent, or should have been, and there is no result."""


class NoAnswerError(ClientError):
    """The service cannot be reached, or what answers is not this service."""


class ProblemError(ClientError):
    """The service refused, with a reason. Source: RFC 9457."""

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail} (request {problem.request_id})")
        self.problem = problem
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The status code of the HTTP response."""
        return self.problem.status

    @property
    def code(self) -> str:
        """Which failure: a row of the table in docs/reference.md."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """The value, the rule and the remedy."""
        return self.problem.detail

    @property
    def request_id(self) -> str:
        """The id of the request in the service's log."""
        return self.problem.request_id


def problem_of(answer: httpx2.Response) -> Problem:
    """The problem that a service reports, or one made from the answer of a proxy in front of it."""
    try:
        return Problem.model_validate_json(answer.content, extra="ignore")
    except ValidationError:
        status = answer.status_code
        request_id = answer.request.headers.get("X-Request-ID", "")
        detail = f"{answer.reason_phrase or 'refused'}, by something in front of the service"
        return Problem(
            type="about:blank",
            title=answer.reason_phrase,
            status=status,
            detail=detail,
            code=f"http_{status}",
            request_id=request_id,
        )


def retry_after_s(answer: httpx2.Response) -> float | None:
    """The wait that the answer asks for; None where it asks for none. Source: RFC 9110 10.2.3, seconds or a date."""
    header = answer.headers.get("Retry-After", "")
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without its zone
        return None
