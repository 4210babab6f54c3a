"""What is asked of a new job, and what comes of it; without the database in which jobs are kept."""

from dataclasses import dataclass

from schemas.bodies.jobs import Job, JobSource


@dataclass(frozen=True, slots=True)
class Asked:
    """A new job, without its films."""

    caller: str
    fingerprint: str
    """SHA-256 of what was asked."""
    source: JobSource
    idempotency_key: str | None = None
    verify: bool = False
    notify: str | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A job, and whether it is of an earlier request of the same key."""

    job: Job
    is_known: bool
