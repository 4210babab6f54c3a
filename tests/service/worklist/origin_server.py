"""A small but strict origin server of workitems: PS3.18 11 over HTTP and WebSocket, the states of PS3.4 CC.1.1.

It refuses what a server may refuse: attributes of another VR than the dictionary's, attributes that a performer may not
set, final states without what table CC.2.5-3 demands, and every Transaction UID that is not that of the claim.
"""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from pydicom.datadict import dictionary_VR, tag_for_keyword

DICOM_JSON = "application/dicom+json"
UPS = "1.2.840.10008.5.1.4.34.6.1"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

NOT_SETTABLE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "ProcedureStepState",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AdmissionID",
    "ReferencedRequestSequence",
)
"""Table CC.2.5-3, "Not allowed" in the column of N-SET."""
OF_COMPLETED = (
    "PerformedStationNameCodeSequence",
    "PerformedProcedureStepStartDateTime",
    "PerformedWorkitemCodeSequence",
    "PerformedProcedureStepEndDateTime",
)
"""Table CC.2.5-3, final state P, in an item of UnifiedProcedureStepPerformedProcedureSequence."""
OF_CANCELED = ("ProcedureStepCancellationDateTime", "ProcedureStepDiscontinuationReasonCodeSequence")
"""Table CC.2.5-3, final state X, in an item of ProcedureStepProgressInformationSequence."""

WRONG_UID = "The Transaction UID is incorrect."
NO_UID = "The Transaction UID is missing."
INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."


def tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def value(dataset: dict, keyword: str):
    """The first value of an attribute; None where it has none."""
    return next(iter(values(dataset, keyword)), None)


def values(dataset: dict, keyword: str) -> list:
    return (dataset.get(tag(keyword)) or {}).get("Value") or []


def faults_of(dataset: object) -> list[str]:
    """What is wrong with a data set as JSON. Source: PS3.18 F.2."""
    if not isinstance(dataset, dict):
        return ["not an object"]
    faults = []
    for name, element in dataset.items():
        if len(name) != 8 or name != name.upper() or not set(element) <= {"vr", "Value"}:
            faults.append(f"{name}: malformed")
            continue
        vr = dictionary_VR(int(name, 16))
        if element["vr"] != vr or element.get("Value") == []:
            faults.append(f"{name}: {element['vr']} instead of {vr}, or an empty list")
        for each in element.get("Value", ()):
            kinds = {"SQ": dict, "DS": float, "US": int}
            if not isinstance(each, kinds.get(vr, str)):
                faults.append(f"{name}: {type(each).__name__}")
            elif vr == "SQ":
                faults += faults_of(each)
            elif vr in ("SH", "CS") and len(str(each)) > 16:
                faults.append(f"{name}: too long")
    return faults


class Workitem:
    """One, with all that happened to it."""

    def __init__(self, dataset: dict) -> None:
        self.dataset = dataset
        self.transaction_uid: str | None = None
        self.states = ["SCHEDULED"]
        self.claims = 0
        """Requests to claim it, those included that were refused."""
        self.progress: list[float] = []

    @property
    def state(self) -> str:
        return self.states[-1]

    def shown(self) -> dict:
        state = {tag("ProcedureStepState"): {"vr": "CS", "Value": [self.state]}}
        return {name: each for name, each in self.dataset.items() if name != tag("TransactionUID")} | state


