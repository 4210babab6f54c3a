"""The tables of what was issued about films, and of their studies; in the database of the spool."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table, Text

from service.dicomweb.tables import SHA256, UID, metadata

issues: Final = Table(
    "issues",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True, comment="of the film, or the key of a study's summary"),
    Column("content_sha256", SHA256, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("model_sha256", SHA256, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("sent", Integer, nullable=False, comment="1: an attempt was made to send them"),
    Column("issued_at", Float(53), nullable=False),
    Column("header", LargeBinary, nullable=False, comment="whose the results are: what a withdrawal must state again"),
    Column("objects", Text, nullable=False, comment="JSON: schemas.analysis.ObjectReference of each object"),
    Index("issues_of_study", "study_instance_uid"),
)

studies: Final = Table(
    "studies",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("last_number", Integer, nullable=False, comment="InstanceNumber of the last film's results"),
    Column("due_at", Float(53), nullable=False, comment="when its summary is written; 0: nothing has changed"),
    Column("changed_at", Float(53), nullable=False),
    Index("studies_due", "due_at"),
)
