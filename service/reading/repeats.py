"""Films of the same bytes: what was answered once is given again, to a request of its own.

What is kept is the answer of the bundle, before anything that depends on the request: who may see it, whether the
service is suspended, ids and times. Failures are not kept, nor pixels, nor what the film's header states.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np

from imaging.quality import InputStatistics
from imaging.radiograph import NOTHING_STATED
from schemas.api import ImageFacts, Prediction, Route
from service.audit.accounts import FilmDigest
from service.capacity.result_cache import ResultKey
from service.engine.engine import Outputs
from service.engine.film_queue import BatchResult
from service.films.look import PreparedFilm, Upload
from service.models.live import ServingBundles
from service.reading.explain import ExplainedFilm
from service.reading.predict import Reading, given
from service.services import Services

OVERHEAD_BYTES: Final = 2048
"""What an answer takes in addition to its bytes: its key, its statistics, its place in tables."""

Answer = TypeVar("Answer", Reading, ExplainedFilm[Any])

_CLAIMS_NOTHING: Final = "application/octet-stream"
_NO_VALUES: Final = np.empty((0,), np.float32)
_NO_OUTPUTS: Final = BatchResult(Outputs(_NO_VALUES, _NO_VALUES, _NO_VALUES), queue_s=0.0, inference_s=0.0)
"""Of a film that no network saw for this request."""


@dataclass(frozen=True, slots=True)
class RepeatableFilm:
    """A film whose answer may be kept."""

    upload: Upload
    digest: FilmDigest
    asked: tuple[str, ...]
    """Everything that the caller asks of it, the kind of answer first; empty: the answer is not kept."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer without anything that belongs to its request, or to a bundle: a swap must free the old one's memory.

    Its records are JSON: as objects they take five times as much, 54 kB of fourteen findings.
    """

    place: int
    """Of the bundle that answered, among those that serve."""
    route: Route
    facts: bytes
    statistics: InputStatistics
    prediction: bytes
    """As the bundle gave it, whether or not the service was suspended."""
    drawn: Mapping[str, Any] | None
    """The fields of an `ExplainedFilm` but its reading; None: no heat map was asked for."""

    @property
    def size_bytes(self) -> int:
        return OVERHEAD_BYTES + _bulk(self)


async def answered(
    services: Services, bundles: ServingBundles, film: RepeatableFilm, work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """The answer that is kept for a film, or that of `work`, which is then kept.

    Args:
        services: their cache is asked; without one, `work` is all that is done.
        bundles: those that serve during this request.
        film: and what is asked of it.
        work: reads the film; admitted and in time.

    Raises:
        CxrError: see `work`.
    """
    if not services.results.on or not film.asked:
        return await work()
    key = ResultKey(await film.digest.hex(), bundles.answers_sha256, (*film.asked, _stated(film.upload)))
    kept = services.results.find(key, _Kept)
    if kept is not None:
        return cast("Answer", _given_again(services, bundles, kept))  # the kind of answer is a part of the question
    answer = await work()
    kept = _kept(bundles, answer)
    services.results.keep(key, kept, kept.size_bytes)
    return answer


def _stated(upload: Upload) -> str:
    """What the caller says of the film; of the declared type, as one that the content contradicts is refused."""
    facts = upload.stated
    declared = (upload.declared_type or _CLAIMS_NOTHING).partition(";")[0].strip().lower()
    return repr((declared, upload.population, facts.age_years, facts.statements))


def _kept(bundles: ServingBundles, answer: Reading | ExplainedFilm[Any]) -> _Kept:
    explained = isinstance(answer, ExplainedFilm)
    reading = answer.reading if isinstance(answer, ExplainedFilm) else answer
    drawn = {each.name: getattr(answer, each.name) for each in fields(answer) if each.name != "reading"}
    film = reading.film
    place = next(place for place, live in enumerate(bundles.live) if live is reading.live)
    facts, prediction = (record.model_dump_json().encode() for record in (film.facts, reading.judged))
    return _Kept(place, reading.route, facts, film.statistics, prediction, drawn if explained else None)


def _given_again(services: Services, bundles: ServingBundles, kept: _Kept) -> Reading | ExplainedFilm[Any]:
    film = PreparedFilm(
        facts=ImageFacts.model_validate_json(kept.facts),
        shown=None,
        header=NOTHING_STATED,
        image=_NO_VALUES,
        statistics=kept.statistics,
        decode_s=0.0,
        preprocess_s=0.0,
    )
    live = bundles.live[kept.place]
    prediction = Prediction.model_validate_json(kept.prediction)
    reading = given(services, Reading(live, kept.route, film, _NO_OUTPUTS, prediction, repeated=True))
    return reading if kept.drawn is None else ExplainedFilm(reading=reading, **kept.drawn)


def _bulk(value: object) -> int:
    """Bytes of the pictures and arrays in a value, its records and mappings included."""
    if isinstance(value, bytes | np.ndarray):
        return len(value) if isinstance(value, bytes) else value.nbytes
    if isinstance(value, Mapping):
        return sum(map(_bulk, value.values()))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(_bulk(getattr(value, each.name)) for each in fields(value))
    return 0
