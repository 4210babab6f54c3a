"""Whether quotas and kept answers stand in a database or in this process alone."""

from prometheus_client import CollectorRegistry

from service.capacity.kept_answers import KeptAnswers
from service.security.quota import OwnBuckets
from service.settings import LimitSettings
from service.sharing.counters import SharingMetrics
from service.sharing.state import State


def state_of(url: str | None, limits: LimitSettings, registry: CollectorRegistry) -> State:
    """The state by the settings; a database that is away is no reason not to start.

    Args:
        url: of PostgreSQL; None: nothing is shared.
        limits: how long and how many answers are kept.
        registry: of the app's metrics.
    """
    buckets = OwnBuckets()
    answers = KeptAnswers(limits.idempotency_s, limits.idempotency_bytes)
    metrics = SharingMetrics(registry)
    if url is None:
        return State(buckets, answers)
    from service.sharing.shared import shared_state  # with SQLAlchemy: replicas that share nothing need none

    return shared_state(url, limits, metrics, State(buckets, answers))
