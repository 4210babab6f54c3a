"""Films read in this process by the bundle of the models directory: the way of a request, without HTTP around it."""

import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from schemas.api import ExplainResponse, PredictResponse
from service.app import create_services, running
from service.logs import lines_for_a_person
from service.models.live import LiveBundle
from service.reading.explain import Question, explain_film
from service.reading.predict import Upload, read_film
from service.services import Services
from service.settings import Settings


class LocalReader:
    """Reads films one after another; the answers are those that the service would give."""

    def __init__(self, services: Services, live: LiveBundle) -> None:
        self._services = services
        self._live = live

    async def predict(self, film: bytes) -> PredictResponse:
        """Read one film.

        Raises:
            CxrError: it is refused, or the network failed on it.
        """
        start = time.perf_counter()
        reading = await read_film(self._services, self._live, Upload(film, None), priority="routine")
        return PredictResponse(
            request_id=uuid.uuid4().hex,
            model=self._live.loaded.reference,
            prediction=reading.prediction,
            image=reading.image_facts,
            timings_ms=reading.timings(time.perf_counter() - start),
        )

    async def explain(self, film: bytes) -> ExplainResponse:
        """Read one film, with the heat map of its label; see `predict`.

        Raises:
            ExplanationUnavailableError: the bundle has no heat maps.
        """
        start = time.perf_counter()
        question = Question(finding=None, method="gradcam", priority="routine")
        question.check(self._live.loaded)
        explained = await explain_film(self._services, self._live, Upload(film, None), question)
        return ExplainResponse(
            request_id=uuid.uuid4().hex,
            model=self._live.loaded.reference,
            prediction=explained.reading.prediction,
            image=explained.reading.image_facts,
            timings_ms=explained.reading.timings(time.perf_counter() - start),
            explanation=explained.explanation,
        )


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncIterator[LocalReader]:
    """Load the bundle that the settings choose, prove it, and end it afterwards.

    Raises:
        NotReadyError: it is missing, altered or fails its self-test.
        SettingsError: the provider is not there.
    """
    # Two programs must not write one chain of audit records. The spool is the app's, and is not opened here.
    audit = settings.audit.model_copy(update={"file": None, "syslog": None})
    services = create_services(settings.model_copy(update={"audit": audit}))
    async with running(services):
        with services.hold() as live:
            yield LocalReader(services, live)


def log_warnings_only() -> None:
    """Log warnings alone, and to standard error: standard output is for answers."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lines_for_a_person(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
