"""A FHIR server with the semantics of a transaction: all or nothing, conditions, references resolved.

Source: HL7 FHIR 4.0.1, http.html: 3.1.0.8.1 (conditional create), 3.1.0.7.1 (conditional update), 3.1.0.11.2
(transaction processing rules).
"""

import copy
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class RefusedError(Exception):
    def __init__(self, status, code) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def outcome(code, diagnostics="Patient Doe"):
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class FakeFhirServer:
    """The server; `resources` holds what was created, by `Type/id`."""

    def __init__(self) -> None:
        self.resources: dict[str, dict] = {}
        self.transactions = 0
        self.requests: list[dict[str, str]] = []
        self.answers: list[tuple[int, object]] = []
        """Statuses and bodies of the next transactions, before it carries them out again."""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._changed = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.post(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/fhir"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def post(self, handler) -> None:
        self.requests.append({name.lower(): value for name, value in handler.headers.items()} | {"path": handler.path})
        bundle = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if self.answers:
            self._send(handler, *self.answers.pop(0))
            return
        try:
            with self._changed:
                answer = self.carry_out(bundle)
                self.transactions += 1
                self._changed.notify_all()
        except RefusedError as error:
            self._send(handler, error.status, outcome(error.code))
            return
        assert self.may_answer.wait(60)
        self._send(handler, 200, answer)

    def carry_out(self, bundle):
        """Raise, and change nothing; or create what is not there."""
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
            raise RefusedError(400, "structure")
        store = copy.deepcopy(self.resources)
        addresses, outcomes, written = {}, [], []
        for entry in bundle["entry"]:
            request, resource = entry["request"], entry["resource"]
            kind, query = self.condition(request)
            if kind != resource["resourceType"]:
                raise RefusedError(400, "invalid")
            found = self.search(kind, query, self.resources)
            if len(found) > 1:
                raise RefusedError(412, "multiple-matches")
            address = found[0] if found else f"{kind}/{len(store) + 1}"
            if not found or request["method"] == "PUT":
                store[address] = resource
                written.append(address)
            addresses[entry["fullUrl"]] = address
            outcomes.append({"response": {"status": "200 OK" if found else "201 Created", "location": address}})
        for address in written:
            store[address] = self._resolved(store[address], addresses, store)
        self.resources = store
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": outcomes}

    def condition(self, request):
        if request["method"] == "POST" and "ifNoneExist" in request:
            return request["url"], request["ifNoneExist"]
        if request["method"] == "PUT" and "?" in request["url"]:
            return request["url"].split("?")
        raise RefusedError(400, "not-supported")

    def search(self, kind, query, store):
        (wanted,) = parse_qs(query)["identifier"]
        system, _, value = wanted.partition("|")
        return [
            address
            for address, resource in store.items()
            if address.startswith(f"{kind}/") and {"system": system, "value": value} in _names(resource)
        ]

    def _resolved(self, element, addresses, store):
        if isinstance(element, list):
            return [self._resolved(each, addresses, store) for each in element]
        if not isinstance(element, dict):
            return element
        reference = element.get("reference", "")
        if reference.startswith("urn:uuid:"):
            if reference not in addresses:
                raise RefusedError(400, "invalid")
            return {**element, "reference": addresses[reference]}
        if "?" in reference:
            kind, _, query = reference.partition("?")
            found = self.search(kind, query, store)
            if len(found) != 1:
                raise RefusedError(412, "not-found")
            return {**element, "reference": found[0]}
        return {name: self._resolved(value, addresses, store) for name, value in element.items()}

    @property
    def kinds(self) -> Counter[str]:
        return Counter(address.partition("/")[0] for address in self.resources)

    def wait_for(self, transactions: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.transactions >= transactions, 60), self.transactions

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _send(self, handler, status, body) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/fhir+json")
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            handler.close_connection = True  # who asked was killed


def _names(resource):
    return [{"system": each.get("system"), "value": each["value"]} for each in resource.get("identifier", ())]
