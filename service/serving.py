"""What the running service holds: made by the app's lifespan, handed to the routes, never global."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from imaging.child_decoder import ChildDecoder
from schemas.errors import CxrError, NotReadyError
from service.batcher import Batcher
from service.bundles import BundleAddress, BundleRegistry, LoadedBundle
from service.metrics import Metrics
from service.security.gate import Gate
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Serving:
    """One loaded bundle and the batcher of its network; replaced as a whole, so no answer is from two bundles."""

    loaded: LoadedBundle
    batcher: Batcher

    @property
    def address(self) -> BundleAddress:
        """Name and version."""
        manifest = self.loaded.bundle.manifest
        return BundleAddress(manifest.name, manifest.version)


@dataclass(slots=True)
class Service:
    """Everything that outlives a request; either `serving` or `failure` is set once the app has started."""

    settings: Settings
    metrics: Metrics
    registry: BundleRegistry
    decode_pool: Executor
    frame_decoder: ChildDecoder
    gate: Gate
    serving: Serving | None = None
    failure: CxrError | None = None

    def ready(self) -> Serving:
        """The bundle that serves.

        Raises:
            NotReadyError: there is none; the message carries the reason's code.
        """
        if self.serving is None:
            reason = "it is still loading" if self.failure is None else f"{self.failure.code}: {self.failure}"
            msg = f"no bundle serves: {reason}"
            raise NotReadyError(msg)
        return self.serving


def service_of(request: Request) -> Service:
    """The service of the app that answers `request`."""
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(service_of)]
