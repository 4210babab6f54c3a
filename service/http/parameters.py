"""Parameters that the routes of films read by themselves, out of the declarations that FastAPI takes elsewhere.

FastAPI goes through a tree of dependencies and through every parameter of it for each request: 0.5 ms of the 18 that a
film takes, for nine parameters of which most callers state none.
"""

from typing import Any, Generic, TypeVar, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Param, ParamTypes
from pydantic import TypeAdapter, ValidationError

Value = TypeVar("Value")


class Parameter(Generic[Value]):
    """One parameter of a request, in its query string or its headers."""

    def __init__(self, declared: Any, name: str = "") -> None:
        """`declared` is `Annotated[..., Query(...)]` or with `Header`; `name` is that of one that has no alias."""
        (stated,) = (each for each in get_args(declared) if isinstance(each, Param))
        self.name = stated.alias or name
        self._place = stated.in_
        self._description = stated.description
        self._adapter: TypeAdapter[Value] = TypeAdapter(declared)

    def of(self, request: Request) -> Value | None:
        """The value that a request states; None: it states none.

        Raises:
            RequestValidationError: it is not one of those that are allowed.
        """
        stated = request.query_params if self._place is ParamTypes.query else request.headers
        if (text := stated.get(self.name)) is None:
            return None
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            place = (self._place.value, self.name)
            raise RequestValidationError([entry | {"loc": place} for entry in error.errors()]) from error

    @property
    def document(self) -> dict[str, Any]:
        """As OpenAPI describes it."""
        title = self.name.title().replace("_", " ")
        return {
            "name": self.name,
            "in": self._place.value,
            "required": False,
            "schema": self._adapter.json_schema() | {"title": title},
            "description": self._description,
        }


def described(*parameters: Parameter[Any]) -> dict[str, Any]:
    """The OpenAPI `parameters` of an operation, in addition to those that FastAPI finds."""
    return {"parameters": [parameter.document for parameter in parameters]}
