"""A typed client of the service, for programs that send films; it knows the contract in `schemas.api` and nothing behind it."""

from service.client.connection import Client, Film, Terms
from service.client.errors import ClientError, NoAnswerError, ProblemError

__all__ = ["Client", "ClientError", "Film", "NoAnswerError", "ProblemError", "Terms"]
