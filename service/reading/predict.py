"""The reading of one film: bytes, decoded and prepared off the event loop, through the network to a prediction."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.decode import DecodeLimits, decode
from imaging.dicom.codecs import FrameDecoder
from imaging.preprocess import prepare
from imaging.quality import InputStatistics, input_statistics, input_warnings
from imaging.radiograph import Radiograph
from imaging.thumbnail import thumbnail
from schemas.api import ImageFacts, Prediction, Timings
from schemas.errors import CxrError
from schemas.model.drift import INPUT_SIGNALS, film_signals
from schemas.preprocess import PreprocessSpec
from service.answers.decision import decide
from service.capacity.admission import Priority
from service.engine.batcher import Answer
from service.metrics import Metrics
from service.models.live import Serving
from service.services import Service


@dataclass(frozen=True, slots=True)
class Upload:
    """One film as it arrived."""

    data: bytes
    declared_type: str | None
    """Media type that the sender states; None where they state nothing."""


@dataclass(frozen=True, slots=True)
class PreparedFilm:
    """A decoded film and what the network will see of it."""

    radiograph: Radiograph
    image: NDArray[np.float32]  # [1, S, S]
    thumbnail: NDArray[np.float64]  # of the image
    warnings: tuple[str, ...]
    statistics: InputStatistics
    decode_s: float
    preprocess_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A film with its prediction, and what a further look at it needs."""

    film: PreparedFilm
    answer: Answer
    prediction: Prediction

    @property
    def image_facts(self) -> ImageFacts:
        """What may be said about the file."""
        radiograph = self.film.radiograph
        return ImageFacts(
            format=radiograph.format,
            rows=radiograph.rows,
            columns=radiograph.columns,
            bits=radiograph.bits,
            photometric_interpretation=radiograph.photometric_interpretation,
            warnings=self.film.warnings,
        )

    @property
    def stages_s(self) -> dict[str, float]:
        """Seconds that each stage took, by the stage's name in `/metrics` and in answers."""
        return {
            "decode": self.film.decode_s,
            "preprocess": self.film.preprocess_s,
            "queue": self.answer.queue_s,
            "inference": self.answer.inference_s,
        }

    def timings(self, total_s: float) -> Timings:
        """The stages in milliseconds; `total_s` is the time since the request arrived."""
        stages = {**self.stages_s, "total": total_s}
        return Timings(**{stage: round(seconds * 1000, 3) for stage, seconds in stages.items()})


async def read_film(
    service: Service, serving: Serving, upload: Upload, *, priority: Priority, target: int | None
) -> Reading:
    """Read one film.

    Args:
        service: its decode lanes and metrics are used.
        serving: the bundle that answers.
        upload: the film's bytes.
        priority: stat goes before routine.
        target: class whose heat map is wanted, `MOST_PROBABLE`, or None for no map.

    Raises:
        CxrError: the film is refused, or the network failed on it.
    """
    film = await _prepare_in_lane(service, serving.loaded.bundle.manifest.preprocess, upload, priority)
    answer = await serving.batcher.submit(film.image, target=target, priority=priority)
    loaded = serving.loaded
    prediction = decide(loaded.bundle.manifest, loaded.statistics, answer.outputs, film.thumbnail, film.warnings)
    reading = Reading(film, answer, prediction)
    statistics = asdict(film.statistics)
    _count(service.metrics, reading, statistics)
    if serving.drift is not None:
        findings = serving.loaded.bundle.manifest.findings
        serving.drift.add(film_signals(statistics, prediction.probabilities, findings))
    return reading


async def _prepare_in_lane(service: Service, spec: PreprocessSpec, upload: Upload, priority: Priority) -> PreparedFilm:
    lane = service.decode_lanes.of(priority)
    limits = DecodeLimits(max_pixels=service.settings.max_pixels)
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(lane, _prepare, upload, limits, spec, service.frame_decoder)
    except CxrError as error:
        service.metrics.input_rejects.labels(error.code).inc()
        raise


def _prepare(upload: Upload, limits: DecodeLimits, spec: PreprocessSpec, frame_decoder: FrameDecoder) -> PreparedFilm:
    start = time.perf_counter()
    radiograph = decode(
        upload.data,
        declared_type=upload.declared_type,
        limits=limits,
        min_side=spec.size,
        frame_decoder=frame_decoder,
    )
    decoded = time.perf_counter()
    image = prepare(radiograph, spec)
    warnings = (*radiograph.warnings, *input_warnings(radiograph))
    statistics = input_statistics(image)
    return PreparedFilm(
        radiograph, image, thumbnail(image), warnings, statistics, decoded - start, time.perf_counter() - decoded
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
