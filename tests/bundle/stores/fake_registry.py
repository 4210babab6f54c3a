"""An OCI registry in this process: it stores what it is sent, and can be told to ask for logins, to lie and to fail."""

import base64
import hashlib
import re
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-for-this-repository"


class FakeRegistry:
    """The server; everything that tests set may be changed while it runs."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        """By tag and by digest: media type and content."""
        self.requests: list[tuple[str, str, str | None]] = []
        """Method, path and Authorization."""
        self.statuses: deque[int] = deque()
        """Of the next answers, instead of what would be answered."""
        self.spoilt: dict[str, bytes] = {}
        """Content that is sent for a digest instead of its own."""
        self.cut: set[str] = set()
        """Digests whose content ends in the middle."""
        self.login: str | None = None
        """USER:PASSWORD that is asked for; None: everybody is let in."""
        self.scheme = "basic"
        self.may_answer = threading.Event()
        """Until it is set, no request is answered; it is set at the beginning."""
        self.may_answer.set()
        self.blobs_elsewhere: str | None = None
        """Origin to which requests for blobs are redirected."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: the client's acknowledgement of the first takes 40 ms

            def _answer(self) -> None:
                registry.answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 names of http.server

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked_for(self, method: str, ending: str) -> int:
        """How often."""
        return sum(method == each[0] and each[1].endswith(ending) for each in self.requests)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path)
        query = parse_qs(path.query)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.may_answer.wait()
        self.requests.append((handler.command, path.path, handler.headers.get("Authorization")))
        if path.path == "/token":
            self._token(handler)
        elif self.statuses:
            _send(handler, self.statuses.popleft())
        elif not self._lets_in(handler):
            realm = f'Bearer realm="http://{self.host}/token",service="fake",scope="repository:cxr/tiny:pull"'
            _send(handler, 401, {"WWW-Authenticate": 'Basic realm="fake"' if self.scheme == "basic" else realm})
        elif found := re.fullmatch(r"/v2/cxr/tiny/manifests/(.+)", path.path):
            self._manifest(handler, found[1], body)
        elif handler.command == "POST":
            _send(handler, 202, {"Location": "/v2/cxr/tiny/blobs/uploads/1?state=x"})
        elif handler.command == "PUT":
            (digest,) = query["digest"]
            right = digest == f"sha256:{hashlib.sha256(body).hexdigest()}" and query["state"] == ["x"]
            if right:
                self.blobs[digest] = body
            _send(handler, 201 if right else 400)
        else:
            self._blob(handler, path.path.rpartition("/")[2])

    def _lets_in(self, handler: BaseHTTPRequestHandler) -> bool:
        if self.login is None:
            return True
        wanted = f"Bearer {TOKEN}" if self.scheme == "bearer" else self._basic()
        return handler.headers.get("Authorization") == wanted

    def _basic(self) -> str:
        return "Basic " + base64.b64encode((self.login or "").encode()).decode()

    def _token(self, handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers.get("Authorization") == self._basic()
        _send(handler, 200 if known else 401, body=f'{{"token": "{TOKEN}"}}'.encode() if known else b"")

    def _manifest(self, handler: BaseHTTPRequestHandler, reference: str, body: bytes) -> None:
        if handler.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.manifests[digest] = self.manifests[reference] = (handler.headers["Content-Type"], body)
            _send(handler, 201, {"Docker-Content-Digest": digest})
        elif reference not in self.manifests:
            _send(handler, 404)
        else:
            media_type, content = self.manifests[reference]
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            content = self.spoilt.get(digest, content)
            _send(handler, 200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, content)

    def _blob(self, handler: BaseHTTPRequestHandler, digest: str) -> None:
        if digest not in self.blobs:
            _send(handler, 404)
        elif self.blobs_elsewhere is not None and handler.command == "GET":
            _send(handler, 307, {"Location": f"{self.blobs_elsewhere}/elsewhere/{digest}"})
        else:
            content = self.spoilt.get(digest, self.blobs[digest])
            _send(handler, 200, body=content, cut=digest in self.cut)


def _send(handler, status, headers=None, body=b"", *, cut=False) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body[: len(body) // 2] if cut else body)
    if cut:
        handler.close_connection = True
