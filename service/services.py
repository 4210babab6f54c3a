"""What the running service holds: made by the app, handed to the routes, never global."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from imaging.dicom.child_decoder import ChildDecoder
from imaging.memory.budget import DecodeBudget
from schemas.api import Mode
from service.answers.suspension import StopSwitch
from service.audit.trail import Trail
from service.capacity.admission import Admission
from service.capacity.kept_answers import Answers
from service.capacity.result_cache import ResultCache
from service.capacity.threads import ROUTINE, ThreadLanes, computing_threads
from service.films.look import Decoding
from service.metrics import Metrics
from service.models.deployments import Deployments
from service.models.live import ServingBundles
from service.models.registry import BundleRegistry
from service.models.store_watch import StoreWatch
from service.models.swap import Deployment
from service.security.authentication import Gate
from service.settings import ConnectionSettings, DecodeSettings, EvidenceSettings, LimitSettings
from service.tracing.span import OFF, Tracing


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that outlives a request."""

    limits: LimitSettings
    connections: ConnectionSettings
    decode: DecodeSettings
    metrics: Metrics
    registry: BundleRegistry
    deployments: Deployments
    admission: Admission
    answers: Answers
    results: ResultCache
    decode_lanes: ThreadLanes
    key_pool: Executor
    """One thread: guessing keys must not take the cores from films."""
    decode_budget: DecodeBudget
    frame_decoder: ChildDecoder
    decoding: Decoding
    """In threads of this process: of films that no process of a bundle reads."""
    gate: Gate
    audit: Trail
    evidence: EvidenceSettings
    sharing: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Opens what is shared with other replicas, until the app ends."""
    mode: Mode = "active"
    store: StoreWatch | None = None
    """Where bundles come from; None: they lie in a folder."""
    tracing: Tracing = OFF
    challenger: Deployment | None = None
    """A bundle that reads along and answers nobody; None: there is none."""
    explain_pool: Executor = field(default_factory=partial(computing_threads, 1, "explain", ROUTINE))
    """One thread: torch explains one film at a time. What waits for it was admitted, so the queue is bounded."""
    stop: StopSwitch = field(default_factory=StopSwitch)
    """Whether answers are withheld; never where no spool is open, for the state is in its database."""

    @property
    def ready(self) -> bool:
        """Whether films are answered: a bundle serves, and the service is not draining."""
        return bool(self.deployments.live) and not self.admission.draining

    def stop_loading(self) -> None:
        """End what is being loaded or downloaded: the process ends, and nobody needs it any more."""
        if self.store is not None:
            self.store.stop()
        self.deployments.stop_loading()

    @contextmanager
    def hold(self) -> Iterator[ServingBundles]:
        """The bundles that serve, kept until the request is answered, whatever replaces them meanwhile.

        Raises:
            NotReadyError: no bundle serves, or the service is draining.
            AuditUnavailableError: what is answered could not be recorded.
        """
        self.audit.check()
        self.admission.require_open()
        with self.deployments.held() as bundles:
            yield bundles
