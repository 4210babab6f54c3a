"""Films read in this process by the bundle of the models directory: the way of a request, without HTTP around it."""

import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from schemas.api import ExplainResponse, PredictResponse
from service.app import create_app
from service.http.request_options import Terms
from service.logs import lines_for_a_person
from service.models.live import Serving
from service.reading.explain import Question, explain_film
from service.reading.predict import Upload, read_film
from service.services import Service
from service.settings import Settings


class LocalReader:
    """Reads films one after another; the answers are those that the service would give."""

    def __init__(self, service: Service, serving: Serving) -> None:
        self._service = service
        self._serving = serving

    async def predict(self, film: bytes) -> PredictResponse:
        """Read one film.

        Raises:
            CxrError: it is refused, or the network failed on it.
        """
        terms = _terms()
        reading = await read_film(
            self._service, self._serving, Upload(film, None), priority=terms.priority, target=None
        )
        return PredictResponse(
            request_id=terms.request_id,
            model=self._serving.loaded.reference,
            prediction=reading.prediction,
            image=reading.image_facts,
            timings_ms=reading.timings(terms.elapsed_s),
        )

    async def explain(self, film: bytes) -> ExplainResponse:
        """Read one film, with the heat map of its label; see `predict`.

        Raises:
            ExplanationUnavailableError: the bundle has no heat maps.
        """
        terms = _terms()
        question = Question(finding=None, method="gradcam", priority=terms.priority)
        question.check(self._serving.loaded)
        explained = await explain_film(self._service, self._serving, Upload(film, None), question)
        return ExplainResponse(
            request_id=terms.request_id,
            model=self._serving.loaded.reference,
            prediction=explained.reading.prediction,
            image=explained.reading.image_facts,
            timings_ms=explained.reading.timings(terms.elapsed_s),
            explanation=explained.explanation,
        )


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncIterator[LocalReader]:
    """Load the bundle that the settings choose, prove it, and end it afterwards.

    Raises:
        NotReadyError: it is missing, altered or fails its self-test.
        SettingsError: the provider is not there.
    """
    # Two programs must not empty one spool or write one chain of audit records, and nothing here is sent to a PACS.
    alone = {"dicomweb": False, "pacs_url": None, "audit_file": None, "audit_syslog": None}
    app = create_app(settings.model_copy(update=alone))
    async with app.router.lifespan_context(app):
        service: Service = app.state.service
        with service.hold() as serving:
            yield LocalReader(service, serving)


def quiet() -> None:
    """Of what the service logs, a person at a command line needs the warnings, and standard output is for answers."""
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


def _terms() -> Terms:
    return Terms(request_id=uuid.uuid4().hex, priority="routine", arrived=time.perf_counter(), allowed_ms=0)
