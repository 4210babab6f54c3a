"""A stand-in for the service's HTTP interface: stores films in memory, answers as it is told, and notes commitments."""

import io
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydicom import dcmread


class FakeService:
    """The server; `stored` counts the films that it has."""

    def __init__(self) -> None:
        self.stored: Counter[str] = Counter()
        self.contents: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, object]] = []
        """Statuses and bodies of the next stores, before it stores again."""
        self.refused: set[str] = set()
        self.notes: list[dict] = []
        self.note_status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Semaphore(0)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                uid = self.path.rpartition("/")[2]
                state = "refused" if uid in service.refused else "received"
                body = {"state": state, "analysis": None}
                service.send(self, *((200, body) if service.stored[uid] else (404, {})))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/dicomweb/commitments":
                    service.notes.append(json.loads(body))
                    service.send(self, service.note_status, {"noted": 1})
                else:
                    service.store(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def store(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        self.asked.release()
        assert self.may_answer.wait(60)
        if self.answers:
            self.send(handler, *self.answers.pop(0))
            return
        boundary = handler.headers["Content-Type"].rpartition("boundary=")[2].encode()
        content = body.split(b"--" + boundary)[1].partition(b"\r\n\r\n")[2][:-2]
        film = dcmread(io.BytesIO(content))
        self.stored[str(film.SOPInstanceUID)] += 1
        self.contents.append(content)
        self.send(handler, 200, referenced(str(film.SOPInstanceUID)))

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def referenced(uid: str, reason: int | None = None) -> dict:
    """The answer about a film that is stored, with a warning or without."""
    warning = {} if reason is None else {"00081196": {"vr": "US", "Value": [reason]}}
    return {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} | warning]}}


def failed(reason: int, sequence: str = "00081198") -> dict:
    """The answer about a film that is not."""
    return {sequence: {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}
