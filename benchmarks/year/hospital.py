"""The films of a hospital with 400 beds, and its service as it shows itself: the real metrics, windows and stop rule.

Nothing here reads a clock: every time is a second of the virtual year.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from benchmarks.capacity.profile import HOURLY
from benchmarks.year.causes import CAUSES, DAY, HOUR, Cause
from biostatistics.sequences import bernoulli_sequence
from schemas.model.drift import DriftReference, SignalReference
from schemas.monitoring import MonitoredFigure, Monitoring, RegisteredLimits, StationRates, StopLimit
from service.answers.drift import DriftWindow, register_drift_gauges
from service.dimse.counters import DimseMetrics
from service.metrics import Metrics
from service.surveillance.figures import crossed, figures
from service.surveillance.gauges import show
from service.surveillance.ledger import Labelled

FILMS_A_DAY: Final = 320
"""Chest films of 400 beds with an emergency department; an assumption."""
WEEKEND: Final = 0.6
STAT: Final = 0.25
PREVALENCE: Final = 0.18
EPOCH: Final = 1_767_225_600
"""1 January 2026, a Thursday."""
BUNDLES: Final = ("children", "adults")
SIGNALS: Final = ("mean", "contrast")
EDGES: Final = tuple(np.linspace(0.1, 0.9, 9).tolist())
VERDICTS_A_DAY: Final = 12


class Hospital:
    """The service of one hospital; `step` brings it to the next moment."""

    def __init__(self, seed: int, causes: tuple[Cause, ...] = CAUSES) -> None:
        self._random = np.random.default_rng(seed)
        self._causes = causes
        self.metrics = Metrics(BUNDLES)
        self.dimse = DimseMetrics()
        self.memory_bytes = 600e6
        self._labelled: list[Labelled] = []
        self._since_s = 0.0
        self._suspended: Any = None
        self._last_verdict_s = 0.0
        self._films = 0
        self._owed = 0
        self._waits_since: dict[str, float] = {}
        reference = DriftReference(
            data="validation: 780 films",
            signals={name: SignalReference(edges=EDGES, counts=(78,) * 10) for name in SIGNALS},
        )
        self._drift = DriftWindow(reference, 200)
        register_drift_gauges(self._drift, self.metrics.bundle("adults"))
        limit = StopLimit(figure="sensitivity", finding="PNEUMONIA", at_least=0.85)
        self._limits = RegisteredLimits(
            limits=(limit,), sha256="0" * 64, registered_at=datetime.fromtimestamp(EPOCH, UTC)
        )
        self._begin()

    def _begin(self) -> None:
        """What is there from the first scrape on: a series that is born with its first event shows no increase."""
        metrics = self.metrics
        metrics.ready.set(1)
        metrics.queue_capacity.set(64)
        for name in BUNDLES:
            metrics.bundle(name).serves.set(1)
            metrics.bundle(name).model_loads.labels("loaded", "")
            for decision in ("positive", "negative", "abstain"):
                metrics.bundle(name).predictions.labels("PNEUMONIA", decision)
        for status in ("200", "503"):
            metrics.http_requests.labels("/predict", "POST", status)
        metrics.http_duration.labels("/predict", "POST")
        for result in ("delivered", "postponed"):
            metrics.pacs_deliveries.labels(result)
        for outcome in ("answered", "failed", "skipped"):
            metrics.challenger.films.labels(outcome)
        for state in ("received", "analysed", "failed"):
            metrics.spool_depth.labels(state).set(0)
        metrics.spool_forgotten.labels("failed")
        for state in ("waiting", "failed"):
            metrics.destinations.depth.labels("chat", state).set(0)
        metrics.destinations.oldest.labels("chat").set(0)
        metrics.destinations.forgotten.labels("chat")
        metrics.shed.labels("queue_full")
        for status in ("0000", "A700"):
            self.dimse.stores.labels(status)

    def on(self, name: str, at_s: float) -> Cause | None:
        """The cause whose name has this word, where it goes on."""
        return next((each for each in self._causes if name in each.name and each.covers(at_s)), None)

    def up(self, job: str, at_s: float) -> bool:
        """Whether a scrape finds it."""
        return self.on("process is gone" if job == "cxr" else "listener is gone", at_s) is None

    def step(self, at_s: float, span_s: float) -> bool:
        """Let the films and causes of the last `span_s` seconds happen; False: nothing has changed."""
        due = self._events(at_s, span_s)
        day = int(at_s // DAY)
        weekend = WEEKEND if (day + 3) % 7 in (5, 6) else 1.0
        rate = FILMS_A_DAY * weekend * HOURLY[int(at_s % DAY // HOUR)] / HOUR
        films = int(self._random.poisson(rate * span_s)) if self.up("cxr", at_s) else 0
        if self.on("flood", at_s):
            self._flood(span_s)
            films += 10
        for _ in range(films):
            self._film(at_s)
        if at_s % DAY < span_s:
            self._verdicts(at_s)
        return films > 0 or due or at_s % DAY < span_s

    def _film(self, at_s: float) -> None:
        metrics = self.metrics
        fails = self.on("no bundle", at_s) or self.on("disk of the audit", at_s)
        metrics.http_requests.labels("/predict", "POST", "503" if fails else "200").inc()
        slow = self.on("takes the cores", at_s) or self.on("flood", at_s)
        typical_s = 4.0 if slow else 0.12
        metrics.http_duration.labels("/predict", "POST").observe(typical_s * float(self._random.lognormal(0, 0.35)))
        if fails:
            return
        self._answer(at_s)
        self.dimse.stores.labels(
            "A700" if self.on("not accepted", at_s) and self._random.random() < 0.5 else "0000"
        ).inc()
        failed = self.on("challenger", at_s) and self._random.random() < 0.6
        metrics.challenger.films.labels("failed" if failed else "answered").inc()
        metrics.pacs_deliveries.labels("postponed" if self.on("PACS is away", at_s) else "delivered").inc()

    def _answer(self, at_s: float) -> None:
        """Decision and signals of one film; a swapped modality has brighter films, which the network calls ill."""
        random = self._random
        bundle = "adults" if random.random() < 0.9 else "children"
        swapped = bundle == "adults" and self.on("modality is swapped", at_s)
        missing = self.on("misses", at_s)
        ill = random.random() < PREVALENCE
        sensitivity = 0.55 if missing else 0.93
        abstains = random.random() < (0.3 if swapped else 0.08)
        positive = random.random() < (sensitivity if ill else 0.7 if swapped else 0.06)
        decision = "abstain" if abstains else "positive" if positive else "negative"
        self.metrics.bundle(bundle).predictions.labels("PNEUMONIA", decision).inc()
        if bundle == "adults":
            shift = 0.25 if swapped else 0.0
            self._drift.add({name: float(min(0.999, random.random() * (1 - shift) + shift)) for name in SIGNALS})
        self._films += 1
        if self._owed > 0 and ill:
            self._owed -= 1
            truth: Mapping[str, Any] = {"PNEUMONIA": "present"}
            now = EPOCH + at_s
            self._labelled.append(Labelled("0" * 64, "chest/2.0.0", now, now, {"PNEUMONIA": decision}, truth))
            self._last_verdict_s = at_s

    def _verdicts(self, at_s: float) -> None:
        """Once a day the radiologists' verdicts arrive, and the stop rule weighs them."""
        self._owed = 0 if self.on("no verdicts", at_s) else VERDICTS_A_DAY
        films = [film for film in self._labelled if film.analysed_at >= EPOCH + self._since_s]
        now: tuple[MonitoredFigure, ...] = figures(films, self._limits)
        if self._suspended is None and (crossing := crossed(now)) is not None:
            self._suspended = crossing.suspension(self._limits, EPOCH + at_s)
        if self._suspended is not None and not self.on("misses", at_s):  # mended, and resumed
            self._suspended = None
            self._since_s = at_s
        rate = bernoulli_sequence(8, 100)
        stations = (StationRates(station="XR1", device="DX", films=self._films, abstained=rate, unfamiliar=rate),)
        monitoring = Monitoring(
            enabled=True,
            note=None,
            suspended=self._suspended is not None,
            suspension=self._suspended,
            limits=self._limits,
            readings=self._films,
            verdicts=len(films),
            last_verdict_at=datetime.fromtimestamp(EPOCH + self._last_verdict_s, UTC),
            figures=now,
            rates=stations,
        )
        show(monitoring, self.metrics.truth)

    def _flood(self, span_s: float) -> None:
        refused = 2 * span_s
        self.metrics.http_requests.labels("/predict", "POST", "503").inc(refused)
        self.metrics.shed.labels("queue_full").inc(refused)

    def _events(self, at_s: float, span_s: float) -> bool:
        """Gauges and counters of what goes on without films."""
        metrics = self.metrics
        begun = {each.name: each.start_s for each in self._causes if each.start_s <= at_s < each.start_s + span_s}
        metrics.ready.set(0 if self.on("no bundle", at_s) else 1)
        metrics.bundle("adults").serves.set(0 if self.on("taken away", at_s) else 1)
        metrics.inflight_images.set(60 if self.on("flood", at_s) else 1)
        if self.on("codec", at_s):
            metrics.decode_worker_deaths.inc()
        if "a new bundle with a wrong hash" in begun:
            metrics.bundle("adults").model_loads.labels("refused", "bundle_hash").inc()
        if "a new bundle in order" in begun:
            metrics.bundle("adults").model_loads.labels("loaded", "").inc()
        if self.on("disk of the audit", at_s):
            metrics.audit_write_failures.inc()
        spool = self.on("PACS is away", at_s) or self.on("stands still", at_s)
        metrics.spool_oldest.set(at_s - spool.start_s if spool else 0)
        metrics.spool_depth.labels("failed").set(1 if self.on("refuses a film", at_s) else 0)
        if "nobody tries the refused film again" in begun:
            metrics.spool_forgotten.labels("failed").inc()
        hook = self.on("receiver of webhooks", at_s)
        metrics.destinations.oldest.labels("chat").set(at_s - hook.start_s if hook else 0)
        metrics.destinations.depth.labels("chat", "failed").set(1 if self.on("refuses a message", at_s) else 0)
        if "nobody sends the message again" in begun:
            metrics.destinations.forgotten.labels("chat").inc()
        atna = self.on("repository", at_s)
        metrics.audit_unsent.set(at_s - atna.start_s if atna else 0)
        leak = self.on("leaks", at_s)
        self.memory_bytes = 600e6 + (1.2e9 * (at_s - leak.start_s) / leak.lasts_s if leak else 0)
        now = {each.name for each in self._causes if each.covers(at_s)}
        changed = bool(begun) or bool(now) or now != self._waits_since.keys()
        self._waits_since = dict.fromkeys(now, at_s)
        return changed
