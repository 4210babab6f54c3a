"""What was measured on one machine, as it is kept in docs/results/capacity.json."""

from pydantic import Field

from schemas.record import Record


class LoadPoint(Record):
    """One load, as it was predicted and as it was measured."""

    offered_films_s: float
    utilisation: float
    predicted_p50_s: float
    predicted_p99_s: float
    measured_films_s: float
    measured_p50_s: float
    measured_p99_s: float
    films: int
    foreign_cores: float = Field(description="that other programs used meanwhile")


class Measured(Record):
    """Figures of one machine and one bundle."""

    machine: str
    cores: int
    bundle: str
    measured_at: str
    film_bytes: int
    service_s: float = Field(description="processor time of one film by POST /predict, all threads")
    loop_s: float = Field(description="of it, that of the thread of the event loop")
    variability: float = Field(description="squared coefficient of variation of the answers' times without a queue")
    stored_service_s: float = Field(description="processor time of one film by STOW-RS, with the results that it gets")
    sqlite_films_s: float = Field(description="through the spool on SQLite: stored, claimed and filed, each on disk")
    postgresql_films_s: float | None = Field(description="the same on PostgreSQL; null: it is not installed")
    audit_records_s: float = Field(description="written by 64 callers, each line on disk")
    audit_bytes: float = Field(description="of the audit records of one film")
    record_bytes: float = Field(description="that stay in the spool's database for one film after its delivery")
    result_bytes: float = Field(description="of the objects that the PACS gets for one film")
    memory_mb: float = Field(description="of the process and its children, after the load")
    points: tuple[LoadPoint, ...]
