"""Modalities that store films by DICOMweb, each until it is accepted, with whichever replica answers."""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx2

from tests.service.dicomweb.films import film, stow
from tests.waiting import wait_until


@dataclass
class Senders:
    """Threads that share a list of films.

    `refused` has the time of each attempt that failed, `accepted` that of each that did not, by `time.monotonic`.
    """

    addresses: dict[int, str]
    """Of the replicas that are there; a test changes it."""
    names: list[str]
    seed: int = 20
    pause_s: float = 0.0
    refused: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    slowest_s: float = 0.0
    """From the first attempt of a film until it was accepted."""
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, senders: int) -> None:
        waiting = list(reversed(self.names))
        self._threads = [threading.Thread(target=self._send, args=(waiting, number)) for number in range(senders)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, films: int) -> None:
        """Until so many films were accepted."""
        wait_until(lambda: len(self.accepted) >= films, f"{films} films accepted", timeout_s=120)

    def join(self, timeout_s: float) -> None:
        for thread in self._threads:
            thread.join(timeout_s)
        assert not any(thread.is_alive() for thread in self._threads), f"{len(self.accepted)} of {len(self.names)}"

    def _send(self, waiting: list[str], number: int) -> None:
        choice = random.Random(self.seed + number)
        with httpx2.Client(timeout=20, trust_env=False) as client:
            while True:
                with self._lock:
                    if not waiting:
                        return
                    name = waiting.pop()
                self._until_accepted(client, film(name), choice)
                time.sleep(self.pause_s)

    def _until_accepted(self, client: httpx2.Client, content: bytes, choice: random.Random) -> None:
        start = time.monotonic()
        while True:
            address = choice.choice(list(self.addresses.values()))
            try:
                accepted = client.post(f"{address}/dicomweb/studies", **stow(content)).status_code == 200
            except httpx2.HTTPError:
                accepted = False
            with self._lock:
                (self.accepted if accepted else self.refused).append(time.monotonic())
                if accepted:
                    self.slowest_s = max(self.slowest_s, time.monotonic() - start)
                    return
            time.sleep(0.2)
