"""Rules of tokens whose claims are of other kinds than the standards say."""

import base64
import json

import pytest

from tests.service.conftest import flat_film
from tests.service.security.test_authentication import Provider, bearer, predict

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(tmp_path):
    return Provider(tmp_path / "jwks.json")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": None}, 403),
        ({"scope": None, "scp": ["predict"]}, 200),
        ({"scope": ["predict", 5, None]}, 200),
        ({"scope": []}, 403),
        ({"scope": 5}, 401),
        ({"scope": True}, 401),
        ({"scope": 0}, 401),
        ({"scope": {"predict": 1}}, 401),
        ({"scope": None, "scp": 1.5}, 401),
        ({"sub": "worklist\ud800"}, 401),
        ({"sub": "work\nlist"}, 401),
        ({"sub": ""}, 401),
        ({"sub": "x" * 256}, 401),
        ({"sub": "r\u00f6ntgen"}, 200),
        ({"exp": 1e999}, 401),
    ],
)
async def test_a_claim_of_another_kind_is_never_a_failure_of_the_service(serve, provider, claims, status) -> None:
    async with serve(**provider.settings) as client:
        answer = await predict(client, **bearer(provider.token(**claims)))

    assert answer.status_code == status


async def test_a_token_whose_header_is_nested_without_end_is_refused(serve, provider) -> None:
    header = base64.urlsafe_b64encode(b'{"a":' + b"[" * 30_000).decode().rstrip("=")
    async with serve(**provider.settings) as client:
        answer = await predict(client, **bearer(f"{header}.e30.e30"))

    assert answer.status_code == 401


async def test_what_no_file_can_hold_loses_neither_its_line_nor_the_others_of_its_batch(serve, log) -> None:
    async with serve(audit_file=log) as client:
        client.services.audit.record_without_waiting("refusal", caller="token:\ud800", outcome="forbidden")
        await client.post("/predict", content=flat_film(200))

    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["started", "refusal", "film", "stopped"]
    assert events[1]["caller"] == "token:\\ud800"
