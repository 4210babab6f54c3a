"""Rules of what is logged for a person, where a failure is told with its traceback."""

import json
import logging
from functools import partial

import pytest
import structlog

from service import logs
from service.commands.local import log_warnings_only

SECRET = "Doe^Jane"


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = root.level
    yield root
    root.handlers[:] = handlers
    root.level = level
    structlog.reset_defaults()


def fail(patient_name):
    """Rich, which is installed for the tests, would show the argument in its traceback."""
    held = len(patient_name)
    return held / 0


@pytest.mark.parametrize(
    "configure",
    [*(partial(logs.configure, name) for name in ("console", "json", "ecs")), log_warnings_only],
)
@pytest.mark.usefixtures("root_logger")
def test_a_traceback_shows_the_failure_and_no_value_of_its_locals(configure, capsys) -> None:
    configure()
    try:
        fail(SECRET)
    except ZeroDivisionError:
        structlog.get_logger("test").exception("request_failed")
    told = capsys.readouterr().err

    assert "request_failed" in told
    assert "ZeroDivisionError" in told
    assert SECRET not in told


@pytest.mark.usefixtures("root_logger")
def test_an_event_has_the_field_names_of_the_elastic_common_schema_where_they_are_asked_for(capsys) -> None:
    logs.configure("ecs")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("service.http").info(
            "request_finished", route="/predict", method="POST", status=200, duration_ms=1.5, films=2
        )
    logging.getLogger("uvicorn").info("started")
    event, of_a_library = map(json.loads, capsys.readouterr().err.splitlines())

    assert event.pop("@timestamp").endswith("Z")
    assert event.pop("service.version")
    assert event == {
        "message": "request_finished",
        "log.level": "info",
        "log.logger": "service.http",
        "http.request.id": "r-1",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "event.duration": 1_500_000,
        "cxr": {"films": 2},
        "ecs.version": "8.11.0",
        "service.name": "cxr",
    }
    assert (of_a_library["message"], of_a_library["log.logger"]) == ("started", "uvicorn")