class OriginServer:
    """The server."""

    def __init__(self) -> None:
        self.items: dict[str, Workitem] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[str] = []
        """What user agents did wrong."""
        self.lost: Counter[str] = Counter()
        """How many answers to requests of a kind are not sent: `claim`, `update`, `COMPLETED`, `CANCELED`."""
        self.odd: dict[str, int] = {}
        """Statuses of the next answer to requests of a kind, which are done all the same."""
        self.unavailable = 0
        """How many of the next requests are answered with 503."""
        self.knows_filters = True
        self.has_events = True
        self.events_address: str | None = None
        """Where user agents are sent for events; None: here."""
        self.refuses_final_states = False
        self.channels: dict[str, list[socket.socket]] = {}
        self.subscribed: set[tuple[str, str]] = set()
        self.pongs: list[bytes] = []
        self.lock = threading.RLock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                server.answer(self)

            def do_PUT(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/ups"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        for channel in [each for channels in self.channels.values() for each in channels]:
            channel.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        address = urlsplit(handler.path)
        parts = [unquote(part) for part in address.path.split("/")[2:]]
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        if parts[0] == "ws":
            self._open_channel(handler, parts[-1])
            return
        with self.lock:
            self.requests.append((handler.command, handler.path))
            if self.unavailable:
                self.unavailable -= 1
                kind, status, headers, answer = "", 503, {}, None
            else:
                kind, status, headers, answer = self._route(handler, parts, query, body)
            status = self.odd.pop(kind, status)
            lost = self.lost[kind] > 0
            self.lost[kind] -= lost
        if lost:
            handler.close_connection = True
            handler.connection.close()
            return
        content = b"" if answer is None else json.dumps(answer).encode()
        try:
            handler.send_response(status)
            for name, text in ({"Content-Type": DICOM_JSON} | headers).items():
                handler.send_header(name, text)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            handler.close_connection = True  # who asked was killed

    def _route(self, handler, parts, query, body):  # noqa: PLR0911 a table of requests
        if handler.command == "GET" and DICOM_JSON not in handler.headers.get("Accept", ""):
            return self._fault("no Accept of DICOM JSON")
        if parts == ["workitems"]:
            return ("search", *self._search(query))
        item = self.items.get(parts[1])
        if item is None:
            return "", 404, {}, None
        if handler.command == "GET":
            return "retrieve", 200, {}, [item.shown()]
        if "subscribers" in parts:
            return ("subscribe", *self._subscribe(parts[1], parts[3]))
        dataset = json.loads(body) if body else {}
        if handler.headers.get("Content-Type") != DICOM_JSON or faults_of(dataset):
            return self._fault(f"{handler.path}: {faults_of(dataset) or handler.headers.get('Content-Type')}")
        if parts[2:3] == ["state"]:
            return self._change(item, dataset)
        return ("update", *self._update(item, dataset, query))

    def _fault(self, text: str):
        self.faults.append(text)
        return "", 400, {}, None

    @staticmethod
    def _refuse(status: int, reason: str):
        return status, {"Warning": f"299 ups: {reason}"}, None

    def _search(self, query: dict):
        wanted = {name: text for name, text in query.items() if name not in ("limit", "includefield")}
        if not self.knows_filters:
            wanted = {"ProcedureStepState": wanted["ProcedureStepState"]}

        def matches(shown: dict, keyword: str, text: str) -> bool:
            name, _, inner = keyword.partition(".")
            if inner:
                return any(value(each, inner) == text for each in values(shown, name))
            return value(shown, name) == text

        found = [item.shown() for item in self.items.values()]
        found = [shown for shown in found if all(matches(shown, *pair) for pair in wanted.items())]
        return (200, {}, found[: int(query["limit"])]) if found else (204, {}, None)

    def _update(self, item: Workitem, dataset: dict, query: dict):
        if item.state in ("COMPLETED", "CANCELED"):
            return self._refuse(400, INCONSISTENT)
        transaction_uid = query.get("transaction-uid")
        if item.state != "IN PROGRESS" or transaction_uid != item.transaction_uid:
            return self._refuse(409, WRONG_UID)
        if value(dataset, "TransactionUID") != item.transaction_uid:
            return self._refuse(400, NO_UID)
        if not_settable := [keyword for keyword in NOT_SETTABLE if tag(keyword) in dataset]:
            self.faults.append(f"sets {not_settable}")
            return self._refuse(400, INCONSISTENT)
        item.dataset |= dataset
        for each in values(dataset, "ProcedureStepProgressInformationSequence"):
            item.progress.append(value(each, "ProcedureStepProgress"))
        return 200, {}, None

    def _change(self, item: Workitem, dataset: dict):  # noqa: PLR0911 a table of states
        """Table CC.1.1-2."""
        state = value(dataset, "ProcedureStepState")
        transaction_uid = value(dataset, "TransactionUID")
        if not transaction_uid:
            return "", *self._refuse(400, NO_UID)
        if state == "IN PROGRESS":
            item.claims += 1
            if item.state != "SCHEDULED":
                mine = transaction_uid == item.transaction_uid
                return "claim", *self._refuse(409 if mine else 400, INCONSISTENT if mine else WRONG_UID)
            item.transaction_uid = transaction_uid
            item.states.append(state)
            return "claim", 200, {}, None
        if state not in ("COMPLETED", "CANCELED") or item.state == "SCHEDULED":
            return "", *self._refuse(409, INCONSISTENT)
        if transaction_uid != item.transaction_uid:
            return "", *self._refuse(400, WRONG_UID)
        if item.state == state:
            return state, 200, {"Warning": f"299 ups: The UPS is already in the requested state of {state}."}, None
        if item.state != "IN PROGRESS" or self.refuses_final_states:
            return "", *self._refuse(409, INCONSISTENT)
        if missing := self.missing(item, state):
            self.faults.append(f"{state} without {missing}")
            return "", *self._refuse(409, INCONSISTENT)
        item.states.append(state)
        return state, 200, {}, None

    @staticmethod
    def missing(item: Workitem, state: str) -> list[str]:
        """The attributes that the final state demands and that have no value. Source: PS3.4 table CC.2.5-1."""
        if state == "CANCELED":
            (progress,) = values(item.dataset, "ProcedureStepProgressInformationSequence") or [{}]
            return [keyword for keyword in OF_CANCELED if value(progress, keyword) is None]
        (performed,) = values(item.dataset, "UnifiedProcedureStepPerformedProcedureSequence") or [{}]
        missing = [keyword for keyword in OF_COMPLETED if value(performed, keyword) is None]
        # "If there are no relevant output objects, then this sequence may have no items."
        return missing + [name for name in ("OutputInformationSequence",) if tag(name) not in performed]

    def _subscribe(self, uid: str, title: str):
        if not self.has_events:
            return 403, {}, None
        self.subscribed.add((uid, title))
        address = self.events_address or f"ws{self.url.removeprefix('http')}/ws/subscribers/{title}"
        return 201, {"Content-Location": address}, None

    def _open_channel(self, handler: BaseHTTPRequestHandler, title: str) -> None:
        key = handler.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode()
        head = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        handler.connection.sendall("\r\n".join((*head, f"Sec-WebSocket-Accept: {accept}", "", "")).encode())
        with self.lock:
            self.channels.setdefault(title, []).append(handler.connection)
        handler.close_connection = True
        while handler.connection.fileno() >= 0 and (received := handler.rfile.read(2)):
            rest = handler.rfile.read(4 + (received[1] & 0x7F))  # masked, as every frame of a client
            if received[0] == 0x8A:
                self.pongs.append(bytes(byte ^ rest[at % 4] for at, byte in enumerate(rest[4:])))

    def request_cancellation(self, uid: str) -> None:
        """As 11.8: of a workitem in progress its performer is told, by WebSocket."""
        assert self.items[uid].state == "IN PROGRESS"
        report = {
            "00000002": {"vr": "UI", "Value": [UPS]},
            "00001000": {"vr": "UI", "Value": [uid]},
            "00001002": {"vr": "US", "Value": [2]},
        }
        titles = {title for item, title in self.subscribed if item == uid}
        for channel in [each for title in titles for each in self.channels.get(title, ())]:
            channel.sendall(frame(0x9, b"still there?") + frame(0x1, json.dumps(report).encode()))

    def schedule(self, uid: str, films: list[tuple[str, str, str, str]], **attributes: str) -> None:
        """Create a workitem: films as SOP class, study, series and instance."""
        inputs = [
            {
                tag("TypeOfInstances"): {"vr": "CS", "Value": ["DICOM"]},
                tag("StudyInstanceUID"): {"vr": "UI", "Value": [study]},
                tag("SeriesInstanceUID"): {"vr": "UI", "Value": [series]},
                tag("ReferencedSOPSequence"): {
                    "vr": "SQ",
                    "Value": [
                        {
                            tag("ReferencedSOPClassUID"): {"vr": "UI", "Value": [sop_class]},
                            tag("ReferencedSOPInstanceUID"): {"vr": "UI", "Value": [instance]},
                        }
                    ],
                },
            }
            for sop_class, study, series, instance in films
        ]
        texts = {
            "SOPClassUID": UPS,
            "SOPInstanceUID": uid,
            "ScheduledProcedureStepPriority": "MEDIUM",
            "InputReadinessState": "READY",
            "WorklistLabel": "AI",
            "ProcedureStepLabel": "Chest X-ray",
            "ScheduledProcedureStepStartDateTime": "20261129120000",
        } | attributes
        dataset: dict[str, dict] = {
            tag(name): {"vr": dictionary_VR(tag_for_keyword(name)), "Value": [text]} for name, text in texts.items()
        }
        dataset[tag("InputInformationSequence")] = {"vr": "SQ", "Value": inputs}
        dataset[tag("ScheduledStationNameCodeSequence")] = {"vr": "SQ", "Value": [coded("CXR", "99SITE")]}
        dataset[tag("ScheduledWorkitemCodeSequence")] = {"vr": "SQ", "Value": [coded("110005", "DCM")]}
        with self.lock:
            self.items[uid] = Workitem(dataset)


def coded(code: str, scheme: str) -> dict:
    return {
        tag("CodeValue"): {"vr": "SH", "Value": [code]},
        tag("CodingSchemeDesignator"): {"vr": "SH", "Value": [scheme]},
        tag("CodeMeaning"): {"vr": "LO", "Value": [code]},
    }


def frame(opcode: int, payload: bytes) -> bytes:
    """An unmasked frame of a server, in two fragments where it is a text."""
    if opcode == 0x1:
        half = len(payload) // 2
        return _frame(0x1, payload[:half]) + _frame(0x80, payload[half:])
    return _frame(0x80 | opcode, payload)


def _frame(first: int, payload: bytes) -> bytes:
    length = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload))
    return bytes((first,)) + length + payload
