"""The life of a request of films: hold the bundles, receive, admit, read in time while the caller waits, record.

Each route of films is one `async with` of this module; no route nests these steps itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from service.audit.accounts import FilmDigest, audited_reading
from service.films.look import Upload
from service.http.authorization import caller_of, origin_of
from service.http.current import services_in
from service.http.idempotency import IdempotencyKey, answered_once, fingerprint_of, replayed
from service.http.request_body import read_films
from service.http.request_options import SILENCE, CallersWord, RequestOptions, options_of, while_caller_waits
from service.models.live import ServingBundles
from service.reading.repeats import Answer, RepeatableFilm, answered
from service.reading.routing import check_word
from service.services import Services
from service.tracing.span import exemplar, stage

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ReceivedFilms:
    """The films of a request, in memory and counted; their caller waits."""

    request: Request
    services: Services
    options: RequestOptions
    uploads: tuple[Upload, ...]

    async def work(self, work: Callable[[Upload], Awaitable[Result]]) -> Result:
        """Work on the only film: admitted, within the deadline, and while the caller waits.

        Raises:
            OverloadedError: there is no place for it.
            DeadlineError: the caller's time is over.
            ClientDisconnect: the caller left.
        """
        (upload,) = self.uploads
        return await while_caller_waits(self.request, self._admitted(lambda: self._in_time(work(upload))))

    async def _admitted(self, work: Callable[[], Awaitable[Result]]) -> Result:
        with self.services.admission.admit(len(self.uploads), self.options.priority):
            return await work()

    async def _in_time(self, work: Awaitable[Result]) -> Result:
        async with self.options.deadline(self.services.metrics):
            return await work


@dataclass(frozen=True, slots=True)
class FilmsToRead(ReceivedFilms):
    """Films that the bundles which serve read, and whose readings are recorded in the audit log."""

    bundles: ServingBundles
    key: IdempotencyKey | None = None
    """A caller who has sent one comes back for the answer, and need not wait for it."""

    async def read(self, reader: Callable[[Upload], Awaitable[Answer]], *asked: str) -> Answer:
        """Read the only film; see `ReceivedFilms.work`.

        Args:
            reader: reads it.
            asked: all that decides the answer in addition to the film, the kind of answer first; none: the answer is
                not kept for films of the same bytes.

        Raises:
            AuditUnavailableError: the answer cannot be recorded.
        """
        (upload,) = self.uploads
        reading = self._recorded(upload, lambda: self._admitted(lambda: self._in_time(reader(upload))), asked)
        return await (reading if self.key is not None else while_caller_waits(self.request, reading))

    async def answer(self, work: Callable[[], Awaitable[Response]], *asked: str) -> Response:
        """Answer the request by `work`, unless it had its answer before; its films are taken from the caller's quota.

        Args:
            work: reads the film and words the answer.
            asked: what decides the answer in addition to the film.

        Raises:
            IdempotencyKeyInUseError: its answer is being worked on.
            IdempotencyKeyReusedError: the key was sent with another film, or asked something else of it.
        """
        key = self.key
        if key is None:
            return await work()
        if self.services.stop.suspension is not None:  # what was answered before is not answered now
            await self._count()
            return await work()
        fingerprint = await asyncio.to_thread(fingerprint_of, (upload.data for upload in self.uploads), asked)
        async with self.services.answers.once(key.name, fingerprint) as turn:
            if turn.answer is not None:
                return replayed(turn.answer)
            await self._count()
            return await answered_once(turn, work)

    async def _count(self) -> None:
        await self.services.gate.count(caller_of(self.request), len(self.uploads))

    async def read_each(
        self,
        reader: Callable[[Upload], Awaitable[Answer]],
        answer: Callable[[int, Awaitable[Answer]], Awaitable[Result]],
        *asked: str,
    ) -> tuple[Result, ...]:
        """Read all films at the same time, each recorded and within the deadline on its own.

        Args:
            reader: reads one.
            asked: see `read`.
            answer: turns the reading of the film at an index, or its failure, into a result.

        Raises:
            OverloadedError: there are no places for all of them.
            ClientDisconnect: the caller left.
        """

        def read_one(upload: Upload) -> Awaitable[Answer]:
            return self._recorded(upload, lambda: self._in_time(reader(upload)), asked)

        async def read_all() -> tuple[Result, ...]:
            results = (answer(index, read_one(upload)) for index, upload in enumerate(self.uploads))
            return tuple(await asyncio.gather(*results))

        return await while_caller_waits(self.request, self._admitted(read_all))

    async def _recorded(self, upload: Upload, work: Callable[[], Awaitable[Answer]], asked: tuple[str, ...]) -> Answer:
        film = RepeatableFilm(upload, FilmDigest(upload.data), asked)
        once = partial(answered, self.services, self.bundles, film, work)
        origin = origin_of(self.request)
        return await audited_reading(self.services.audit, origin, film.digest, self.bundles.only_reference, once)


@dataclass(frozen=True, slots=True)
class FilmRequest:
    """A request whose films have not arrived yet: the dependency of each route of films."""

    request: Request
    services: Services
    options: RequestOptions

    async def receive(self, part: str = "file", at_most: int = 1) -> ReceivedFilms:
        """Wait for the films, and take them from the caller's quota.

        Args:
            part: name of the multipart parts that hold films.
            at_most: films accepted.

        Raises:
            MalformedRequestError, BodyTooLargeError: see `service.http.request_body.read_films`.
            DeadlineError: the body did not arrive in time.
        """
        return ReceivedFilms(self.request, self.services, self.options, await self._uploads(part, at_most))

    @asynccontextmanager
    async def begin(
        self,
        part: str = "file",
        at_most: int = 1,
        *,
        word: CallersWord = SILENCE,
        key: IdempotencyKey | None = None,
        check: Callable[[ServingBundles], None] = lambda _: None,
    ) -> AsyncIterator[FilmsToRead]:
        """Hold the bundles that serve, and receive the films; see `receive`.

        Args:
            part: name of the multipart parts that hold films.
            at_most: films accepted.
            word: what the caller says of the films.
            key: of a request whose films are counted once it is known whether it had its answer before.
            check: refuses what the bundles cannot answer, before the body is read.

        Raises:
            InvalidParameterError: no bundle answers this population.
            NotReadyError: no bundle serves, or the service is draining.
            AuditUnavailableError: what is answered could not be recorded.
        """
        with self.services.hold() as bundles:
            check_word(bundles, word.population)
            check(bundles)
            uploads = await self._uploads(part, at_most, counted=key is None)
            stated = tuple(word.about(upload) for upload in uploads)
            yield FilmsToRead(self.request, self.services, self.options, stated, bundles, key)

    async def _uploads(self, part: str, at_most: int, *, counted: bool = True) -> tuple[Upload, ...]:
        services = self.services
        async with self.options.deadline(services.metrics):
            with stage("upload"):
                uploads = await read_films(self.request, part=part, at_most=at_most)
            services.metrics.stage_duration.labels("upload").observe(self.options.elapsed_s, exemplar())
            if counted:
                await services.gate.count(caller_of(self.request), len(uploads))
        return uploads


async def film_request_of(request: Request) -> FilmRequest:
    """The request of films that a route answers; see `options_of`."""
    return FilmRequest(request, services_in(request), options_of(request))


CurrentFilmRequest = Annotated[FilmRequest, Depends(film_request_of)]
