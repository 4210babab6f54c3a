"""What every kind that speaks HTTP shares: its address, certificates and credentials, and how they are opened."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.entry import Entry
from service.outgoing.counterpart import Counterpart
from service.outgoing.line import Line, LineOptions, open_line
from service.outgoing.oauth import OAuthClient
from service.settings.loopback import is_loopback


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        msg = "must be https://HOST/PATH, without a login in it and without ? and #"
        raise ValueError(msg)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class WebEntry(Entry):
    """A destination that speaks HTTP."""

    url: WebAddress = Field(description="https://HOST/PATH")
    unencrypted: bool = Field(default=False, description="accept an address with http:// on another machine")
    ca_file: Path | None = Field(default=None, description="certificates that vouch for it; default: the public ones")
    tls_cert_file: Path | None = Field(
        default=None, description="certificate chain (PEM) that it is shown; read again when it changes"
    )
    tls_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")
    token_file: Path | None = Field(default=None, description="file with a bearer token; read at every request")
    login_file: Path | None = Field(default=None, description="file with user:password; read at every request")
    oauth: OAuthClient | None = Field(default=None, description="bearer tokens by client credentials")

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not (self.unencrypted or is_loopback(parts.hostname or "")):
            msg = "url must begin with https://, as it leaves this machine; or state unencrypted: true"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if sum(way is not None for way in (self.token_file, self.login_file, self.oauth)) > 1:
            msg = "token_file, login_file and oauth are ways to the same destination; name one of them"
            raise ValueError(msg)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            msg = "tls_cert_file and tls_key_file belong together: name both, or none"
            raise ValueError(msg)
        return self


def counterpart_of(entry: Entry) -> Counterpart:
    """The destination, as messages name it."""
    return Counterpart(f"destination {entry.name}", DestinationUnreachableError, DestinationRefusedError)


def line_to(entry: WebEntry, *, base_url: str = "") -> AbstractAsyncContextManager[Line]:
    """Open a line to it; `base_url` ends with a slash, where addresses are below it.

    Raises:
        SettingsError: certificates cannot be read, or credentials cannot be sent.
    """
    return open_line(
        LineOptions(
            counterpart_of(entry),
            entry.timeout_s,
            base_url=base_url,
            ca_file=entry.ca_file,
            cert_file=entry.tls_cert_file,
            key_file=entry.tls_key_file,
            token_file=entry.token_file,
            login_file=entry.login_file,
            oauth=entry.oauth,
        )
    )
