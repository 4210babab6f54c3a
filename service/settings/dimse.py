"""Settings of the DICOM network (DIMSE): the process that receives films by C-STORE, and whom it lets in."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from service.settings.injected import is_service_link
from service.settings.loopback import is_loopback
from service.settings.section import Section, matching

_TITLE: Final = r"[!-?A-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?"
"""PS3.5 table 6.2-1, AE: up to 16 characters without a backslash; here without @ at its start and blanks around it."""
_TITLE_RULE: Final = "must be an AE title: 1 to 16 characters of ASCII without a backslash"
_PEER: Final = re.compile(rf"({_TITLE})@([^@\s]+):([0-9]{{1,5}})")
_PEER_RULE: Final = "must be AETITLE@HOST:PORT"
_MOST_PORT: Final = 65535


class Peer(NamedTuple):
    """Another application entity of the network."""

    title: str
    host: str
    port: int


def peer_of(value: str) -> Peer:
    """Read AETITLE@HOST:PORT.

    Raises:
        ValueError: it is none; the text is the rule.
    """
    found = _PEER.fullmatch(value.strip())
    if found is None or not 0 < int(found[3]) <= _MOST_PORT:
        raise ValueError(_PEER_RULE)
    return Peer(found[1], found[2].strip("[]"), int(found[3]))


def _peer(value: object) -> object:
    return peer_of(value) if isinstance(value, str) else value


def _listed(value: object) -> object:
    return tuple(entry.strip() for entry in value.split(",")) if isinstance(value, str) else value


def _peers(value: object) -> object:
    return tuple(map(peer_of, value.split(","))) if isinstance(value, str) else value


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ipaddress.ip_network(entry.strip()) for entry in value.split(","))
    except ValueError:
        msg = "must be addresses or networks such as 10.0.0.5 or 10.1.0.0/16, separated by commas"
        raise ValueError(msg) from None


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Title = Annotated[str, matching(_TITLE, _TITLE_RULE)]
OnePeer = Annotated[Peer, NoDecode, BeforeValidator(_peer)]
"""An application entity as AETITLE@HOST:PORT."""


class DimseSettings(Section):
    """The process `python -m service dimse`: where it listens, and whom it lets in."""

    model_config = SettingsConfigDict(env_prefix="CXR_DIMSE_")

    ae_title: Title = Field(
        default="CXR", description="AE title under which films are received, and results sent by CXR_PACS_DIMSE"
    )
    host: str = Field(default="127.0.0.1", description="address on which `python -m service dimse` listens")
    port: Annotated[int, Field(ge=0, le=_MOST_PORT)] = Field(default=11112, description="its port; 0: any free one")
    calling_titles: Annotated[tuple[Title, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="AE titles that may call, separated by commas; needed unless CXR_DIMSE_HOST is this machine itself",
    )
    calling_addresses: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        default=(),
        description="addresses and networks that may call, separated by commas, this machine always; default: all",
    )
    max_associations: Annotated[int, Field(ge=1, le=200)] = Field(
        default=10, description="associations at the same time; one more is rejected, and the sender tries again"
    )
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1024 * 1024)] = Field(
        default=65536, description="longest PDU that is received; a longer one ends its association"
    )
    idle_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=60.0, description="time in which an association must send something, and in which a PDU must arrive"
    )
    service_url: Annotated[str, matching(r"https?://[^@?#]+", "must be http://HOST:PORT, without a login")] = Field(
        default="http://127.0.0.1:8000",
        description="the service to which the process hands films (POST /dicomweb/studies) before it confirms them",
    )
    api_key_file: Path | None = Field(
        default=None,
        description="file with the process's own key for the service, of the scope `dicom`; read each time",
    )
    commit_films: bool = Field(
        default=False,
        description="answer requests for storage commitment: yes to each film that the service has taken. It is not an "
        "archive and deletes films after their analysis: no modality may delete films because of it",
    )
    peers: Annotated[tuple[Peer, ...], NoDecode, BeforeValidator(_peers)] = Field(
        default=(),
        description="AETITLE@HOST:PORT of callers that expect the answer to a storage commitment on an association of "
        "its own, separated by commas; others get it on theirs",
    )
    tls_cert_file: Path | None = Field(
        default=None, description="certificate chain (PEM) of the process; with it DICOM TLS alone is spoken"
    )
    tls_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")
    tls_ca_file: Path | None = Field(
        default=None, description="certificates that vouch for callers: each must then show one (mutual TLS)"
    )
    metrics_port: Annotated[int, Field(ge=1, le=_MOST_PORT)] | None = Field(
        default=None, description="port on CXR_DIMSE_HOST with the process's own /metrics; default: none"
    )

    @field_validator("port", mode="before")
    @classmethod
    def _pass_over_service_link(cls, value: Any) -> Any:
        """Beside a Service named `cxr-dimse`, Kubernetes sets CXR_DIMSE_PORT itself: that is not where to listen."""
        return cls.model_fields["port"].default if is_service_link(str(value)) else value

    @model_validator(mode="after")
    def _check_callers(self) -> Self:
        if not self.calling_titles and not is_loopback(self.host):
            msg = (
                "dimse_host is reachable from other machines and nobody is named who may call; set "
                "CXR_DIMSE_CALLING_TITLES, or listen on 127.0.0.1"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_certificates(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            msg = "dimse_tls_cert_file and dimse_tls_key_file belong together: set both, or none"
            raise ValueError(msg)
        if self.tls_ca_file is not None and self.tls_cert_file is None:
            msg = "dimse_tls_ca_file demands certificates of callers, and DICOM TLS is off; set CXR_DIMSE_TLS_CERT_FILE"
            raise ValueError(msg)
        return self

    @property
    def peers_by_title(self) -> Mapping[str, Peer]:
        """Where the answer to a storage commitment goes, by the title of who asked."""
        return {peer.title: peer for peer in self.peers}
