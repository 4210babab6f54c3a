"""Rules of what is logged for a person, where a failure is told with its traceback."""

import logging

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
    "configure", [lambda: logs.configure("console"), lambda: logs.configure("json"), log_warnings_only]
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
