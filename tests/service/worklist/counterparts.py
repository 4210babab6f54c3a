"""The others: an archive that gives films by WADO-RS, and a stand-in for the service."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service.dicomweb.multipart import write_parts
from tests.service.dicomweb.archive import FakeArchive
from tests.service.dimse.desk import failed, referenced


class FilmArchive(FakeArchive):
    """An archive that stores results and gives films."""

    def __init__(self) -> None:
        self.films: dict[str, bytes] = {}
        self.retrieved: Counter[str] = Counter()
        self.retrieval_status = 200
        self.odd: list[tuple[str, bytes]] = []
        """Media types and bodies of the next answers to retrievals."""
        super().__init__()

    def search(self, handler: BaseHTTPRequestHandler) -> None:
        uid = handler.path.rpartition("/instances/")[2]
        if "/instances/" not in handler.path or "?" in uid:
            super().search(handler)
            return
        self._note(handler)
        self.retrieved[uid] += 1
        if uid not in self.films or self.retrieval_status != 200:
            self._send(handler, 404 if uid not in self.films else self.retrieval_status)
            return
        body, self.media_type = write_parts((self.films[uid],))
        if self.odd:
            self.media_type, body = self.odd.pop(0)
        self._send(handler, 200, body)
        self.media_type = "application/dicom+json"


class FakeService:
    """Takes films and says of each what a test wants: by default that it was delivered."""

    def __init__(self) -> None:
        self.films: dict[str, bytes] = {}
        self.stored: Counter[str] = Counter()
        self.urgent: set[str] = set()
        self.states: dict[str, dict] = {}
        """What `GET /results/UID` answers in addition."""
        self.refusals: dict[str, int] = {}
        """Reasons for which films are refused, by their UID."""
        self.store_status = 200
        self.silent = False
        self.forgets = False
        self.odd = 0
        """How many of the next questions for a result are answered with 500."""
        self.keys: set[str | None] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.keys.add(self.headers.get("X-API-Key"))
                uid = self.path.rpartition("/")[2]
                if uid.startswith("results"):
                    service.send(self, 200, {"results": []})
                elif service.odd:
                    service.odd -= 1
                    service.send(self, 500, {})
                elif uid in service.films and not service.forgets:
                    service.send(self, 200, service.result(uid))
                else:
                    service.send(self, 404, {})

            def do_POST(self) -> None:
                service.store(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def store(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.store_status != 200:
            self.send(handler, self.store_status, {})
            return
        boundary = handler.headers["Content-Type"].rpartition("boundary=")[2].encode()
        content = body.split(b"--" + boundary)[1].partition(b"\r\n\r\n")[2][:-2]
        uid = self.uid_of(content)
        if reason := self.refusals.get(uid):
            self.send(handler, 409, failed(reason))
            return
        self.stored[uid] += 1
        self.films[uid] = content
        if handler.headers.get("X-Priority") == "stat":
            self.urgent.add(uid)
        self.send(handler, 200, referenced(uid))

    @staticmethod
    def uid_of(content: bytes) -> str:
        from io import BytesIO

        from pydicom import dcmread

        return str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)

    def result(self, uid: str) -> dict:
        objects = [
            {
                "series_instance_uid": f"{uid}.1",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34",
                "sop_instance_uid": f"{uid}.2",
            }
        ]
        default = {"state": "delivered", "problem": None, "next_attempt_at": None, "analysis": {"objects": objects}}
        return default | self.states.get(uid, {})

    def send(self, handler: BaseHTTPRequestHandler, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        if self.silent:
            handler.send_header("X-CXR-Mode", "silent")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
