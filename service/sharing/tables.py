"""The tables of what replicas share; no column holds a name, a caller's key or a film that was sent."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

SHA256: Final = String(64)

metadata = MetaData()

quotas: Final = Table(
    "shared_quotas",
    metadata,
    Column("caller", SHA256, primary_key=True, comment="hash of the caller's identity"),
    Column("films", Float(53), nullable=False, comment="in the bucket at `filled_at`; below 0: a debt"),
    Column("filled_at", Float(53), nullable=False),
    Column("full_at", Float(53), nullable=False, comment="from then on the row means nothing"),
)

answers: Final = Table(
    "shared_answers",
    metadata,
    Column("name", SHA256, primary_key=True, comment="hash of caller, route and Idempotency-Key"),
    Column("caller", SHA256, nullable=False, comment="hash of the caller's identity"),
    Column("fingerprint", LargeBinary, nullable=False, comment="of the films and of what was asked of them"),
    Column("token", String(32), comment="of the process that works on it; NULL: it is answered"),
    Column("until", Float(53), nullable=False, comment="end of the lease, or of the answer"),
    Column("kept_at", Float(53), nullable=False),
    Column("size_bytes", Integer, nullable=False, comment="of the answer; 0: there is none yet"),
    Column("body", LargeBinary),
    Column("media_type", String(128)),
    Column("failure", String(64), comment="code of schemas.errors, where there is no body"),
    Column("detail", Text),
    Index("shared_answers_of_caller", "caller", "kept_at"),
    Index("shared_answers_until", "until"),
)
