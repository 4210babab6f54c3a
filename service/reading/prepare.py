"""One film before a network sees it: its bytes decoded once, and prepared for each bundle that it is shown to."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from imaging.decode import DecodeLimits, decode
from imaging.memory.budget import Reserve
from imaging.overlay import ShownFilm, shown
from imaging.preprocess import prepare
from imaging.quality import InputStatistics, input_statistics, input_warnings
from imaging.radiograph import NOTHING_STATED, HeaderFacts, Radiograph
from schemas.api import ImageFacts
from schemas.errors import CxrError, DeadlineError
from schemas.preprocess import PreprocessSpec
from service.answers.population import merged
from service.capacity.admission import Priority
from service.models.live import ServingBundles
from service.reading.routing import Plan, plan
from service.services import Services

Result = TypeVar("Result")

log = structlog.get_logger("service.reading.prepare")


@dataclass(frozen=True, slots=True)
class Upload:
    """One film as it arrived."""

    data: bytes
    declared_type: str | None
    """Media type that the sender states; None where they state nothing."""
    population: str | None = None
    """Whose film it is in the sender's words; None: they do not say."""
    stated: HeaderFacts = NOTHING_STATED
    """What the sender states of the film: it counts where the film's own header is silent."""


@dataclass(frozen=True, slots=True)
class PreparedFilm:
    """What a network will see of a film, and what an answer says about it; its own pixels are gone."""

    facts: ImageFacts
    shown: ShownFilm | None
    """What a heat map is drawn over; None where none is wanted."""
    header: HeaderFacts
    """Of its file, and where that is silent of its sender."""
    image: NDArray[np.float32]  # [1, S, S]
    statistics: InputStatistics
    decode_s: float
    preprocess_s: float

    def warned(self, warnings: tuple[str, ...]) -> Self:
        """The film with other warnings."""
        return replace(self, facts=self.facts.model_copy(update={"warnings": warnings}))


@dataclass(frozen=True, slots=True)
class PreparedFilms:
    """A film as it is prepared for the bundles of its plan, with which it was decoded."""

    plan: Plan
    by_spec: Mapping[PreprocessSpec, PreparedFilm]
    """Not for a bundle whose size asks for another decoding of a JPEG: see `Preparation.again`."""
    for_challenger: PreparedFilm | None = None
    """None where there is none, or the film could not be prepared for it."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """The decoding of one film, whose caller may leave; each takes a share of the budget of its own.

    A film that held one share while it waits for another could wait for ever.
    """

    services: Services
    upload: Upload
    priority: Priority
    drawn: bool
    """Whether a heat map will be drawn over it."""
    left: threading.Event = field(default_factory=threading.Event)

    async def films(self, bundles: ServingBundles) -> PreparedFilms:
        """Decode the film, plan its route, and prepare it for the bundles that it will be shown to.

        Raises:
            FilmError: it cannot be decoded, or is not a radiograph.
        """
        return await self._in_lane(lambda reserve: self._planned(bundles, reserve))

    async def again(self, spec: PreprocessSpec) -> PreparedFilm:
        """Prepare the film for one more bundle, from a decoding that suits its size; see `films`."""

        def prepared(reserve: Reserve) -> PreparedFilm:
            radiograph, decode_s = self._decoded(spec, reserve)
            return self._prepared(radiograph, spec, decode_s)

        return await self._in_lane(prepared)

    async def _in_lane(self, work: Callable[[Reserve], Result]) -> Result:
        """The film's pixels end with `work`, before its share of the budget does."""
        services = self.services

        def within_budget() -> Result:
            with services.decode_budget.share(urgent=self.priority == "stat") as reserve:
                return work(reserve)

        try:
            return await asyncio.get_running_loop().run_in_executor(
                services.decode_lanes.of(self.priority), within_budget
            )
        except asyncio.CancelledError:
            self.left.set()
            raise
        except CxrError as error:
            services.metrics.input_rejects.labels(error.code).inc()
            raise

    def _planned(self, bundles: ServingBundles, reserve: Reserve) -> PreparedFilms:
        first = bundles.first.loaded.manifest.preprocess
        radiograph, decode_s = self._decoded(first, reserve)
        header, _ = merged(radiograph.header, self.upload.stated)
        planned = plan(bundles, header.age_years, self.upload.population)
        specs = dict.fromkeys(each.loaded.manifest.preprocess for each in planned.bundles)
        # A JPEG is decoded at the size that suits a bundle, so that it answers as it would alone.
        suited = [spec for spec in specs if radiograph.format != "jpeg" or spec.decoded_side == first.decoded_side]
        by_spec = {spec: self._prepared(radiograph, spec, decode_s) for spec in suited}
        return PreparedFilms(planned, by_spec, self._for_challenger(bundles, radiograph, by_spec))

    def _for_challenger(
        self, bundles: ServingBundles, radiograph: Radiograph, by_spec: Mapping[PreprocessSpec, PreparedFilm]
    ) -> PreparedFilm | None:
        """The film is decoded here and now alone; what waits for the challenger is as small as its network's input."""
        if bundles.challenger is None:
            return None
        spec = bundles.challenger.loaded.manifest.preprocess
        try:
            film = by_spec.get(spec) or self._prepared(radiograph, spec, decode_s=0.0)
        except Exception as error:  # noqa: BLE001 supervisor: the answer must not suffer from who does not give it
            log.error("challenger_film_lost", error=type(error).__name__)  # noqa: TRY400 a library may quote the film
            return None
        return replace(film, shown=None)

    def _decoded(self, spec: PreprocessSpec, reserve: Reserve) -> tuple[Radiograph, float]:
        radiograph, decode_s = decode_upload(self.services, self.upload, min_side=spec.decoded_side, reserve=reserve)
        if self.left.is_set():  # a thread cannot be stopped, and need not go on for nobody
            msg = "nobody waits for the film any longer"
            raise DeadlineError(msg)
        return radiograph, decode_s

    def _prepared(self, radiograph: Radiograph, spec: PreprocessSpec, decode_s: float) -> PreparedFilm:
        start = time.perf_counter()
        image = prepare(radiograph, spec)
        header, contradictions = merged(radiograph.header, self.upload.stated)
        facts = ImageFacts(
            format=radiograph.format,
            rows=radiograph.rows,
            columns=radiograph.columns,
            bits=radiograph.bits,
            photometric_interpretation=radiograph.photometric_interpretation,
            warnings=(*radiograph.warnings, *input_warnings(radiograph), *contradictions),
        )
        return PreparedFilm(
            facts=facts,
            shown=shown(radiograph, spec) if self.drawn else None,
            header=header,
            image=image,
            statistics=input_statistics(image),
            decode_s=decode_s,
            preprocess_s=time.perf_counter() - start,
        )


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
