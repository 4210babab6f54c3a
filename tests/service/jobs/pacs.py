"""A PACS that is searched by QIDO-RS in pages and gives films by WADO-RS, counts what it gives, and can be away."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread

Row = Mapping[str, str]
_TAGS = {"0020000D": "study", "0020000E": "series", "00080018": "instance", "00080016": "class"}
_NAMES = {"StudyInstanceUID": "study", "SOPInstanceUID": "instance"}


class FilmArchive:
    """`rows` are the UIDs of what it holds, `content` gives the file of one."""

    def __init__(self, *films: bytes) -> None:
        files = {row["instance"]: (row, film) for film in films if (row := uids_of(film))}
        self.rows: list[Row] = [row for row, _ in files.values()]
        self.content: Callable[[str], bytes] = lambda uid: files[uid][1]
        self.given: Counter[str] = Counter()
        self.stored = 0
        self.searches: list[str] = []
        self.statuses: list[int] = []
        """Of the next answers, before it answers as it should."""
        self.at_most = 1000
        """Instances of one answer to a search, however many are asked for."""
        self.repeats = False
        """Whether it ignores the offset of a search."""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                archive.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                archive.stored += 1
                archive.send(self, 200, b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        parts = address.path.removeprefix("/dicom-web/").split("/")
        if self.statuses:
            self.send(handler, self.statuses.pop(0), b"")
        elif parts[-1] == "instances":
            self._search(handler, parts, {name: values[0] for name, values in parse_qs(address.query).items()})
        else:
            self._give(handler, parts[-1])

    def _search(self, handler: BaseHTTPRequestHandler, parts: list[str], asked: dict[str, str]) -> None:
        self.searches.append(handler.path)
        wanted = dict(zip(("study", "series"), parts[1:-1:2], strict=False))
        wanted |= {_NAMES[name]: value for name, value in asked.items() if name in _NAMES}
        rows = [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]
        start = 0 if self.repeats else int(asked.get("offset", 0))
        page = rows[start : start + min(self.at_most, int(asked.get("limit", 1000)))]
        found = [{tag: {"vr": "UI", "Value": [row[name]]} for tag, name in _TAGS.items()} for row in page]
        self.send(handler, 200 if found else 204, json.dumps(found).encode() if found else b"")

    def _give(self, handler: BaseHTTPRequestHandler, uid: str) -> None:
        try:
            film = self.content(uid)
        except KeyError:
            self.send(handler, 404, b"")
            return
        self.given[uid] += 1
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + film + b"\r\n--b--\r\n"
        self.send(handler, 200, body, 'multipart/related; type="application/dicom"; boundary=b')

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/dicom+json") -> None:
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # who asked was killed

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def uids_of(film: bytes) -> Row:
    header = dcmread(BytesIO(film), stop_before_pixels=True)
    return {
        "study": str(header.StudyInstanceUID),
        "series": str(header.SeriesInstanceUID),
        "instance": str(header.SOPInstanceUID),
        "class": str(header.SOPClassUID),
    }
