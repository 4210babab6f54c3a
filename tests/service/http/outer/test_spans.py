"""The span of a request in this process; with the real server: tests/service/tracing/test_service.py."""

import httpx2
import pytest

from service.app import create_app
from service.tracing.switch import TracingSettings
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.service.tracing.conftest import collector

__all__ = ["collector"]

CALLER = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.fixture
async def asked(tiny_models, collector):
    """Sends requests to an app with traces; the collector has the spans once it has ended."""

    async def send(*requests):
        app = create_app(settings_of(models_dir=tiny_models), tracing=TracingSettings(on=True))
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with app.running(), httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for method, path, more in requests:
                await client.request(method, path, **more)
        return [span for span in collector.spans if span.kind == 2]

    return send


@pytest.mark.anyio
async def test_a_request_is_named_by_its_route_and_shows_no_address(asked) -> None:
    film = {"content": flat_film(60)}
    (first, second, odd) = await asked(
        ("POST", "/predict", film),
        ("GET", "/results/1.2.3?patient=DOE", {}),
        ("BREW", "/DOE^JANE", {"headers": {"Host": "doe.example"}}),
    )

    assert (first.name, first.attributes["http.response.status_code"]) == ("POST /predict", 200)
    assert second.name == "GET /results/{sop_instance_uid}"
    assert second.attributes["url.path"] == "/results/{sop_instance_uid}"
    assert (odd.name, odd.attributes["http.request.method"], "url.path" in odd.attributes) == ("HTTP", "_OTHER", False)
    assert not any("DOE" in str(span) or "doe" in str(span) for span in (first, second, odd))


@pytest.mark.anyio
async def test_probes_have_no_span_and_our_failures_are_errors_where_the_callers_are_none(asked) -> None:
    spans = await asked(
        *(("GET", path, {}) for path in ("/livez", "/readyz", "/metrics")),
        ("POST", "/predict", {"content": b"rubbish"}),
        ("POST", "/admin/drain", {}),
        ("POST", "/predict", {"content": flat_film(60)}),
    )
    failures = {span.attributes["http.response.status_code"]: span.failed for span in spans}

    assert failures[415] is False
    assert {status for status, failed in failures.items() if failed} <= {503}
    assert not any(span.name.startswith("GET") for span in spans)


@pytest.mark.anyio
async def test_a_traceparent_that_is_sent_twice_is_none(asked) -> None:
    once, twice = await asked(
        ("GET", "/models", {"headers": [CALLER]}), ("GET", "/models", {"headers": [CALLER, CALLER]})
    )

    assert (once.trace_id, once.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert twice.trace_id != once.trace_id
    assert twice.parent_id == ""
