"""Films read in this process by the bundles of the models directory: the way of a request, without HTTP around it."""

import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from imaging.overlay import lay_over
from imaging.radiograph import NOTHING_STATED, HeaderFacts
from schemas.api import ExplainResponse, PredictResponse
from service.construction import create_services, running
from service.films.look import Upload
from service.logs import lines_for_a_person
from service.models.live import ServingBundles
from service.models.loading import LoadedBundle
from service.reading.explain import Question, explain_film
from service.reading.predict import Reading, read_film
from service.reading.routing import check_word
from service.services import Services
from service.settings import Settings


class LocalReader:
    """Reads films one after another; the answers are those that the service would give."""

    def __init__(
        self, services: Services, bundles: ServingBundles, population: str | None, stated: HeaderFacts = NOTHING_STATED
    ) -> None:
        self._services = services
        self._bundles = bundles
        self._population = population
        self._stated = stated

    async def predict(self, film: bytes) -> PredictResponse:
        """Read one film.

        Raises:
            CxrError: it is refused, or the network failed on it.
        """
        start = time.perf_counter()
        reading = await self.read(film)
        return reading.response(uuid.uuid4().hex, time.perf_counter() - start)

    async def read(self, film: bytes) -> Reading:
        """Read one film, with what the network says of it; see `predict`."""
        return await read_film(self._services, self._bundles, self._upload(film), priority="routine")

    @property
    def bundles(self) -> tuple[LoadedBundle, ...]:
        """Those that serve, in the order of preference."""
        return tuple(live.loaded for live in self._services.deployments.live)

    async def explain(self, film: bytes) -> ExplainResponse:
        """Read one film, with the heat map of its label; see `predict`.

        Raises:
            ExplanationUnavailableError: the bundle has no heat maps.
        """
        start = time.perf_counter()
        question = Question(finding=None, method="gradcam", priority="routine")
        question.check(self._bundles)
        explained = await explain_film(self._services, self._bundles, self._upload(film), question, lay_over)
        return explained.response(uuid.uuid4().hex, time.perf_counter() - start)

    def _upload(self, film: bytes) -> Upload:
        return Upload(film, None, self._population, self._stated)


@asynccontextmanager
async def open_reader(
    settings: Settings, population: str | None = None, stated: HeaderFacts = NOTHING_STATED
) -> AsyncIterator[LocalReader]:
    """Load the bundles that the settings choose, prove them, and end them afterwards.

    Args:
        settings: as of a service.
        population: whose films these are, where neither the file nor a bundle can tell; None: not stated.
        stated: of these films, where their own headers are silent.

    Raises:
        InvalidParameterError: no bundle answers this population.
        NotReadyError: no bundle serves: each is missing, altered or fails its self-test.
        SettingsError: the provider is not there.
    """
    # Two programs must not write one chain of audit records. The spool is the app's, and is not opened here.
    audit = settings.audit.model_copy(update={"file": None, "syslog": None})
    services = create_services(settings.model_copy(update={"audit": audit}))
    async with running(services):
        with services.hold() as bundles:
            check_word(bundles, population)
            yield LocalReader(services, bundles, population, stated)


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
