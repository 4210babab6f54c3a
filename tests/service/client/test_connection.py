"""Rules of the typed client: against the real server, and against scripted answers where a server would need
patience."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from service.client import CallOptions, Client, NoAnswerError, ProblemError
from service.commands.keys import keys_command
from tests.service.bundles import CLASSES
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server

FILM = flat_film(200)
OVERLOADED = {
    "type": "urn:cxr:problem:overloaded",
    "title": "Too many images at once",
    "status": 503,
    "detail": "the queue is full; try again",
    "code": "overloaded",
    "request_id": "r",
}
READY = {"models": [], "software_version": "0.2.0"}


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models)
    yield running
    running.end()


@pytest.fixture
def client(server):
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def scripted():
    """A client whose service gives these answers in turn; with the requests that it got and the waits in between."""

    def start(*answers, **options):
        script = iter(answers)
        requests = []
        waits = []

        def answer(request):
            requests.append(request)
            return next(script)

        transport = httpx2.MockTransport(answer)
        return Client("http://service", transport=transport, sleep=waits.append, **options), requests, waits

    return start


def overloaded(retry_after=None, status=503):
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx2.Response(status, json=OVERLOADED | {"status": status}, headers=headers)


def test_a_film_is_read_from_bytes_and_from_a_file(client, tmp_path) -> None:
    (tmp_path / "film.png").write_bytes(FILM)
    answers = [client.predict(film) for film in (FILM, tmp_path / "film.png", str(tmp_path / "film.png"))]

    assert {answer.prediction.label for answer in answers} == {"PNEUMONIA"}
    assert answers[0].prediction.probabilities.keys() == set(CLASSES)
    assert answers[0].image.format == "png"


def test_a_batch_has_a_result_or_a_problem_for_each_film(client) -> None:
    answer = client.predict_batch([FILM, b"rubbish", flat_film(60)])

    assert [result.filename_index for result in answer.results] == [0, 1, 2]
    assert answer.results[1].problem.code == "unsupported_image"
    assert answer.results[2].prediction.label == "NORMAL"


def test_an_explanation_comes_as_a_record_and_as_a_picture(client) -> None:
    answer = client.explain(FILM, finding="NORMAL", method="gradcam++")

    assert (answer.explanation.finding, answer.explanation.method) == ("NORMAL", "gradcam++")
    assert client.overlay(FILM).startswith(b"\x89PNG")


def test_the_bundles_are_listed_and_the_service_is_ready(client) -> None:
    assert [(model.name, model.serving) for model in client.models().models] == [("tiny", True)]
    assert client.ready()


def test_a_refused_film_is_a_typed_error_with_everything_that_the_service_said(client) -> None:
    with pytest.raises(ProblemError) as caught:
        client.predict(b"rubbish", CallOptions(request_id="film-7"))

    assert (caught.value.status, caught.value.code, caught.value.request_id) == (415, "unsupported_image", "film-7")
    assert "send one of these" in caught.value.detail
    assert caught.value.retry_after_s is None


@pytest.mark.process
def test_keys_are_sent_and_an_unknown_one_is_refused(tmp_path, tiny_models, capsys) -> None:
    keys_command(["add", "--name", "ris", "--scope", "predict", "--file", str(tmp_path / "keys")])
    key = capsys.readouterr().out
    server = Server(tiny_models, api_keys_file=tmp_path / "keys")
    try:
        with (
            Client(server.address, api_key=key.strip()) as by_key,
            Client(server.address, token=key.strip()) as by_token,
        ):
            labels = [client.predict(FILM).prediction.label for client in (by_key, by_token)]
        with Client(server.address, api_key="cxr_0") as stranger, pytest.raises(ProblemError) as caught:
            stranger.predict(FILM)
    finally:
        server.end()

    assert labels == ["PNEUMONIA", "PNEUMONIA"]
    assert caught.value.code == "unauthenticated"


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_to_come_back_is_asked_again_as_late_as_it_says(scripted, status) -> None:
    client, requests, waits = scripted(
        overloaded("2", status), overloaded("7", status), httpx2.Response(200, json=READY)
    )

    assert client.models().models == ()
    assert waits == [2, 7]
    assert len({request.headers["X-Request-ID"] for request in requests}) == 1


def test_retry_after_may_be_a_date_and_may_be_missing(scripted) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    client, _, waits = scripted(overloaded(date), overloaded(), overloaded("soon"), httpx2.Response(200, json=READY))
    client.models()

    assert 25 < waits[0] <= 30
    assert waits[1:] == [1, 1]


def test_attempts_are_bounded_and_the_last_problem_is_told(scripted) -> None:
    client, requests, waits = scripted(*[overloaded("1")] * 3, retries=2)
    with pytest.raises(ProblemError, match="503 overloaded: the queue is full") as caught:
        client.models()

    assert (len(requests), waits, caught.value.retry_after_s) == (3, [1, 1], 1)


def test_a_wait_that_is_too_long_is_not_begun(scripted) -> None:
    client, requests, waits = scripted(overloaded("61"), longest_wait_s=60)
    with pytest.raises(ProblemError):
        client.models()

    assert (len(requests), waits) == (1, [])


def test_the_deadline_is_of_all_attempts_together(scripted) -> None:
    client, requests, waits = scripted(overloaded("1"), overloaded("30"), httpx2.Response(200))
    with pytest.raises(ProblemError):
        client.predict(FILM, CallOptions(deadline_ms=20_000))

    assert waits == [1]
    assert [0 < int(request.headers["X-Deadline-Ms"]) <= 20_000 for request in requests] == [True, True]


def test_a_refusal_that_time_does_not_mend_is_not_tried_again(scripted) -> None:
    client, requests, _ = scripted(httpx2.Response(422, json=OVERLOADED | {"status": 422, "code": "invalid_image"}))
    with pytest.raises(ProblemError, match="422 invalid_image"):
        client.predict(FILM)

    assert len(requests) == 1


def test_urgency_and_the_films_type_are_sent(scripted) -> None:
    client, requests, _ = scripted(httpx2.Response(422, json=OVERLOADED))
    with pytest.raises(ProblemError):
        client.predict(FILM, CallOptions(priority="stat"))

    assert requests[0].url.params["priority"] == "stat"
    assert requests[0].headers["Content-Type"] == "application/octet-stream"


def test_age_and_view_are_sent_in_headers_and_not_in_the_address(scripted) -> None:
    client, requests, _ = scripted(*[httpx2.Response(422, json=OVERLOADED)] * 2)
    for options in (CallOptions(age=4, view="PA"), CallOptions()):
        with pytest.raises(ProblemError):
            client.predict(FILM, options)

    assert (requests[0].headers["X-Age"], requests[0].headers["X-View"]) == ("4", "PA")
    assert set(requests[0].url.params) == {"priority"}
    assert not {"X-Age", "X-View"} & set(requests[1].headers)


def test_the_key_of_a_call_is_the_same_at_every_attempt(scripted) -> None:
    client, requests, _ = scripted(*[httpx2.Response(503, json=OVERLOADED, headers={"Retry-After": "1"})] * 4)
    with pytest.raises(ProblemError):
        client.predict(FILM, CallOptions(idempotency_key="8e03978e"))

    assert [request.headers["Idempotency-Key"] for request in requests] == ["8e03978e"] * 4


def test_what_a_proxy_answers_is_a_problem_too(scripted) -> None:
    client, _, _ = scripted(httpx2.Response(502, text="<html>Bad Gateway</html>"))
    with pytest.raises(ProblemError) as caught:
        client.predict(FILM, CallOptions(request_id="film-8"))

    assert (caught.value.status, caught.value.code, caught.value.request_id) == (502, "http_502", "film-8")


def test_fields_that_a_later_service_adds_are_passed_over(client, scripted) -> None:
    answer = json.loads(client.predict(FILM).model_dump_json())
    answer["new"] = 1
    answer["prediction"]["new"] = {"a": 2}
    later, _, _ = scripted(httpx2.Response(200, json=answer))

    assert later.predict(FILM).prediction.label == "PNEUMONIA"


def test_an_address_where_nothing_or_something_else_answers_is_told(scripted) -> None:
    other, _, _ = scripted(httpx2.Response(200, text="hello"))

    with (
        Client("http://reader:secret@127.0.0.1:9/cxr", timeout_s=5) as nobody,
        pytest.raises(NoAnswerError, match="is the service there") as failure,
    ):
        nobody.ready()
    assert str(failure.value).startswith("http://127.0.0.1:9/cxr/ gave no answer: no connection to this host and port")
    assert "secret" not in str(failure.value)
    with pytest.raises(NoAnswerError, match="is the address that of this service"):
        other.models()


@pytest.mark.process
def test_the_client_loads_nothing_that_reads_films() -> None:
    program = "import sys, service.client; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "'httpx2'" in loaded.stdout
    assert not [name for name in ("numpy", "cv2", "onnxruntime", "fastapi", "pydicom") if f"'{name}'" in loaded.stdout]


@pytest.mark.parametrize("secret", ["\ufeffkey", "schl\u00fcssel", "key\n"])
@pytest.mark.parametrize("name", ["api_key", "token"])
def test_a_secret_that_no_header_carries_is_refused_by_its_name(name, secret) -> None:
    with pytest.raises(ValueError, match=f"{name} holds a character that no header carries"):
        Client("http://localhost", **{name: secret})
