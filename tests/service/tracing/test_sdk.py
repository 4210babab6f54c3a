"""The SDK's side: what is sent, and what a collector that is down does: one line, a count, and no wait."""

import socket
import time
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import SettingsError
from service.tracing.metrics import TracingMetrics
from service.tracing.sdk import FLUSH_S, SdkTracing
from service.tracing.span import past, stage
from service.tracing.switch import TracingSettings
from tests.waiting import wait_until


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def tracing(registry):
    return SdkTracing(TracingSettings(on=True), TracingMetrics(registry))


def count(registry, result):
    return registry.get_sample_value("cxr_trace_spans_total", {"result": result})


def given_up(registry, spans):
    return count(registry, "failed") == spans


def test_spans_are_sent_with_their_times_kinds_and_parents_and_the_last_at_the_end(
    collector, tracing, registry
) -> None:
    with tracing.running(), tracing.begin("work", "consumer", {"cxr.attempt": 2}):
        with stage("store film", "producer"):
            pass
        past("queue", time.perf_counter() - 2, 1.5)
    work, store, queue = (collector.named(name)[0] for name in ("work", "store film", "queue"))

    assert (work.kind, store.kind, work.attributes) == (5, 4, {"cxr.attempt": 2})
    assert store.parent_id == queue.parent_id == work.span_id
    assert {span.trace_id for span in collector.spans} == {work.trace_id}
    assert queue.end_ns - queue.start_ns == pytest.approx(1.5e9, abs=1e6)
    assert 1e9 < work.start_ns - queue.start_ns <= 2e9 + 1e7  # less, where this thread had to wait between them
    assert work.resource["service.name"] == "cxr"
    assert (count(registry, "ended"), count(registry, "exported"), count(registry, "failed")) == (3, 3, 0)


def test_the_standard_variables_name_the_service_and_choose_the_sampler(collector, registry, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "chest-north")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    tracing = SdkTracing(TracingSettings(on=True, named=True), TracingMetrics(registry))
    with tracing.running(), tracing.begin("work"):
        pass
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    silent = SdkTracing(TracingSettings(on=True, named=True), TracingMetrics(CollectorRegistry()))
    with silent.running(), silent.begin("not sampled"):
        pass

    assert [span.name for span in collector.spans] == ["work"]
    assert collector.spans[0].resource["service.name"] == "chest-north"
    assert collector.spans[0].resource["deployment.environment.name"] == "test"


def test_a_failure_is_an_error_type_and_no_text(collector, tracing) -> None:
    def fail() -> None:
        msg = "patient DOE^JANE"
        raise ValueError(msg)

    with tracing.running(), pytest.raises(ValueError, match="DOE"), tracing.begin("work"):
        fail()

    assert collector.spans[0].failed
    assert collector.spans[0].attributes == {"error.type": "ValueError"}
    assert b"DOE" not in b"".join(collector.texts)


def test_a_collector_that_is_down_is_one_line_and_a_count_and_holds_up_neither_work_nor_end(
    monkeypatch, tracing, registry, logged, caplog
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
    for name, value in {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.3", "OTEL_BSP_SCHEDULE_DELAY": "10"}.items():
        monkeypatch.setenv(name, value)
    with tracing.running():
        for batch in range(1, 4):
            start = time.perf_counter()
            for _ in range(100):
                with tracing.begin("work"):
                    pass
            assert time.perf_counter() - start < 15
            wait_until(partial(given_up, registry, 100 * batch), "the batch is given up")
        begun = time.perf_counter()
    ended_s = time.perf_counter() - begun

    assert ended_s < FLUSH_S + 15
    assert [event["event"] for event in logged] == ["traces_on", "traces_not_exported"]
    assert caplog.messages == []
    assert (count(registry, "ended"), count(registry, "exported")) == (300, 0)


def test_a_collector_that_hangs_delays_the_end_by_no_more_than_its_bound(collector, tracing, logged) -> None:
    collector.may_answer.clear()
    with tracing.running():
        with tracing.begin("work"):
            pass
        begun = time.perf_counter()

    assert time.perf_counter() - begun < FLUSH_S + 15
    assert [event["event"] for event in logged] == ["traces_on", "traces_lost"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),  # less than a batch has by default
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
    ],
)
def test_batches_that_cannot_be_are_refused_by_the_names_of_their_variables(name, value, tracing, monkeypatch) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=rf"{name}='{value}'.* no larger than the queue .*remove them"):
        tracing.running().__enter__()


def test_credentials_that_nobody_provides_are_refused_by_the_name_of_their_variable(tracing, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "vault")

    with pytest.raises(SettingsError, match=r"TRACES_CREDENTIAL_PROVIDER='vault': .* not found .*remove the variable"):
        tracing.running().__enter__()


@pytest.mark.parametrize("value", ["-1", "many"])
def test_a_limit_of_spans_that_is_no_number_is_refused_by_its_name(value, registry, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", value)

    with pytest.raises(SettingsError, match=rf"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be .* got {value}; correct it"):
        SdkTracing(TracingSettings(on=True), TracingMetrics(registry))
