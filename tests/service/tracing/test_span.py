"""Without a span everything does nothing, and costs next to nothing."""

import asyncio
import subprocess
import sys
import time

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import InferenceError
from service.tracing.metrics import TracingMetrics
from service.tracing.sdk import SdkTracing
from service.tracing.span import OFF, add_ids, carrier, current, error_type_of, exemplar, note_failure, past, stage
from service.tracing.switch import TracingSettings


@pytest.fixture
def tracing():
    return SdkTracing(TracingSettings(on=True), TracingMetrics(CollectorRegistry()))


def test_without_a_trace_nothing_is_carried_shown_or_logged() -> None:
    with OFF.begin("request"), stage("decode") as span:
        past("queue", time.perf_counter(), 0.1)
        note_failure(ValueError())

        assert span is None
        assert current() is None
    assert (carrier(), exemplar(), add_ids(None, "info", {"event": "a"})) == ({}, None, {"event": "a"})


@pytest.mark.process
def test_while_traces_are_off_nothing_that_makes_or_sends_them_is_loaded() -> None:
    program = (
        "import sys; from service import serve; from service.app import create_app; from service.settings import "
        "Settings; create_app(Settings()); print([name for name in sys.modules if name.startswith(PARTS)])"
    )
    # FastAPI imports the interface, opentelemetry-api, by itself: it makes no spans.
    parts = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
    program = program.replace("PARTS", repr((*parts, "service.tracing.sdk")))
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_a_stage_that_is_off_costs_less_than_five_microseconds() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(1000):
            with stage("decode"):
                pass
        return (time.perf_counter() - start) / 1000

    assert min(seconds() for _ in range(20)) < 5e-6


def test_a_span_is_current_inside_its_block_and_in_the_tasks_that_begin_there(tracing) -> None:
    async def ids():
        return exemplar()

    async def asked():
        with tracing.begin("request"), stage("decode"):
            return exemplar(), await asyncio.create_task(ids()), await asyncio.to_thread(exemplar)

    own, of_task, of_thread = asyncio.run(asked())

    assert own == of_task == of_thread
    assert own.keys() == {"trace_id", "span_id"}
    assert sum(map(len, own)) + sum(map(len, own.values())) <= 128  # of an exemplar (OpenMetrics 1.0)
    assert current() is None


def test_what_is_carried_continues_the_callers_trace_with_its_state(tracing) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracing.begin("request", carried={"traceparent": traceparent, "tracestate": "vendor=1"}):
        carried = carrier()

    assert carried["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert carried["traceparent"].endswith("-01")
    assert "b7ad6b7169203331" not in carried["traceparent"]
    assert carried["tracestate"] == "vendor=1"


def test_a_caller_who_does_not_sample_is_followed_and_the_trace_still_passed_on(tracing) -> None:
    carried = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
    with tracing.begin("request", carried=carried), stage("decode") as span:
        passed_on = carrier()["traceparent"]

        assert span is None
        assert exemplar() is None
        assert add_ids(None, "info", {}) == {}
    assert passed_on.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert passed_on.endswith("-00")


@pytest.mark.parametrize(
    "traceparent", ["", "00-zz", "00-" + 32 * "0" + "-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c"]
)
def test_a_header_that_is_no_traceparent_begins_a_trace_of_its_own(tracing, traceparent) -> None:
    with tracing.begin("request", carried={"traceparent": traceparent}):
        assert "0af7651916cd43dd8448eb211c80319c" not in carrier()["traceparent"]


def test_a_tracestate_that_is_longer_than_must_be_passed_on_is_left_out(tracing) -> None:
    carried = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with tracing.begin("request", carried=carried | {"tracestate": f"a={'x' * 250},b={'y' * 250},c={'z' * 250}"}):
        assert "tracestate" not in carrier()


def test_an_error_is_named_by_its_code_or_class_and_never_by_its_text() -> None:
    assert error_type_of(InferenceError("patient DOE^JANE")) == InferenceError.code
    assert error_type_of(ValueError("patient DOE^JANE")) == "ValueError"
