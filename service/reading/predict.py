"""The reading of one film: prepared off the event loop, shown to the networks of its route, and answered by one."""

import time
from dataclasses import dataclass, replace

from imaging.thumbnail import thumbnail
from schemas.api import ImageFacts, ModelReference, Prediction, PredictResponse, Route, Timings
from schemas.model.drift import INPUT_SIGNALS, film_signals
from service.answers.decision import decide
from service.answers.guide import look_at
from service.capacity.admission import Priority
from service.engine.film_queue import BatchResult
from service.films.look import PreparedFilm, Upload
from service.models.live import LiveBundle, ServingBundles
from service.reading.prepare import HeatMapRequest, Preparation, PreparedFilms
from service.reading.routing import CONTRADICTION, Choice, Sight, choose, is_enough, sight, withheld
from service.services import Services
from service.tracing.span import exemplar, past, stage


@dataclass(frozen=True, slots=True)
class Reading:
    """A film with its prediction, and what a further look at it needs."""

    live: LiveBundle
    """The bundle that answers."""
    route: Route
    film: PreparedFilm
    result: BatchResult
    prediction: Prediction
    for_challenger: PreparedFilm | None = None
    """The same film as the bundle that reads along sees it; None: there is none."""
    withheld: Prediction | None = None
    """What would have been answered; None: it was, for the service is not suspended."""
    repeated: bool = False
    """The answer was kept from a film of the same bytes; the film was neither decoded nor shown to a network."""

    @property
    def judged(self) -> Prediction:
        """The answer of the bundle, whether it was given or withheld."""
        return self.withheld or self.prediction

    @property
    def model(self) -> ModelReference:
        """The bundle that answers."""
        return self.live.loaded.reference

    @property
    def image_facts(self) -> ImageFacts:
        """Facts about the file; none identifies a patient."""
        return self.film.facts

    @property
    def stages_s(self) -> dict[str, float]:
        """Seconds that each stage took, by the stage's name in `/metrics` and in answers."""
        return {
            "decode": self.film.decode_s,
            "preprocess": self.film.preprocess_s,
            "queue": self.result.queue_s,
            "inference": self.result.inference_s,
        }

    def timings(self, total_s: float) -> Timings:
        """The stages in milliseconds; `total_s` is the time since the request arrived."""
        stages = {**self.stages_s, "total": total_s}
        return Timings(**{stage: round(seconds * 1000, 3) for stage, seconds in stages.items()})

    def response(self, request_id: str, total_s: float) -> PredictResponse:
        """The answer to the request of this id; see `timings`."""
        return PredictResponse(
            request_id=request_id,
            model=self.model,
            route=self.route,
            prediction=self.prediction,
            image=self.image_facts,
            timings_ms=self.timings(total_s),
        )


async def read_film(
    services: Services,
    bundles: ServingBundles,
    upload: Upload,
    *,
    priority: Priority,
    heat_map: HeatMapRequest | None = None,
) -> Reading:
    """Read one film.

    Args:
        services: its decode lanes and metrics are used.
        bundles: those that serve; one of them answers.
        upload: the film's bytes.
        priority: stat goes before routine.
        heat_map: None for none.

    Raises:
        CxrError: the film is refused, or the network failed on it.
    """
    preparation = Preparation(services, upload, priority, heat_map)
    films = await _prepared(preparation, bundles)
    readings: list[Reading] = []
    seen: list[Sight] = []
    for live in films.plan.bundles:
        spec = live.loaded.manifest.preprocess
        film = films.by_spec.get(spec) or await preparation.again(live)
        result = films.result or await _run(preparation, live, film)
        readings.append(answered(live, film, result))
        seen.append(sight(live.loaded.manifest, readings[-1].prediction))
        if is_enough(films.plan, seen):
            break
    choice = choose(films.plan, seen, upload.population)
    routed = replace(_routed(readings[choice.index], choice, bundles), for_challenger=films.for_challenger)
    return given(services, routed)


