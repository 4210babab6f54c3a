"""A typed client of the service, for programs that send films; it knows the contract in `schemas.api` and no more."""

from service.client.connection import Client, Film
from service.client.errors import ClientError, NoAnswerError, ProblemError
from service.client.options import CallOptions

__all__ = ["CallOptions", "Client", "ClientError", "Film", "NoAnswerError", "ProblemError"]
