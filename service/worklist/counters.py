"""What the task performer counts, in a registry of its own; bounded labels, no UID and no text of a workitem."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector


class WorklistMetrics:
    """The metrics of one process; `registry` holds all of them and no others."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.searches = Counter(
            "cxr_worklist_searches", "Searches for workitems: answered or failed.", ("result",), registry=self.registry
        )
        self.claims = Counter(
            "cxr_worklist_claims", "Claims of workitems: won, lost to another performer, or taken over from a process "
            "that is silent.", ("result",), registry=self.registry,
        )  # fmt: skip
        self.ended = Counter(
            "cxr_worklist_ended", "Workitems that ended: completed, canceled, or lost: ended by somebody else.",
            ("result",), registry=self.registry,
        )  # fmt: skip
        self.failures = Counter(
            "cxr_worklist_failures", "Steps of workitems that failed and are tried again, by the problem's code.",
            ("problem",), registry=self.registry,
        )  # fmt: skip
        self.in_progress = Gauge(
            "cxr_worklist_in_progress", "Workitems that this process has claimed and not ended.", registry=self.registry
        )
