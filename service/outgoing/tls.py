"""TLS towards a counterpart: who vouches for it, and the certificate that we show it, read again when it changes."""

import contextlib
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from schemas.errors import SettingsError
from service.security.watched_file import warn_of_open_file

log = structlog.get_logger("service.outgoing")


def load_own(context: ssl.SSLContext, certificate: Path, key: Path | None, name: str) -> None:
    """Show this certificate.

    Raises:
        SettingsError: a file cannot be read, or the key is not that of the certificate; `name` is the setting's.
    """
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        msg = (
            f"{name} and its key cannot be used ({reason or 'no PEM, a key with a password, or not a pair'}); give "
            "a certificate chain and its key in PEM"
        )
        raise SettingsError(msg) from error
    if key is not None:
        warn_of_open_file(key, secret=True)


def trust(context: ssl.SSLContext, authorities: Path, name: str) -> None:
    """Accept certificates that these vouch for.

    Raises:
        SettingsError: they cannot be read; `name` is the setting's.
    """
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        msg = f"{name} holds no certificates that can be read; give a file in PEM"
        raise SettingsError(msg) from error


@dataclass(slots=True)
class ClientTls:
    """The context of one counterpart.

    Invariant: what was loaded last stays in force until a replacement is whole: the two files of a pair are replaced
    one after the other. Connections that are open keep what they began with.
    """

    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    prefix: str = ""
    """Of the settings' names in messages."""
    context: ssl.SSLContext = field(init=False)
    _state: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Read the files.

        Raises:
            SettingsError: one of them cannot be used.
        """
        self.context = ssl.create_default_context() if self.ca_file is None else bare_context()
        self._state = self._look()
        self._load(self.context)

    def refresh(self) -> None:
        """Read the files again where they have changed; done before a request, three `stat` long."""
        if (state := self._look()) == self._state:
            return
        self._state = state  # even where reading fails: the reason is logged once, not at every request
        try:
            self._load(bare_context())  # a failure in the middle would leave the context with half a pair
            self._load(self.context)
        except SettingsError as error:
            log.error("certificates_refused", reason=str(error))  # noqa: TRY400 the reason is enough
        else:
            log.info("certificates_reloaded")

    def _load(self, context: ssl.SSLContext) -> None:
        if self.ca_file is not None:
            trust(context, self.ca_file, self._name("ca_file"))
        if self.cert_file is not None:
            load_own(context, self.cert_file, self.key_file, self._name("tls_cert_file"))

    def _name(self, field_name: str) -> str:
        return (self.prefix + field_name).upper() if self.prefix else field_name

    def _look(self) -> tuple[object, ...]:
        states: list[object] = []
        for file in filter(None, (self.ca_file, self.cert_file, self.key_file)):
            status = None
            with contextlib.suppress(OSError):
                status = os.stat(file)  # noqa: PTH116 as in service.security.watched_file
            states.append(None if status is None else (status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(states)


def bare_context() -> ssl.SSLContext:
    """Of a client that trusts nobody yet: a hospital's own authority alone, not those of the internet."""
    context = ssl.create_default_context()
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.verify_flags = context.verify_flags
    bare.minimum_version = ssl.TLSVersion.TLSv1_2
    return bare


def _no_password() -> bytes:
    """Asked for where a key is encrypted: OpenSSL would wait at a terminal otherwise."""
    return b""
