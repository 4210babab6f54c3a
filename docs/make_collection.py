"""Prints the collection of requests for Postman and Bruno from the OpenAPI document; `make reference` writes it."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import cv2

from imaging.phantom import phantom
from schemas.model.manifest import CURRENT
from service.app import create_app
from service.settings import Settings

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
"""The name by which a program recognises the format; nothing is fetched from there."""

FORM: Final = "multipart/form-data"
JSON: Final = "application/json"
DICOM: Final = "application/dicom"
CSV: Final = "text/csv"
_PNG: Final = base64.b64encode(cv2.imencode(".png", phantom(40, 32, seed=0))[1].tobytes()).decode()
_INFERENCE: Final = {"inputs": [{"name": "film", "datatype": "BYTES", "shape": [1], "data": [_PNG]}]}
EXAMPLES: Final[Mapping[str, object]] = {
    "/results/{sop_instance_uid}/verdict": {"verdict": "accept"},
    "/results/{sop_instance_uid}/withdraw": {"reason": "quality"},
    "/models/challenger/promote": {"by": "rule"},
    "/v2/models/{name}/infer": _INFERENCE,
    "/v2/models/{name}/versions/{version}/infer": _INFERENCE,
    "/jobs": {"query": {"StudyDate": "20250101-20251231", "Modality": "CR"}},
    "/monitoring/resume": {"reason": "what was found and done"},
}
"""By path, a body in JSON."""

_NAME, _VERSION = (Settings().models.bundles_dir / CURRENT).read_text(encoding="utf-8").strip().split("/")
VARIABLES: Final[Mapping[str, str]] = {
    "base_url": "http://127.0.0.1:8000",
    "api_key": "",
    "name": _NAME,
    "version": _VERSION,
    "sop_instance_uid": "1.2.3",
    "job": "0f8fad5bd9cb469fa16570867728950e",
    "report": "site-a",
    "picture": "limits.svg",
}
"""What a user sets once; the others than the first two are the parameters of paths."""

_OF_ROUTERS: Final = "/dicomweb"
"""Sent by a router: DICOM instances as multipart/related, which neither program can make, and answers of an archive."""

Json = dict[str, Any]


def collection() -> str:
    """The collection in Postman's format 2.1, which Bruno imports."""
    document = create_app(Settings()).api.openapi()
    folders: dict[str, list[Json]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith(_OF_ROUTERS):
                folders.setdefault(operation["tags"][0], []).extend(_requests(method.upper(), path, operation))
    content = {
        "info": {"name": document["info"]["title"], "description": document["info"]["description"], "schema": SCHEMA},
        "auth": {
            "type": "apikey",
            "apikey": [
                {"key": "key", "value": "X-API-Key", "type": "string"},
                {"key": "value", "value": "{{api_key}}", "type": "string"},
                {"key": "in", "value": "header", "type": "string"},
            ],
        },
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": [{"name": tag, "item": requests} for tag, requests in folders.items()],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _requests(method: str, path: str, operation: Json) -> Iterator[Json]:
    """One request for each kind of answer, and one more that sends a DICOM film as the body itself."""
    success = next(response for status, response in operation["responses"].items() if status.startswith("2"))
    answers = sorted(success.get("content", {JSON: {}}), key=lambda kind: kind != JSON)
    bodies = operation.get("requestBody", {"content": {}})["content"]
    form = _form(bodies[FORM]["schema"]) if FORM in bodies else None
    if form is None and bodies:
        yield _request(operation["summary"], method, path, operation, *_body(path, bodies))
        return
    for answer in answers:
        name = operation["summary"] if answer == answers[0] else f"{operation['summary']}, as {answer}"
        yield _request(name, method, path, operation, {"Accept": answer}, form)
    if form is not None and len(form["formdata"]) == 1:
        body = {"mode": "file", "file": {"src": "film.dcm"}}
        headers = {"Accept": answers[0], "Content-Type": DICOM}
        yield _request(f"{operation['summary']}, a DICOM file", method, path, operation, headers, body)


def _request(  # noqa: PLR0913, PLR0917 the parts of a request
    name: str, method: str, path: str, operation: Json, headers: Mapping[str, str], body: Json | None
) -> Json:
    parts = re.sub(r"\{(\w+)\}", r"{{\1}}", path).strip("/").split("/")
    query = [
        {"key": parameter["name"], "value": _example(parameter), "disabled": True}
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    url = {"raw": "{{base_url}}/" + "/".join(parts), "host": ["{{base_url}}"], "path": parts, "query": query}
    request: Json = {
        "method": method,
        "header": [{"key": key, "value": value} for key, value in headers.items()],
        "url": url,
        "description": operation.get("description", operation["summary"]),
    }
    if body is not None:
        request["body"] = body
    return {"name": name, "request": request}


def _body(path: str, bodies: Json) -> tuple[Json, Json]:
    """Headers and body of a request that is JSON, or else a table in a file."""
    if JSON in bodies:
        return {"Content-Type": JSON}, {"mode": "raw", "raw": json.dumps(EXAMPLES[path])}
    return {"Content-Type": CSV}, {"mode": "file", "file": {"src": "verdicts.csv"}}


def _form(schema: Json) -> Json:
    """A form with one film for a part, two where a part is repeated."""
    fields = [
        {"key": part, "type": "file", "src": src}
        for part, kind in schema["properties"].items()
        for src in (("film.jpeg", "film.dcm") if kind.get("type") == "array" else ("film.jpeg",))
    ]
    return {"mode": "formdata", "formdata": fields}


def _example(parameter: Json) -> str:
    schema = parameter["schema"]
    return str(schema.get("default", (schema.get("enum") or [""])[0]))


if __name__ == "__main__":
    print(collection())
