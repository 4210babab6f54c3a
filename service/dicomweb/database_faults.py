"""Why the spool's database cannot be used, in words: a driver's text may hold a password, or a film."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import ArgumentError, NoSuchModuleError

_UNKNOWN: Final = "it failed for a reason of its own; see the log of the database"
_SQLITE: Final[Mapping[str, str]] = {
    "SQLITE_BUSY": "another program holds its file; end that one",
    "SQLITE_CANTOPEN": "its file cannot be opened; check that the folder exists and that the service may write there",
    "SQLITE_CORRUPT": "its file is damaged; move it away and start again, or restore it from a copy",
    "SQLITE_ERROR": "its tables are not those of this version; give another file",
    "SQLITE_FULL": "the disk is full; make room",
    "SQLITE_IOERR": "the disk cannot be read or written; see the log of the machine",
    "SQLITE_NOTADB": "its file is not a SQLite database; give another file",
    "SQLITE_PERM": "the service may not use its file; give the service the right to write it",
    "SQLITE_READONLY": "its file may only be read; give the service the right to write it",
}
"""By the start of SQLite's name of the error. Source: https://www.sqlite.org/rescode.html."""
_POSTGRESQL: Final[Mapping[str, str]] = {
    "25006": "it may only be read; name the server that may be written",
    "28000": "it does not let this user in; see its pg_hba.conf",
    "28P01": "it refuses the password; put the right one into PGPASSFILE",
    "3D000": "it has no database of this name; create it",
    "42501": "this user may not make or write its tables; grant it the right",
    "42P01": "its tables are not those of this version; give another database",
    "53100": "its disk is full; make room",
    "53300": "it has no connection left; raise its max_connections",
    "57P03": "it is starting or ending; try again",
}
"""By SQLSTATE. Source: PostgreSQL 17, appendix A."""
_LIBPQ: Final[Mapping[str, str]] = {
    "connection refused": "nothing listens at its address; check host and port, and that it runs",
    "no such file or directory": "nothing listens at its address; check host and port, and that it runs",
    "could not translate host name": "its host is not known; check the name",
    "failed to resolve host": "its host is not known; check the name",
    "no password supplied": "it asks for a password; put it into PGPASSFILE",
    "password authentication failed": _POSTGRESQL["28P01"],
    "no pg_hba.conf entry": _POSTGRESQL["28000"],
    "too many clients": _POSTGRESQL["53300"],
    "starting up": _POSTGRESQL["57P03"],
    "timeout": "it does not answer; check host and port, and the firewall",
    'database "': _POSTGRESQL["3D000"],
    'role "': "it does not know this user; create the role",
}
"""By what libpq writes where no connection comes about, which has no SQLSTATE; servers in other languages say it in
other words."""


def database_fault(error: Exception) -> str:
    """What happened, and the remedy; nothing of the error's own text.

    Args:
        error: of SQLAlchemy, of the driver's import, or of the file system.
    """
    if isinstance(error, NoSuchModuleError):
        return "it names a kind of database that is not known"
    if isinstance(error, ArgumentError):
        return "it is not the address of a database"
    if isinstance(error, ImportError):
        return "the driver of this kind of database is not installed"
    if isinstance(error, OSError):
        return error.strerror or _UNKNOWN
    cause = getattr(error, "orig", None)
    name = getattr(cause, "sqlite_errorname", None) or ""
    state = getattr(cause, "sqlstate", None) or ""
    text = str(cause).lower()
    return (
        next((words for start, words in _SQLITE.items() if name.startswith(start)), None)
        or _POSTGRESQL.get(state)
        or next((words for part, words in _LIBPQ.items() if not name and part in text), _UNKNOWN)
    )
