"""The connection to a service: films out, records of `schemas.api` back."""

import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
from pydantic import ValidationError

from schemas.api import BatchResponse, ExplainMethod, ExplainResponse, PredictResponse
from schemas.record import Record
from schemas.serving import ModelList
from service.client.errors import NoAnswerError, ProblemError, problem_of, retry_after_s
from service.client.options import ROUTINE, CallOptions

Film = Path | str | bytes
"""The path of a JPEG, PNG or DICOM file, or its bytes."""

T = TypeVar("T", bound=Record)

RETRIED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The statuses under which nothing was done and a later attempt may succeed."""

_IDLE_S: Final = 2.0
"""The service closes a connection that was idle for 5 s; a request sent at that moment would be lost."""

_AFTER_DEADLINE_S: Final = 5.0
"""The service answers 504 by itself, and its answer may take this long to arrive."""
_FAULTS: Final[Mapping[type[Exception], str]] = {
    httpx2.TimeoutException: "nothing came in time",
    httpx2.ProxyError: "the proxy does not lead there",
    httpx2.ConnectError: "no connection to this host and port",
    httpx2.UnsupportedProtocol: "the address is not one of http or https",
    httpx2.InvalidURL: "the address cannot be read",
}
_BROKEN: Final = "the connection broke"


class Client:
    """A connection to one service; safe to share between threads, and to be closed when done.

        with Client("http://127.0.0.1:8000") as client:
            print(client.predict("film.jpeg").prediction.label)

    Every method that sends a film raises `ProblemError` where the service refuses, `NoAnswerError` where none answers,
    and OSError where the film's file cannot be read.
    """

    def __init__(  # noqa: PLR0913 each is a setting with a default
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 3,
        longest_wait_s: float = 60.0,
        ca_file: Path | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            base_url: of the service, `https://host[:port][/prefix]`.
            api_key: sent as X-API-Key.
            token: of an identity provider, sent as Authorization: Bearer.
            timeout_s: for one answer to arrive.
            retries: further attempts after 429 and 503, each as late as Retry-After asks.
            longest_wait_s: a service that asks for more is not tried again.
            ca_file: certificates in PEM that vouch for the service; None: the public ones.
            transport: how requests travel; None: by HTTP.
            sleep: how to wait.

        Raises:
            OSError, ValueError: `ca_file` cannot be read; no header can carry the key or the token.
        """
        self._http = httpx2.Client(
            base_url=base_url.rstrip("/") + "/",
            headers=_credentials(api_key, token),
            limits=httpx2.Limits(keepalive_expiry=_IDLE_S),
            verify=True if ca_file is None else ssl.create_default_context(cafile=ca_file),
            transport=transport,
        )
        self._timeout_s = timeout_s
        self._retries = retries
        self._longest_wait_s = longest_wait_s
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def predict(self, film: Film, options: CallOptions = ROUTINE) -> PredictResponse:
        """Read one film."""
        return _parsed(PredictResponse, self._send_film("predict", film, options))

    def predict_batch(self, films: Sequence[Film], options: CallOptions = ROUTINE) -> BatchResponse:
        """Read several films; each has a result or a problem of its own, in their order."""
        # A name makes it a file part; the real one may name a patient.
        parts = [("files", ("film", _bytes(film), "application/octet-stream")) for film in films]
        return _parsed(BatchResponse, self._send("predict/batch", options, {}, files=parts))

    def explain(
        self,
        film: Film,
        options: CallOptions = ROUTINE,
        *,
        finding: str | None = None,
        method: ExplainMethod = "gradcam",
    ) -> ExplainResponse:
        """Read one film, with the heat map of `finding`, or of its label where that is None."""
        return _parsed(ExplainResponse, self._send_film("explain", film, options, _question(finding, method)))

    def overlay(
        self,
        film: Film,
        options: CallOptions = ROUTINE,
        *,
        finding: str | None = None,
        method: ExplainMethod = "gradcam",
    ) -> bytes:
        """The heat map over the film as PNG; see `explain`."""
        return self._send_film("explain", film, options, _question(finding, method), accept="image/png").content

    def models(self) -> ModelList:
        """The bundles that the service knows, and which one serves."""
        return _parsed(ModelList, self._attempt_all("GET", "models", ROUTINE, {}))

    def ready(self) -> bool:
        """Whether films can be sent; asked once.

        Raises:
            NoAnswerError: nothing answers there.
        """
        return self._attempt("GET", "readyz", self._timeout_s, {}).status_code == HTTPStatus.OK

    def post(self, path: str, kind: type[T], content: bytes, media_type: str) -> T:
        """Send a body that is not a film to `path`, which answers with a record of this kind."""
        return _parsed(kind, self._attempt_all("POST", path, ROUTINE, _body(content, media_type)))

    def _send_film(
        self,
        path: str,
        film: Film,
        options: CallOptions,
        question: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
    ) -> httpx2.Response:
        headers = {"Content-Type": "application/octet-stream", "Accept": accept}
        return self._send(path, options, question or {}, headers=headers, content=_bytes(film))

    def _send(self, path: str, options: CallOptions, question: Mapping[str, str], **request: Any) -> httpx2.Response:
        population = {} if options.population is None else {"population": options.population}
        params = {"priority": options.priority, **population, **question}
        return self._attempt_all("POST", path, options, {"params": params, **request})

    def _attempt_all(self, method: str, path: str, options: CallOptions, request: Mapping[str, Any]) -> httpx2.Response:
        headers = {
            **request.get("headers", {}),
            **options.headers,
            "X-Request-ID": options.request_id or uuid.uuid4().hex,
        }
        start = time.monotonic()
        left_s = self._timeout_s
        for retries_left in range(self._retries, -1, -1):
            if options.deadline_ms is not None:
                left_s = options.deadline_ms / 1000 - (time.monotonic() - start)
                headers["X-Deadline-Ms"] = str(max(1, round(left_s * 1000)))
            timeout_s = min(self._timeout_s, left_s + _AFTER_DEADLINE_S)
            answer = self._attempt(method, path, timeout_s, {**request, "headers": headers})
            if answer.is_success:
                return answer
            problem = ProblemError(problem_of(answer), retry_after_s(answer))
            wait_s = problem.retry_after_s or 1.0
            patience_s = self._longest_wait_s if options.deadline_ms is None else min(self._longest_wait_s, left_s)
            if answer.status_code not in RETRIED or retries_left == 0 or wait_s >= patience_s:
                raise problem
            self._sleep(wait_s)
        raise AssertionError  # the last round returns or raises

    def _attempt(self, method: str, path: str, timeout_s: float, request: Mapping[str, Any]) -> httpx2.Response:
        try:
            return self._http.request(method, path, timeout=timeout_s, **request)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            url = self._http.base_url
            fault = next((words for kind, words in _FAULTS.items() if isinstance(error, kind)), _BROKEN)
            # Without name and password, as the error's own text may have them.
            msg = (
                f"{url.scheme}://{url.netloc.decode('ascii')}{url.path} gave no answer: {fault}; is the service there?"
            )
            raise NoAnswerError(msg) from error


def _credentials(api_key: str | None, token: str | None) -> dict[str, str]:
    for name, secret in (("api_key", api_key), ("token", token)):
        if secret is not None and not (secret.isascii() and secret.isprintable()):
            msg = f"{name} holds a character that no header carries; read it as UTF-8, without blanks around it"
            raise ValueError(msg)
    headers = {"X-API-Key": api_key, "Authorization": None if token is None else f"Bearer {token}"}
    return {name: value for name, value in headers.items() if value is not None}


def _bytes(film: Film) -> bytes:
    return film if isinstance(film, bytes) else Path(film).read_bytes()


def _body(content: bytes, media_type: str) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": media_type}}


def _question(finding: str | None, method: ExplainMethod) -> dict[str, str]:
    return {"method": method} | ({} if finding is None else {"finding": finding})


def _parsed(kind: type[T], answer: httpx2.Response) -> T:
    """The answer as its record; fields that a later service adds are passed over."""
    try:
        return kind.model_validate_json(answer.content, extra="ignore")
    except ValidationError as error:
        msg = f"the answer is not a {kind.__name__}; is the address that of this service?"
        raise NoAnswerError(msg) from error
