"""How the network of a bundle is opened for films that processes read."""

from bundle.opening import Bundle
from schemas.engine.tuning import Provider
from schemas.model.precision import Precision
from service.engine.engine import Engine, EngineOpener
from service.engine.tuned import profile_of, tuned
from service.films.nursery import Nursery
from service.films.plan import OnDeath, ReaderPlan
from service.films.reader import ReaderOptions
from service.films.readers import FilmReaders
from service.settings import Settings


def readers_opener(
    nursery: Nursery | None, settings: Settings, on_death: OnDeath, otherwise: EngineOpener
) -> EngineOpener:
    """What opens the network of a bundle in processes; `otherwise` where films are left to threads of the service."""
    engine = settings.engine
    if nursery is None or not engine.may_read_in_processes:
        return otherwise

    def open_engine(
        bundle: Bundle,
        *,
        provider: Provider,
        intra_op_threads: int,
        precision: Precision = "fp32",
    ) -> Engine:
        own = tuned(engine.of(bundle.manifest.name), profile_of(bundle, engine), bundle.manifest.offered)
        if not own.processes:  # no profile asks for them
            return otherwise(bundle, provider=provider, intra_op_threads=intra_op_threads, precision=precision)
        decode = settings.decode
        options = ReaderOptions(precision, settings.limits.max_pixels, decode.memory_bytes, decode.timeout_s)
        return FilmReaders(nursery, bundle, ReaderPlan(own.processes, options, engine.run_timeout_s, on_death))

    return open_engine
