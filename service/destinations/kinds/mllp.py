"""The kind `mllp`: each film as HL7 v2 ORU^R01 to a RIS, over MLLP or MLLPS, until it is acknowledged.

Every attempt has the same MSH-10, the parcel's key: by it a receiver knows what it has already.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.destination import Destination, FinishedFilm, Parcel
from service.destinations.entry import Entry
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.web import counterpart_of
from service.outgoing.mllp import MllpLine
from service.outgoing.tls import ClientTls
from service.results.hl7.acknowledgement import Acknowledgement, read_acknowledgement
from service.results.hl7.encoding import CHARACTER_SETS, UTF_8
from service.results.hl7.message import Addressing, result_message, with_control_id
from service.results.messages.context import context_of
from service.results.source import MANUFACTURER
from service.settings.loopback import is_loopback

MESSAGE: Final = "message.hl7"
"""The name of a parcel's only content: the message without its MSH-10."""


def _mllp_address(value: str) -> str:
    parts = urlsplit(value)
    try:
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:  # not a port; not a name that can be looked up
        port = None
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("mllp", "mllps") or not parts.hostname or not port or "@" in parts.netloc or rest:
        msg = "must be mllps://HOST:PORT, or mllp://HOST:PORT without TLS"
        raise ValueError(msg)
    return value


class MllpEntry(Entry):
    """A receiver of HL7 v2."""

    kind: Literal["mllp"]
    url: Annotated[str, AfterValidator(_mllp_address)] = Field(
        description="mllps://HOST:PORT; mllp://HOST:PORT, without TLS, for this machine, or with unencrypted"
    )
    unencrypted: bool = Field(
        default=False, description="allow mllp:// to another machine: names of patients cross the network in plain text"
    )
    ca_file: Path | None = Field(default=None, description="certificates that vouch for it; default: the public ones")
    tls_cert_file: Path | None = Field(
        default=None, description="certificate chain (PEM) that it is shown; read again when it changes"
    )
    tls_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")
    sending_application: str = Field(default=MANUFACTURER, max_length=227, description="MSH-3")
    sending_facility: str = Field(default="", max_length=227, description="MSH-4")
    receiving_application: str = Field(default="", max_length=227, description="MSH-5")
    receiving_facility: str = Field(default="", max_length=227, description="MSH-6")
    processing_id: Literal["P", "T", "D"] = Field(default="P", description="MSH-11: production, training or debugging")
    character_set: str = Field(
        default=UTF_8, description="MSH-18; a message that has a character which the set lacks is sent in UNICODE UTF-8"
    )
    stat_positives: bool = Field(
        default=False, description="state the priority stat (OBR-5, TQ1-9) of films that are positive"
    )

    @field_validator("character_set")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CHARACTER_SETS:
            msg = f"must be one of {', '.join(CHARACTER_SETS)}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            msg = "tls_cert_file and tls_key_file belong together: name both, or none"
            raise ValueError(msg)
        if self.encrypted:
            return self
        if self.ca_file is not None or self.tls_cert_file is not None:
            msg = "ca_file and tls_cert_file need TLS; begin url with mllps://"
            raise ValueError(msg)
        if not self.unencrypted and not is_loopback(urlsplit(self.url).hostname or ""):
            msg = "url must begin with mllps://, as it leaves this machine; or set unencrypted: true"
            raise ValueError(msg)
        return self

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.startswith("mllps:")


@dataclass(frozen=True, slots=True)
class Mllp:
    """A `Destination`."""

    line: MllpLine
    entry: MllpEntry

    def pack(self, film: FinishedFilm) -> Mapping[str, bytes]:
        """The message, with the patient and the order of the film's header."""
        fields = Addressing.__dataclass_fields__
        addressing: dict[str, Any] = {name: getattr(self.entry, name) for name in fields}
        return {MESSAGE: result_message(film.record, context_of(film.source), Addressing(**addressing))}

    async def send(self, parcel: Parcel) -> None:
        """See `Destination`."""
        content = await self.line.ask(with_control_id(parcel.contents[MESSAGE], parcel.key))
        answer = read_acknowledgement(content)
        if answer is None or answer.control_id != parcel.key:
            reason = (
                "an answer that is no acknowledgement" if answer is None else "an acknowledgement of another message"
            )
            msg = f"destination {self.entry.name} sent {reason}; it is sent again"
            raise DestinationUnreachableError(msg)
        self._judge(answer)

    def _judge(self, answer: Acknowledgement) -> None:
        if answer.verdict == "accepted":
            return
        codes = f" and the error codes {', '.join(answer.errors)}" if answer.errors else ""
        msg = f"destination {self.entry.name} acknowledged a message with {answer.code}{codes}"
        if answer.verdict == "refused":
            msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
            raise DestinationRefusedError(msg)
        msg += "; it is sent again"
        raise DestinationUnreachableError(msg)


@asynccontextmanager
async def open_mllp(entry: MllpEntry, _: Surroundings) -> AsyncIterator[Destination]:
    """Open one.

    Raises:
        SettingsError: certificates cannot be used.
    """
    address = urlsplit(entry.url)
    tls = ClientTls(entry.ca_file, entry.tls_cert_file, entry.tls_key_file) if entry.encrypted else None
    assert address.hostname is not None and address.port is not None  # noqa: S101, PT018 by the entry's check
    yield Mllp(MllpLine(counterpart_of(entry), address.hostname, address.port, entry.timeout_s, tls), entry)
