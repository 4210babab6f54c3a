"""What replicas share, or one process has for itself, as one object."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from service.capacity.kept_answers import Answers
from service.security.quota import Buckets


@dataclass(frozen=True, slots=True)
class State:
    """Quotas and kept answers of one process, or of all replicas."""

    buckets: Buckets
    answers: Answers
    running: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Keeps house as long as the app runs, and closes the database."""
