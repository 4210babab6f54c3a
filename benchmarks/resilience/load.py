"""Load as hospitals make it: requests that arrive whether or not the ones before were answered (open loop)."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2

from imaging.phantom import phantom

JPEG = {"Content-Type": "image/jpeg"}
LOST = 0
"""Status of a request whose connection broke: it is never accepted."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as its sender saw it."""

    status: int
    started: float
    seconds: float
    body: bytes


@dataclass(slots=True)
class Clients:
    """Connections to one server, kept open and used again."""

    port: int
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] = JPEG) -> Answered:
        """Send one request and read its answer."""
        started = time.perf_counter()
        used = bool(self.idle)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"POST {path} HTTP/1.1\r\nHost: service\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
        try:
            reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            status, answer = await _read(reader)
        except (OSError, EOFError, ValueError):
            if used:  # the server may have closed a connection that was idle; a new one must do
                self.idle.clear()
                return await self.post(path, body, headers)
            return Answered(LOST, started, time.perf_counter() - started, b"")
        self.idle.append((reader, writer))
        return Answered(status, started, time.perf_counter() - started, answer)

    def close(self) -> None:
        """Close every connection."""
        for _, writer in self.idle:
            writer.close()
        self.idle.clear()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    return int(head.split(" ", 2)[1]), await reader.readexactly(length)


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
    start, sent = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(clients.post(path, bodies[number % len(bodies)], named)))
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
