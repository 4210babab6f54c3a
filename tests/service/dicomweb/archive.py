"""A DICOMweb server that stores what it is sent, counts it, and can be told to fail, to hold its answer, or to die."""

import base64
import io
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread


class FakeArchive:
    """The server; `stored` counts how often each SOPInstanceUID was sent to it and accepted."""

    def __init__(self, port: int = 0) -> None:
        self.stored: Counter[str] = Counter()
        self.instances: list = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answers: list[tuple[int, object]] = []
        """Statuses and bodies of the next stores, before it stores again."""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.has_stored = threading.Condition()
        self.has_search = True
        self.knows_filter = True
        self.media_type = "application/dicom+json"
        self.more_headers: dict[str, str] = {}
        self.login: bytes | None = None
        """The only login in Basic that is let in; None: everybody is."""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                archive.search(self)

            def do_POST(self) -> None:
                archive.store(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/dicom-web"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def search(self, handler: BaseHTTPRequestHandler) -> None:
        self._note(handler)
        if self.login is not None and not self._lets_in(handler):
            self._send(handler, 401)
        elif not self.has_search:
            self._send(handler, 501)
        else:
            self._search(handler)

    def _lets_in(self, handler: BaseHTTPRequestHandler) -> bool:
        return handler.headers["Authorization"] == f"Basic {base64.b64encode(self.login or b'').decode()}"

    def _search(self, handler: BaseHTTPRequestHandler) -> None:
        (wanted,) = parse_qs(urlsplit(handler.path).query)["SOPInstanceUID"]
        uids = [uid for uid in self.stored if uid == wanted or not self.knows_filter]
        found = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids]
        self._send(handler, 200 if found else 204, found or None)

    def store(self, handler: BaseHTTPRequestHandler) -> None:
        self._note(handler)
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        boundary = handler.headers["Content-Type"].rpartition("boundary=")[2].encode()
        if self.answers:
            self._send(handler, *self.answers.pop(0))
            return
        for part in body.split(b"--" + boundary)[1:-1]:
            dataset = dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2][:-2]))
            with self.has_stored:
                self.stored[str(dataset.SOPInstanceUID)] += 1
                self.instances.append(dataset)
                self.has_stored.notify_all()
        assert self.may_answer.wait(60)
        self._send(handler, 200, {})

    def wait_for(self, instances: int) -> None:
        with self.has_stored:
            assert self.has_stored.wait_for(lambda: len(self.stored) >= instances, 60), self.stored

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _note(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.command, handler.path, dict(handler.headers)))

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: object = None) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", self.media_type)
            handler.send_header("Content-Length", str(len(content)))
            for name, value in self.more_headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            handler.close_connection = True  # who asked was killed