def given(services: Services, reading: Reading) -> Reading:
    """The reading as it is answered: withheld where the service is suspended, and counted."""
    reading = _unless_suspended(services, reading)
    _count(services, reading)
    return reading


async def _prepared(preparation: Preparation, bundles: ServingBundles) -> PreparedFilms:
    """Prepare the film; its spans end when it is back here, so that a wait for a free place stands before them."""
    with stage("prepare"):
        start = time.perf_counter()
        films = await preparation.films(bundles)
        end = time.perf_counter()
        if films.result is not None:  # its thread or process has run the network too
            end = _trace_run(bundles.first, films.result, start, end - films.result.inference_s)
        for film in list(films.by_spec.values())[:1]:
            past("decode", end - film.preprocess_s - film.decode_s, film.decode_s, {"cxr.format": film.facts.format})
            past("preprocess", end - film.preprocess_s, film.preprocess_s)
    return films


async def _run(preparation: Preparation, live: LiveBundle, film: PreparedFilm) -> BatchResult:
    start = time.perf_counter()
    result = await preparation.run(live, film)
    _trace_run(live, result, start, start + result.queue_s)
    return result


def _trace_run(live: LiveBundle, result: BatchResult, queued: float, started: float) -> float:
    """The wait for the network and its run, by `time.perf_counter`; returns when the run began."""
    model = live.loaded.reference
    past("queue", queued, result.queue_s)
    past("inference", started, result.inference_s, {"cxr.bundle.name": model.name, "cxr.bundle.version": model.version})
    return started


def _unless_suspended(services: Services, reading: Reading) -> Reading:
    answer = services.stop.applied(reading.prediction)
    return reading if answer is reading.prediction else replace(reading, prediction=answer, withheld=reading.prediction)


def answered(live: LiveBundle, film: PreparedFilm, result: BatchResult) -> Reading:
    """What a bundle answers that was asked; whether it is the one that answers is not known yet."""
    loaded = live.loaded
    look = look_at(loaded.manifest, result.outputs, film.header, film.facts.warnings)
    lungs = result.outputs.lungs
    arrangement = thumbnail(film.image, None if lungs is None else lungs[0])
    prediction = decide(loaded.manifest, loaded.statistics, result.outputs, arrangement, look)
    return Reading(live, "only_bundle", film.warned(look.warnings), result, prediction)


def _routed(reading: Reading, choice: Choice, bundles: ServingBundles) -> Reading:
    """The answer of the bundle that was chosen; of a film without a route, why there is none."""
    film = reading.film
    if choice.contradicted:
        film = film.warned((*film.facts.warnings, *CONTRADICTION))
    prediction = reading.prediction
    if choice.route == "none":
        prediction = withheld(prediction, choice.reason, bundles)
    return replace(reading, route=choice.route, film=film, prediction=prediction)


def _count(services: Services, reading: Reading) -> None:
    """Count the film for the bundle that answers; those that were asked in vain learn nothing of it.

    A repeated answer counts as an answer, so that a cache changes neither decisions nor drift; it had no stages.
    """
    stages = {} if reading.repeated else reading.stages_s
    for name, seconds in ((name, seconds) for name, seconds in stages.items() if seconds):  # 0: it had no such stage
        services.metrics.stage_duration.labels(name).observe(seconds, exemplar())
    metrics = reading.live.metrics
    prediction = reading.prediction
    statistics = {signal: getattr(reading.film.statistics, signal) for signal in INPUT_SIGNALS}
    for signal, value in statistics.items():
        metrics.input_quality.labels(signal).observe(value)
    metrics.predictions.labels(prediction.label, prediction.decision).inc()
    for finding in prediction.findings:
        metrics.finding_decisions.labels(finding.name, finding.decision).inc()
    for label, probability in prediction.probabilities.items():
        metrics.probability.labels(label).observe(probability)
    if prediction.out_of_distribution_score is not None:
        metrics.out_of_distribution.observe(prediction.out_of_distribution_score)
    if reading.live.drift is not None:
        findings = reading.live.loaded.manifest.findings
        reading.live.drift.add(film_signals(statistics, prediction.probabilities, findings))
