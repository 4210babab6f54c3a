"""The reading of one film: bytes, decoded and prepared off the event loop, through the network to a prediction."""

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imaging.decode import DecodeLimits, decode
from imaging.memory.budget import Reserve
from imaging.overlay import ShownFilm, shown
from imaging.preprocess import prepare
from imaging.quality import InputStatistics, input_statistics, input_warnings
from imaging.radiograph import HeaderFacts, Radiograph
from imaging.thumbnail import thumbnail
from schemas.api import ImageFacts, Prediction, Timings
from schemas.errors import CxrError, DeadlineError
from schemas.model.drift import INPUT_SIGNALS, film_signals
from schemas.preprocess import PreprocessSpec
from service.answers.decision import decide
from service.answers.guide import look_at
from service.capacity.admission import Priority
from service.engine.film_queue import BatchResult
from service.metrics import Metrics
from service.models.live import LiveBundle
from service.services import Services


@dataclass(frozen=True, slots=True)
class Upload:
    """One film as it arrived."""

    data: bytes
    declared_type: str | None
    """Media type that the sender states; None where they state nothing."""


@dataclass(frozen=True, slots=True)
class HeatMapRequest:
    """A heat map will be drawn over the film."""

    target: int | None
    """Class whose map the graph computes, or `MOST_PROBABLE`; None: it is computed elsewhere."""


@dataclass(frozen=True, slots=True)
class PreparedFilm:
    """What the network will see of a film, and what an answer says about it; its own pixels are gone."""

    facts: ImageFacts
    shown: ShownFilm | None
    """What a heat map is drawn over; None where none is wanted."""
    header: HeaderFacts
    image: NDArray[np.float32]  # [1, S, S]
    thumbnail: NDArray[np.float64]  # of the image
    statistics: InputStatistics
    decode_s: float
    preprocess_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A film with its prediction, and what a further look at it needs."""

    film: PreparedFilm
    result: BatchResult
    prediction: Prediction

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


async def read_film(
    services: Services,
    live: LiveBundle,
    upload: Upload,
    *,
    priority: Priority,
    heat_map: HeatMapRequest | None = None,
) -> Reading:
    """Read one film.

    Args:
        services: its decode lanes and metrics are used.
        live: the bundle that answers.
        upload: the film's bytes.
        priority: stat goes before routine.
        heat_map: None for none.

    Raises:
        CxrError: the film is refused, or the network failed on it.
    """
    loaded = live.loaded
    manifest = loaded.manifest
    film = await _prepare_in_lane(services, manifest.preprocess, upload, priority, drawn=heat_map is not None)
    target = None if heat_map is None else heat_map.target
    result = await live.batcher.submit(film.image, target=target, priority=priority)
    look = look_at(manifest, result.outputs, film.header, film.facts.warnings)
    prediction = decide(manifest, loaded.statistics, result.outputs, film.thumbnail, look)
    reading = Reading(
        replace(film, facts=film.facts.model_copy(update={"warnings": look.warnings})), result, prediction
    )
    statistics = asdict(film.statistics)
    _count(services.metrics, reading, statistics)
    if live.drift is not None:
        live.drift.add(film_signals(statistics, prediction.probabilities, manifest.findings))
    return reading


def decode_upload(
    services: Services, upload: Upload, *, min_side: int | None, reserve: Reserve
) -> tuple[Radiograph, float]:
    """Decode a film; returns it with the seconds that it took.

    Args:
        services: limits, and what decodes compressed DICOM.
        upload: the film's bytes.
        min_side: in pixels; a large JPEG may be decoded smaller, but not below twice this side; None: not at all.
        reserve: of the share of the budget in which the film lives.

    Raises:
        FilmError: it cannot be decoded, or is not a radiograph.
    """
    start = time.perf_counter()
    radiograph = decode(
        upload.data,
        declared_type=upload.declared_type,
        limits=DecodeLimits(max_pixels=services.limits.max_pixels, reserve=reserve),
        min_side=min_side,
        frame_decoder=services.frame_decoder,
    )
    return radiograph, time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who waits for a film: whether for its picture too, and whether he left."""

    drawn: bool
    left: threading.Event = field(default_factory=threading.Event)


async def _prepare_in_lane(
    services: Services, spec: PreprocessSpec, upload: Upload, priority: Priority, *, drawn: bool
) -> PreparedFilm:
    caller = _Caller(drawn=drawn)

    def prepare_within_budget() -> PreparedFilm:
        with services.decode_budget.share(urgent=priority == "stat") as reserve:
            return _prepare(services, upload, spec, reserve, caller)

    lane = services.decode_lanes.of(priority)
    try:
        return await asyncio.get_running_loop().run_in_executor(lane, prepare_within_budget)
    except asyncio.CancelledError:
        caller.left.set()
        raise
    except CxrError as error:
        services.metrics.input_rejects.labels(error.code).inc()
        raise


def _prepare(
    services: Services, upload: Upload, spec: PreprocessSpec, reserve: Reserve, caller: _Caller
) -> PreparedFilm:
    """The film's pixels end with this call, before its share of the budget does."""
    radiograph, decode_s = decode_upload(services, upload, min_side=spec.decoded_side, reserve=reserve)
    if caller.left.is_set():  # a thread cannot be stopped, and need not go on for nobody
        msg = "nobody waits for the film any longer"
        raise DeadlineError(msg)
    start = time.perf_counter()
    image = prepare(radiograph, spec)
    facts = ImageFacts(
        format=radiograph.format,
        rows=radiograph.rows,
        columns=radiograph.columns,
        bits=radiograph.bits,
        photometric_interpretation=radiograph.photometric_interpretation,
        warnings=(*radiograph.warnings, *input_warnings(radiograph)),
    )
    return PreparedFilm(
        facts=facts,
        shown=shown(radiograph, spec) if caller.drawn else None,
        header=radiograph.header,
        image=image,
        thumbnail=thumbnail(image),
        statistics=input_statistics(image),
        decode_s=decode_s,
        preprocess_s=time.perf_counter() - start,
    )


def _count(metrics: Metrics, reading: Reading, statistics: Mapping[str, float]) -> None:
    prediction = reading.prediction
    for stage, seconds in reading.stages_s.items():
        metrics.stage_duration.labels(stage).observe(seconds)
    for signal in INPUT_SIGNALS:
        metrics.input_quality.labels(signal).observe(statistics[signal])
    metrics.predictions.labels(prediction.label, prediction.decision).inc()
    for label, probability in prediction.probabilities.items():
        metrics.probability.labels(label).observe(probability)
    if prediction.out_of_distribution_score is not None:
        metrics.out_of_distribution.observe(prediction.out_of_distribution_score)
