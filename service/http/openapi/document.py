"""The document of the interface: servers, examples and names, so that generators lose no operation.

The examples stand in `examples.json`; a test compares each with its schema.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from schemas.bodies.inference_protocol import InferRequest
from schemas.bodies.jobs import JobRequest
from service.http.authorization import API_KEY
from service.mime.native_model import MEDIA_TYPE as DICOM_XML
from service.mime.native_model import native_model

Json = dict[str, Any]

SERVERS: Final = ({"url": ".", "description": "this service; every address has a second name below v1/"},)
"""Relative to the document, whatever a proxy in front has made of its address."""

_EXAMPLES: Final = Path(__file__).with_name("examples.json")
_BYTES: Final[Mapping[str, str]] = {
    "multipart/form-data": "the bytes of the image",
    "application/octet-stream": "the bytes of a JPEG, PNG or DICOM file",
    "application/dicom": "the bytes of a DICOM file",
    'multipart/related; type="application/dicom"': "parts with the bytes of a DICOM file each",
}
"""What stands for bytes that no text can show."""
_READ_BY_ROUTES: Final = (InferRequest, JobRequest)
"""Records that routes read out of a body by themselves, so that the framework does not know their schemas."""
_REFERENCE: Final = "#/components/schemas/{model}"


def name_of(route: APIRoute) -> str:
    """The id of an operation that states none: the name of its function."""
    return route.name


def complete_document(api: FastAPI) -> None:
    """Let `api` answer with a document that is completed, once it is asked for the first time."""
    plain = api.openapi

    def openapi() -> Json:
        is_made = api.openapi_schema is not None
        document = plain()
        if not is_made:
            _complete(document)
        return document

    api.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _complete(document: Json) -> None:
    examples = json.loads(_EXAMPLES.read_text(encoding="utf-8"))
    examples["texts"][DICOM_XML] = native_model(examples["texts"]["application/dicom+json"]).decode()
    schemas = document["components"]["schemas"]
    for record in _READ_BY_ROUTES:
        schema = record.model_json_schema(ref_template=_REFERENCE)
        schemas |= schema.pop("$defs", {}) | {record.__name__: schema}
    _add_api_key(document)
    bodies = {name: {"value": value} for name, value in examples["bodies"].items() if name in schemas}
    document["components"]["examples"] = bodies
    for media_type, content in _contents(document):
        _exemplify(media_type, content, examples["texts"], bodies)
    for enumeration in _enumerations(document):
        enumeration["x-enum-varnames"] = list(map(_variable, enumeration["enum"]))


def _add_api_key(document: Json) -> None:
    """The second way in which a caller may say who they are, wherever the framework has found the first."""
    scheme = {API_KEY.scheme_name: API_KEY.model.model_dump(mode="json", by_alias=True, exclude_none=True)}
    document["components"]["securitySchemes"] |= scheme
    for operations in document["paths"].values():
        for operation in operations.values():
            if "security" in operation:
                operation["security"].insert(0, {API_KEY.scheme_name: []})


def _contents(document: Json) -> Iterator[tuple[str, Json]]:
    """Every body with its media type."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from holder.get("content", {}).items()


def _exemplify(media_type: str, content: Json, texts: Mapping[str, Any], bodies: Mapping[str, Any]) -> None:
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    if content.keys() & {"example", "examples"}:
        return
    if name in bodies:
        content["examples"] = {name: {"$ref": f"#/components/examples/{name}"}}
    elif media_type in texts:
        text = texts[media_type]
        content["example"] = json.dumps(text) if schema.get("type") == "string" and not isinstance(text, str) else text
    elif media_type == "multipart/form-data":
        parts = schema["properties"].items()
        value = _BYTES[media_type]
        content["example"] = {part: [value] if kind.get("type") == "array" else value for part, kind in parts}
    elif schema.get("format") == "binary":
        content["example"] = _BYTES.get(media_type, f"the bytes of {media_type}")


def _enumerations(node: Any) -> Iterator[Json]:
    """Those of texts that are no names in any language: a generator would make one name of gradcam and gradcam++."""
    if isinstance(node, dict):
        values = node.get("enum")
        if isinstance(values, list) and any(isinstance(value, str) and not value.isidentifier() for value in values):
            yield node
        children: Any = node.values()
    else:
        children = node if isinstance(node, list) else ()
    for child in children:
        yield from _enumerations(child)


def _variable(value: str) -> str:
    return re.sub(r"\W+", "_", value.replace("+", "_plus")).strip("_").upper()
