"""What the commands about a site's own evidence share: the site's key, and the chain in which their acts stand."""

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bundle.signing import read_key
from schemas.errors import CxrError, SettingsError
from service.audit.files import AuditFile
from service.audit.record import AuditEntry, Event

CHAIN: Final = "audit.jsonl"
KEYGEN: Final = "python -m service site keygen"
_LARGEST: Final = 64 * 1024 * 1024


def site_key(path: Path) -> Ed25519PrivateKey:
    """The site's private key; nobody but its owner may read the file.

    Raises:
        SettingsError: others may read it.
        SigningKeyError: it cannot be read.
    """
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        msg = f"{path} can be read by others than its owner, who could sign in the site's name; run chmod 600 {path}"
        raise SettingsError(msg)
    return read_key(path, remedy=KEYGEN)


@dataclass(frozen=True, slots=True)
class EvidenceChain:
    """An audit log of the acts of one site; `python -m service audit verify --file` checks it."""

    file: AuditFile

    def record(self, event: Event, outcome: str, **facts: Any) -> None:
        """Write one act; it is on the disk when this returns.

        Raises:
            SettingsError: it cannot be written.
        """
        try:
            self.file.append([AuditEntry(at=datetime.now(UTC), event=event, caller="site", outcome=outcome, **facts)])
        except OSError as error:
            msg = f"the chain of evidence cannot be written ({error.strerror}); nothing is done that it does not hold"
            raise SettingsError(msg) from error


@contextmanager
def evidence_chain(path: Path) -> Iterator[EvidenceChain]:
    """The chain in this file, which is made where it is missing.

    Raises:
        SettingsError: it cannot be opened, or another program writes it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path.parent} cannot be made ({error.strerror}); name another file by --audit-file"
        raise SettingsError(msg) from error
    with closing(AuditFile(path, max_bytes=_LARGEST, sync=True)) as file:
        yield EvidenceChain(file)


@contextmanager
def recorded_failure(chain: EvidenceChain, event: Event) -> Iterator[None]:
    """What is begun stands in the chain with its end, also where that is a refusal."""
    try:
        yield
    except CxrError as error:
        chain.record(event, error.code)
        raise
