"""One message over MLLP, with TLS or without, and its answer.

Each message has a connection of its own. One that is kept may have been dropped by a firewall without a word, and a
late answer to a message that was given up could be taken for that to the next.

Source: HL7 Minimal Lower Layer Protocol, release 1: the frame 0x0B, message, 0x1C 0x0D.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.outgoing.counterpart import Counterpart
from service.outgoing.tls import ClientTls

START: Final = b"\x0b"
END: Final = b"\x1c"
LARGEST_ANSWER_BYTES: Final = 64 * 1024
"""An acknowledgement has some hundred bytes."""
_PIECE: Final = 4096
_FAULTS: Final[Mapping[type[BaseException], str]] = {
    TimeoutError: "no answer within {timeout_s}; see its load, and the firewall, or allow more",
    ssl.SSLCertVerificationError: "its certificate is not trusted; give {ca_file} the certificates that vouch for it",
    ssl.SSLError: "it does not speak TLS as it should, or demands another certificate; check mllps and the port in "
    "{url}, and {tls_cert_file}",
    socket.gaierror: "its name is not known; check {url}",
    ConnectionRefusedError: "nothing listens at its address; check {url}, and that it runs",
    OSError: "the connection broke; see the network, and the log of {what}",
}
"""The most telling first: the upper ones are kinds of the last."""


@dataclass(frozen=True, slots=True)
class MllpLine:
    """Messages to one receiver."""

    counterpart: Counterpart
    host: str
    port: int
    timeout_s: float
    """For the connection, the message and the answer together."""
    tls: ClientTls | None
    """None: in plain text."""

    async def ask(self, message: bytes) -> bytes:
        """Send a message, and return what is answered, without its frame.

        Args:
            message: without the bytes of the frame, 0x0B and 0x1C.

        Raises:
            UnavailableError: `counterpart.unreachable`; there was no answer, or none in a frame.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._exchange(message)
        except OSError as error:  # TimeoutError and ssl.SSLError are such
            words = next(words for kind, words in _FAULTS.items() if isinstance(error, kind))
            raise self._unreachable(words) from error

    async def _exchange(self, message: bytes) -> bytes:
        context = None
        if self.tls is not None:
            await asyncio.to_thread(self.tls.refresh)
            context = self.tls.context
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=context)
        try:
            writer.write(START + message + END + b"\r")
            await writer.drain()
            return await self._answer(reader)
        finally:
            # Nobody waits for the other side to agree that the connection ends.
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        content = bytearray()
        while (end := content.find(END)) < 0:
            piece = await reader.read(_PIECE)
            content += piece
            if not piece:
                words = "it ended the connection without an acknowledgement; see the log of {what}"
                raise self._unreachable(words)
            if len(content) > LARGEST_ANSWER_BYTES:
                words = f"it answered with over {LARGEST_ANSWER_BYTES} bytes; check that {{url}} is a port for HL7 v2"
                raise self._unreachable(words)
        start = content.find(START)
        if start < 0 or start > end:
            words = "its answer has no frame of MLLP; check that {url} is a port for HL7 v2"
            raise self._unreachable(words)
        return bytes(content[start + 1 : end])

    def _unreachable(self, words: str) -> Exception:
        names = {field: self.counterpart.setting(field) for field in ("url", "ca_file", "tls_cert_file", "timeout_s")}
        reason = words.format(what=self.counterpart.what, **names)
        return self.counterpart.unreachable(f"{self.counterpart.what} gave no answer: {reason}; it is sent again")
