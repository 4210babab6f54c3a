"""What the running service holds: made by the app, handed to the routes, never global."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from imaging.dicom.child_decoder import ChildDecoder
from service.audit.trail import Trail
from service.capacity.admission import Admission
from service.capacity.threads import Lanes
from service.metrics import Metrics
from service.models.live import Serving
from service.models.registry import BundleRegistry
from service.models.swap import Deployment
from service.security.authentication import Gate
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that outlives a request."""

    settings: Settings
    metrics: Metrics
    registry: BundleRegistry
    deployment: Deployment
    admission: Admission
    decode_lanes: Lanes
    explain_pool: Executor
    """One thread: torch explains one film at a time. What waits for it was admitted, so the queue is bounded."""
    frame_decoder: ChildDecoder
    gate: Gate
    audit: Trail

    @property
    def ready(self) -> bool:
        """Whether films are answered: a bundle serves, and the service is not draining."""
        return self.deployment.serving is not None and not self.admission.draining

    @contextmanager
    def hold(self) -> Iterator[Serving]:
        """The bundle that serves, kept until the request is answered, whatever replaces it meanwhile.

        Raises:
            NotReadyError: there is none, or the service is draining.
            AuditUnavailableError: what is answered could not be recorded.
        """
        self.audit.check()
        self.admission.require_open()
        with self.deployment.ready().held() as serving:
            yield serving


async def service_of(request: Request) -> Service:
    """The service of the app that answers `request`; async, because FastAPI runs other dependencies in a thread."""
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(service_of)]
