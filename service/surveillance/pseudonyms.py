"""Names of films that lead back to a patient only with the key of this database: verdicts find their film by them.

A plain hash would not do: accession numbers are few enough to try them all.
"""

import hmac
import secrets as random
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from service.surveillance.tables import secrets


class Pseudonyms:
    """Keyed digests of UIDs and accession numbers. Source: RFC 2104 (HMAC)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def film(self, sop_instance_uid: str) -> str:
        """Of a film, in 64 hexadecimal digits."""
        return self._digest("film", sop_instance_uid)

    def study(self, study_instance_uid: str) -> str:
        """Of a study."""
        return self._digest("study", study_instance_uid)

    def report(self, sop_instance_uid: str) -> str:
        """Of the SR about a film."""
        return self._digest("report", sop_instance_uid)

    def accession(self, accession_number: str) -> str:
        """Of an accession number."""
        return self._digest("accession", accession_number)

    def _digest(self, kind: str, value: str) -> str:
        return hmac.new(self._key, f"{kind}\0{value.strip()}".encode(), sha256).hexdigest()


def key_of(connection: Connection) -> bytes:
    """The key of this database; made where it has none yet."""
    known = connection.scalar(select(secrets.c.key).where(secrets.c.id == 1))
    if known is None:
        known = random.token_hex(32)
        connection.execute(insert(secrets).values(id=1, key=known))
    return bytes.fromhex(known)
