"""Load as hospitals make it: requests that arrive whether or not the ones before were answered (open loop)."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2

from imaging.phantom import phantom

JPEG = {"Content-Type": "image/jpeg"}
ACCEPTED = {200, 429, 503, 504}
"""What a service may answer that has more to do than it can."""
LOST = 0
"""Status of a request whose connection broke: it is never accepted."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as its sender saw it."""

    status: int
    started: float
    seconds: float
    body: bytes
    retry_after: bool = False
    """Whether it says when to come back."""


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way; no streams, whose cost would be measured, too."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 of a TCP connection it is
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[bytes, bytes]]:
        """Head, in small letters, and body of the answer; fails with OSError where the connection breaks."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport is None or self.transport.is_closing():
            self._answer.set_exception(ConnectionResetError())
        else:
            self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        answer = self._answer
        self._answer = None
        body = bytes(self._received[end + 4 :])
        self._received.clear()
        if not answer.done():
            answer.set_result((head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc if isinstance(exc, OSError) else ConnectionResetError())


@dataclass(slots=True)
class Clients:
    """Connections to one server, kept open and used again."""

    port: int
    idle: list[_Connection] = field(default_factory=list)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] = JPEG) -> Answered:
        """Send one request and read its answer."""
        return await self.send(written("POST", path, body, headers))

    async def ask(self, method: str, path: str) -> Answered:
        """Send a request without a body and read its answer."""
        return await self.send(written(method, path, b"", {}))

    async def send(self, request: bytes) -> Answered:
        """Send the bytes of one request and read its answer."""
        started = time.perf_counter()
        used = bool(self.idle)
        try:
            connection = self.idle.pop() if used else await self._connect()
            head, answer = await connection.ask(request)
        except (OSError, ValueError):
            if used:  # the server may have closed a connection that was idle; a new one must do
                self.idle.clear()
                return await self.send(request)
            return Answered(LOST, started, time.perf_counter() - started, b"")
        self.idle.append(connection)
        seconds = time.perf_counter() - started
        return Answered(int(head.split(b" ", 2)[1]), started, seconds, answer, b"\r\nretry-after:" in head)

    def close(self) -> None:
        """Close every connection."""
        for connection in self.idle:
            if connection.transport is not None:
                connection.transport.close()
        self.idle.clear()

    async def _connect(self) -> _Connection:
        return (await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self.port))[1]


def written(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class Flood:
    """What an open loop did, and what that cost where it was made."""

    answers: list[Answered]
    rate: float
    """Requests a second that were really sent."""
    cpu_share: float
    """Of one core, for the whole process that sent them."""

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        first = min(answer.started for answer in self.answers)
        return max(answer.started + answer.seconds for answer in self.answers) - first


async def flood(
    clients: Clients, bodies: Sequence[bytes], *, rate: float, seconds: float, path: str = "/predict", **headers: str
) -> Flood:
    """An open loop that watches itself: one that falls behind, or takes all of its core, is no measurement."""
    cpu = time.process_time()
    start = time.perf_counter()
    answers = await open_loop(clients, bodies, rate=rate, seconds=seconds, path=path, **headers)
    share = (time.process_time() - cpu) / (time.perf_counter() - start)
    sending = max(answer.started for answer in answers) - min(answer.started for answer in answers)
    return Flood(answers, (len(answers) - 1) / sending, share)


async def open_loop(
    clients: Clients, bodies: Sequence[bytes], *, rate: float, seconds: float, path: str = "/predict", **headers: str
) -> list[Answered]:
    """Send `rate` requests a second, evenly, and wait for all their answers.

    Args:
        clients: where to.
        bodies: sent in turn.
        rate: requests a second.
        seconds: how long new requests are sent.
        path: address.
        headers: beside the content type, underscores for hyphens.
    """
    named = JPEG | {name.replace("_", "-"): value for name, value in headers.items()}
    requests = [written("POST", path, body, named) for body in bodies]  # before: the clock runs from here
    start = time.perf_counter()
    sent = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(clients.send(requests[number % len(requests)])))
    return list(await asyncio.gather(*sent))


async def closed_loop(
    clients: Clients, bodies: Sequence[bytes], *, callers: int, seconds: float, path: str = "/predict"
) -> list[Answered]:
    """As many callers, each with one request at a time."""
    end = time.perf_counter() + seconds

    async def call() -> list[Answered]:
        answers: list[Answered] = []
        while time.perf_counter() < end:
            answers.append(await clients.post(path, bodies[len(answers) % len(bodies)]))
        return answers

    return [answer for answers in await asyncio.gather(*(call() for _ in range(callers))) for answer in answers]


def films(count: int = 8, side: int = 256) -> list[bytes]:
    """JPEG films that differ."""
    drawn = (phantom(side, side, seed=seed, opacity=seed / count) for seed in range(count))
    return [cv2.imencode(".jpeg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for pixels in drawn]


def percentile_ms(answers: Iterable[Answered], share: float) -> float:
    """The time within which so large a share was answered."""
    seconds = sorted(answer.seconds for answer in answers)
    return 1e3 * seconds[min(len(seconds) - 1, int(share * len(seconds)))] if seconds else float("nan")


def statuses(answers: Iterable[Answered]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(answer.status for answer in answers)


def goodput(answers: Sequence[Answered], seconds: float) -> float:
    """Films answered a second."""
    return statuses(answers)[200] / seconds
