"""The table of what challengers answer, in the database of the spool; it outlasts the films, and names no patient."""

from typing import Final

from sqlalchemy import Column, Float, Index, String, Table, Text

from service.dicomweb.tables import metadata
from service.surveillance.tables import KEY

answers: Final = Table(
    "challenger_answers",
    metadata,
    Column("film_key", KEY, primary_key=True, comment="as in surveillance_readings"),
    Column("challenger_sha256", String(64), primary_key=True),
    Column("active_sha256", String(64), nullable=False, comment="of the bundle that answered the film"),
    Column("challenger", String(200), nullable=False, comment="NAME/VERSION"),
    Column("read_at", Float(53), nullable=False),
    Column("sex", String(1), nullable=False, comment="M, F or O; empty: not stated"),
    Column("answer", Text, nullable=False, comment="schemas.evidence.challenger.ChallengerAnswer as JSON"),
    Index("challenger_answers_in_time", "challenger_sha256", "read_at"),
)
