"""What the load generator prints, and how a rate is taken from it."""

import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from benchmarks.peers.load import GeneratorError, Load, generator, parsed, run_wrk, write_script

PRINTED = """Running 6s test @ http://127.0.0.1:8000/predict
  1 threads and 8 connections
Transfer/sec:     18.60KB

{"answered": 310, "films": 275, "span_s": 5.500000, "p50_us": 25500, "p99_us": 71250, "refused": 2, "broken": 1}
"""


def test_the_line_of_json_is_found_among_what_wrk_prints_itself() -> None:
    load = parsed(PRINTED)

    assert load == Load(answered=310, films=275, span_s=5.5, p50_ms=25.5, p99_ms=71.25, errors=3)
    assert load.films_per_s == 50.0


def test_no_rate_is_made_of_no_time() -> None:
    assert Load(answered=1, films=0, span_s=0.0, p50_ms=1, p99_ms=1, errors=0).films_per_s == 0.0


@pytest.mark.parametrize(
    ("output", "complaint", "words"),
    [("", "unable to connect", "unable to connect"), ("Running 6s test", "", "Running 6s test"), ("", "", "nothing")],
)
def test_output_without_figures_is_an_error_that_quotes_it(output, complaint, words) -> None:
    with pytest.raises(GeneratorError, match=words):
        parsed(output, complaint)


def test_a_missing_generator_is_named_with_its_package(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(GeneratorError, match="apt install wrk"):
        generator()


class Counting(BaseHTTPRequestHandler):
    """Refuses every fourth film, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012 one server, one list

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if len(self.bodies) % 4 == 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments) -> None:
        pass


@pytest.mark.process
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_films_are_sent_in_turn_and_refusals_are_counted(tmp_path) -> None:
    films = [tmp_path / name for name in ("one", "two", "three")]
    for film in films:
        film.write_bytes(film.name.encode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    Thread(target=server.serve_forever, daemon=True).start()

    load = run_wrk(write_script(tmp_path), f"http://127.0.0.1:{server.server_port}/predict", films, 1, 1)
    server.shutdown()
    server.server_close()

    # wrk asks the script for one request that it never sends.
    assert Counting.bodies[:4] == [b"two", b"three", b"one", b"two"]
    assert 0 < load.films < load.answered
    assert 0.3 < load.span_s < 0.9  # of a second, the first half of which is not counted
    assert load.errors == pytest.approx(load.answered / 4, abs=1)
