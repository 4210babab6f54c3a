"""Logging: structured events with the request's id; no body, no file name, no patient data is ever a field."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal

import structlog
from structlog.typing import EventDict, Processor

from schemas.version import VERSION
from service.tracing.span import add_ids

_ECS: Final[Mapping[str, str]] = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "logger": "log.logger",
    "event": "message",
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "route": "url.path",
    "code": "error.code",
    "error": "error.type",
    "exception": "error.stack_trace",
}


def configure(log_format: Literal["auto", "json", "console", "ecs"]) -> None:
    """Send our events and the standard library's (uvicorn's) through one pipeline to standard error."""
    for_a_person = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = (
        [lines_for_a_person()]
        if for_a_person
        else [
            structlog.processors.format_exc_info,
            *([as_ecs] if log_format == "ecs" else []),
            structlog.processors.JSONRenderer(),
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # At INFO, libraries write UIDs of films (highdicom) and addresses with those of studies (httpx2).
    root.setLevel(logging.WARNING)
    for ours in ("service", "uvicorn"):
        logging.getLogger(ours).setLevel(logging.INFO)


def as_ecs(_logger: Any, _method: str, event: EventDict) -> Mapping[str, Any]:
    """An event under the field names of the Elastic Common Schema; what that has no name for stands below `cxr`.

    Source: ECS 8.11, https://www.elastic.co/guide/en/ecs/8.11/.
    """
    named = {_ECS[name]: value for name, value in event.items() if name in _ECS}
    if "duration_ms" in event:
        named["event.duration"] = round(event["duration_ms"] * 1e6)  # in nanoseconds
    own = {name: value for name, value in event.items() if name not in _ECS and name != "duration_ms"}
    own = {"cxr": own} if own else {}
    return {**named, **own, "ecs.version": "8.11.0", "service.name": "cxr", "service.version": VERSION}


def lines_for_a_person() -> structlog.dev.ConsoleRenderer:
    """Of events on a terminal. structlog's default prints local variables where `rich` is installed: films, names."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
