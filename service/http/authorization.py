"""What a route demands of its caller, and how the audit log names who asks."""

from typing import Final

from fastapi import Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase

from schemas.errors import ForbiddenError, UnauthenticatedError
from service.audit.accounts import Origin
from service.http.current import services_in
from service.security.callers import Caller, Scope

API_KEY: Final = APIKeyHeader(name="X-API-Key", auto_error=False, description="written by `python -m service keys`")
_BEARER: Final = HTTPBearer(auto_error=False, description="a token of the identity provider, or an API key")
"""A caller sends this or an API key by itself (`service.http.openapi.document` adds the second way)."""


class Requires(SecurityBase):
    """The dependency of a route for callers with `scope` alone: `dependencies=[Depends(Requires("predict"))]`.

    What only reads, and belongs to no film that the caller sends, is for callers with the scope `read` too.
    """

    def __init__(self, scope: Scope, *, reads: bool = False) -> None:
        self.model = _BEARER.model
        self.scheme_name = _BEARER.scheme_name
        self.scope = scope
        self.reads = reads

    async def __call__(self, request: Request) -> None:
        """Put the caller into the request's state, where the films of the request are counted."""
        services = services_in(request)
        if not services.gate.needs_caller(self.scope):
            return
        api_key, bearer = await API_KEY(request), await _BEARER(request)
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
