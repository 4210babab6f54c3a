"""The app inside the layers that see every request first."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.early_refusal import EarlyRefusal
from service.http.middleware import ProblemMiddleware, RequestMiddleware
from service.http.outer.cross_origin import CrossOrigin
from service.http.outer.inference_errors import InferenceErrors
from service.http.outer.leniency import Leniency
from service.http.outer.methods import Methods
from service.http.outer.spans import ServerSpans
from service.http.outer.versions import Versions
from service.services import Services


class Application:
    """The ASGI app: FastAPI inside the layers that see every request first.

    The layers are around FastAPI, not its `middleware`: those would be inside its body limit and its error handler, and
    what it does before them costs as much as a refusal.
    """

    def __init__(
        self, api: FastAPI, services: Services, routes: Sequence[APIRoute], origins: frozenset[str] = frozenset()
    ) -> None:
        """Put the layers around `api`.

        Args:
            api: answers what the layers let through.
            services: what the layers ask.
            routes: of `api`.
            origins: of the sites whose pages may ask.
        """
        self.api = api
        self.services = services
        layers: tuple[Callable[[ASGIApp], ASGIApp], ...] = (
            partial(Versions, routes=routes),
            InferenceErrors,
            partial(CrossOrigin, origins=origins),
            partial(
                EarlyRefusal,
                admission=services.admission,
                metrics=services.metrics,
                limits=services.limits,
                connections=services.connections,
            ),
            *([partial(ServerSpans, tracing=services.tracing)] if services.tracing.on else []),
            partial(RequestMiddleware, metrics=services.metrics, mode=services.mode),
            ProblemMiddleware,
            Leniency,
            partial(Methods, routes=routes),
        )
        self._outermost: ASGIApp = api
        for layer in reversed(layers):
            self._outermost = layer(self._outermost)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        await self._outermost(scope, receive, self._without_traceback(send) if scope["type"] == "lifespan" else send)

    @property
    def refusal(self) -> str | None:
        """Which setting cannot be honoured, where that was found while the app started."""
        reason: str | None = getattr(self.api.state, "refusal", None)
        return reason

    def _without_traceback(self, send: Send) -> Send:
        """Starlette reports why a start failed by a traceback, which may quote a password out of a library's error."""

        async def sent(message: Message) -> None:
            refused = message["type"] == "lifespan.startup.failed" and self.refusal is not None
            await send({"type": message["type"]} if refused else message)

        return sent

    def running(self) -> AbstractAsyncContextManager[object]:
        """The app's lifespan, for callers without a server."""
        return self.api.router.lifespan_context(self.api)
