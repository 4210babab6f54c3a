"""Answers are bounded, and a failure names neither address nor secret."""

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from schemas.errors import SettingsError, WorklistUnreachableError
from service.worklist.calls import Caller, open_client, trusting


@pytest.fixture
def peer():
    class Handler(BaseHTTPRequestHandler):
        encoding = "identity"
        seen: list = []  # noqa: RUF012 of this class alone

        def do_GET(self) -> None:
            self.seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Encoding", self.encoding)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def call(peer):
    def called(at_most=10, **files):
        with open_client(peer[1], 5, ssl.create_default_context()) as client:
            return Caller(client, "the worklist", WorklistUnreachableError, **files).ask("GET", "a", at_most=at_most)

    return called


def test_an_answer_is_read_up_to_its_limit(call) -> None:
    assert call().content == b"0123456789"
    assert call().json() is None  # a number does not begin with 0
    with pytest.raises(WorklistUnreachableError, match="over 9 bytes"):
        call(at_most=9)


def test_a_compressed_answer_is_not_taken(peer, call) -> None:
    peer[0].encoding = "gzip"

    with pytest.raises(WorklistUnreachableError, match="compressed"):
        call()


def test_a_login_is_sent_as_basic(peer, call, tmp_path) -> None:
    (tmp_path / "login").write_text("user:word")
    call(login_file=tmp_path / "login")

    assert peer[0].seen[-1]["Authorization"] == "Basic dXNlcjp3b3Jk"


@pytest.mark.parametrize("content", [None, "two\nlines"])
def test_a_secret_that_cannot_be_read_is_named_without_its_text(call, tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)

    with pytest.raises(WorklistUnreachableError, match="credentials for the worklist cannot be read") as raised:
        call(token_file=tmp_path / "token")
    assert "lines" not in str(raised.value)


def test_a_peer_that_is_away_is_named_without_its_address(tmp_path) -> None:
    with (
        open_client("http://127.0.0.1:9", 5, ssl.create_default_context()) as client,
        pytest.raises(WorklistUnreachableError) as raised,
    ):
        Caller(client, "the worklist", WorklistUnreachableError).ask("GET", "workitems/1.2.3", at_most=1)

    assert "1.2.3" not in str(raised.value)
    with pytest.raises(SettingsError, match="holds no certificates"):
        trusting(tmp_path / "none.pem", "CXR_WORKLIST_CA_FILE")
