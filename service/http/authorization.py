"""What a route demands of its caller, and how the audit log names who asks."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from schemas.errors import ForbiddenError, UnauthenticatedError
from service.audit.accounts import Origin
from service.http.current import services_in
from service.security.callers import Caller, Scope

_API_KEY: Final = APIKeyHeader(name="X-API-Key", auto_error=False, description="written by `python -m service keys`")
_BEARER: Final = HTTPBearer(auto_error=False, description="a token of the identity provider, or an API key")


@dataclass(frozen=True, slots=True)
class Requires:
    """The dependency of a route for callers with `scope` alone: `dependencies=[Depends(Requires("predict"))]`.

    What only reads, and belongs to no film that the caller sends, is for callers with the scope `read` too.
    """

    scope: Scope
    reads: bool = False

    async def __call__(
        self,
        request: Request,
        api_key: Annotated[str | None, Security(_API_KEY)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> None:
        """Put the caller into the request's state, where the films of the request are counted."""
        services = services_in(request)
        if not services.gate.needs_caller(self.scope):
            return
        token = None if bearer is None else bearer.credentials
        try:
            caller = await services.gate.identify(api_key or token)
            request.state.caller = caller
            services.gate.check_page(caller, request.method, request.headers)
            await services.gate.admit(caller, self.scope, *(("read",) if self.reads else ()))
        except (UnauthenticatedError, ForbiddenError) as error:
            services.audit.record_without_waiting("refusal", **origin_of(request).facts, outcome=error.code)
            raise


def caller_of(request: Request) -> Caller:
    """The caller whom `Requires` has let in."""
    caller: Caller = request.state.caller
    return caller


def origin_of(request: Request) -> Origin:
    """Who asks; the gate has let them in, or is refusing them."""
    caller: Caller | None = getattr(request.state, "caller", None)
    name = "unknown" if caller is None else caller.identity
    address = None if request.client is None else request.client.host
    return Origin(name, request.scope["route"].path, request.state.request_id, address=address)
