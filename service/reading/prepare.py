"""One film before a network sees it: its bytes decoded once, and prepared for each bundle that it is shown to."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self, TypeVar

import structlog

from bundle.session import MOST_PROBABLE
from imaging.memory.budget import Reserve
from schemas.errors import FilmError
from schemas.preprocess import PreprocessSpec
from service.capacity.admission import Priority
from service.engine.film_queue import BatchResult
from service.films.look import Look, PreparedFilm, Upload
from service.films.messages import Answer, LookOrder
from service.metrics import BundleMetrics
from service.models.live import LiveBundle, ServingBundles
from service.models.loading import LoadedBundle
from service.reading.routing import Plan, plan
from service.services import Services

Result = TypeVar("Result")

log = structlog.get_logger("service.reading.prepare")


@dataclass(frozen=True, slots=True)
class HeatMapRequest:
    """A heat map will be drawn over the film."""

    finding: str | None
    """Whose map; None: that of the label."""

    def target(self, loaded: LoadedBundle) -> int | None:
        """The class whose map the graph computes, or `MOST_PROBABLE`; None: the map is computed elsewhere."""
        if loaded.explanations.backend != "onnx":
            return None
        classes = loaded.manifest.classes
        # A bundle without this class is asked too: it may be the one that answers, and then says so.
        return classes.index(self.finding) if self.finding in classes else MOST_PROBABLE


@dataclass(frozen=True, slots=True)
class PreparedFilms:
    """A film as it is prepared for the bundles of its plan, with which it was decoded."""

    plan: Plan
    by_spec: Mapping[PreprocessSpec, PreparedFilm]
    """Not for a bundle whose size asks for another decoding of a JPEG: see `Preparation.again`."""
    result: BatchResult | None = None
    """Of the first bundle, where it alone can answer and has seen the film already; None: it has not."""
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
    heat_map: HeatMapRequest | None = None
    """None: none is wanted."""
    left: threading.Event = field(default_factory=threading.Event)

    async def films(self, bundles: ServingBundles) -> PreparedFilms:
        """Decode the film, plan its route, and prepare it for the bundles that it will be shown to.

        Raises:
            FilmError: it cannot be decoded, or is not a radiograph.
        """
        first = bundles.first
        with _Place(first.metrics) as place:
            films = await self._in_lane(
                lambda reserve: self._planned(bundles, reserve, place), lambda films: self._shown(bundles, films)
            )
        if films.result is not None:
            first.batcher.count(1)
        return films

    async def again(self, live: LiveBundle) -> PreparedFilm:
        """Prepare the film for one more bundle, from a decoding that suits its size; see `films`."""
        spec = live.loaded.manifest.preprocess

        def prepared(reserve: Reserve) -> PreparedFilm:
            seen = self._answer(live, LookOrder(self._look((spec,)), runs=False), reserve).seen
            assert seen is not None  # noqa: S101 that was asked
            return seen.films[spec]

        return await self._in_lane(prepared)

    async def run(self, live: LiveBundle, film: PreparedFilm) -> BatchResult:
        """Show the film to the network of a bundle whose processes have not done so; see `Batcher.submit`."""
        target = None if self.heat_map is None else self.heat_map.target(live.loaded)
        return await live.batcher.submit(film.image, target=target, priority=self.priority)

    async def _in_lane(
        self, work: Callable[[Reserve], Result], then: Callable[[Result], Result] = lambda result: result
    ) -> Result:
        """The film's pixels end with `work`, before its share of the budget does; `then` needs none."""
        services = self.services

        def in_thread() -> Result:
            with services.decode_budget.share(urgent=self.priority == "stat") as reserve:
                result = work(reserve)
            return then(result)

        try:
            return await asyncio.get_running_loop().run_in_executor(services.decode_lanes.of(self.priority), in_thread)
        except asyncio.CancelledError:
            self.left.set()
            raise
        except FilmError as error:
            services.metrics.input_rejects.labels(error.code).inc()
            raise

    def _planned(self, bundles: ServingBundles, reserve: Reserve, place: "_Place") -> PreparedFilms:
        waited_s = place.left()
        first = bundles.first
        challenger = None if bundles.challenger is None else bundles.challenger.loaded.manifest.preprocess
        specs = dict.fromkeys(live.loaded.manifest.preprocess for live in bundles.live)
        target = None if self.heat_map is None else self.heat_map.target(first.loaded)
        # Who answers is known before the film is seen where one bundle alone can: then one visit to a process does all.
        order = LookOrder(self._look(tuple(specs), challenger), runs=bundles.is_alone, target=target)
        answer = self._answer(first, order, reserve)
        seen = answer.seen
        assert seen is not None  # noqa: S101 that was asked
        if seen.fault is not None:
            log.error("challenger_film_lost", error=seen.fault)
        planned = plan(bundles, seen.header.age_years, self.upload.population)
        result = None
        if answer.outputs is not None:
            outputs = first.loaded.answered(answer.outputs)
            result = BatchResult(outputs, waited_s + answer.waited_s, answer.inference_s)
        return PreparedFilms(planned, seen.films, result, seen.along)

    def _shown(self, bundles: ServingBundles, films: PreparedFilms) -> PreparedFilms:
        """Show the film to the network, where one bundle alone can answer and has a place for it at once."""
        if films.result is not None or not bundles.is_alone or self.left.is_set():
            return films
        first = bundles.first
        target = None if self.heat_map is None else self.heat_map.target(first.loaded)
        image = films.by_spec[first.loaded.manifest.preprocess].image
        result = first.batcher.run_at_once(image, target=target, priority=self.priority)
        return films if result is None else replace(films, result=result)

    def _look(self, specs: tuple[PreprocessSpec, ...], along: PreprocessSpec | None = None) -> Look:
        return Look(self.upload, specs, self.heat_map is not None, along)

    def _answer(self, live: LiveBundle, order: LookOrder, reserve: Reserve) -> Answer:
        """In a process of the bundle's, or where it has none in this thread, which does not run the network here."""
        if (readers := live.loaded.readers) is not None:
            return readers.look(order, priority=self.priority, reserve=reserve)
        return Answer(self.services.decoding.seen(order.look, reserve, is_left=self.left.is_set), None)


class _Place:
    """Of one film in the queue for a lane, from when it is handed in until its work begins or nobody waits for it."""

    def __init__(self, metrics: BundleMetrics) -> None:
        self._metrics = metrics
        self._since: float | None = None

    def __enter__(self) -> Self:
        self._metrics.waiting.count_in_lanes(1)
        self._since = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._since is not None:
            self.left()

    def left(self) -> float:
        """The seconds until now."""
        since, self._since = self._since, None
        self._metrics.waiting.count_in_lanes(-1)
        return 0.0 if since is None else time.perf_counter() - since
