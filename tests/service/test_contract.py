"""Whatever is sent to any address: the answer stands in /openapi.json, as it stands there."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from tests.service.chosen import settings_of
from tests.service.dicomweb.films import film, stow
from tests.service.server import Server

CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
RETRIED = {503, 504}
"""The answers of 500 and above that are no defect: overloaded, draining, or past the caller's own deadline."""


@pytest.fixture(scope="module")
def server(tiny_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    running = Server(
        tiny_models,
        dicomweb="true",
        spool_url=f"sqlite:///{folder}/spool/spool.db",
        audit_file=folder / "audit.jsonl",
        audit_sync="false",
    )
    running.client.post("/dicomweb/studies", **stow(film("film")))
    yield running
    running.end()


@schemathesis.serializer(
    "application/dicom",
    'multipart/related; type="application/dicom"',
    "text/csv",
    "application/fhir+json",
    "application/hl7-v2",
    "x-application/hl7-v2+er7",
    "application/zip",
    "application/x-tar",
    "application/x-zip-compressed",
)
def as_it_is(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(create_app(settings_of(dicomweb=True)).api.openapi()).exclude(
    path="/admin/drain"  # it ends the service for all tests after it
)


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented_and_none_is_a_defect(case, server) -> None:
    response = case.call(base_url=str(server.client.base_url))

    assert response.status_code < 500 or response.status_code in RETRIED, response.text
    case.validate_response(response, checks=CONFORMANCE)
