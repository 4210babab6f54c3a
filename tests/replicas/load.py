"""Many callers who send films without a pause, and what they were answered."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx2

from tests.waiting import wait_until


@dataclass
class Load:
    """Callers in threads; each sends the next film as soon as the last one is answered."""

    address: str
    film: bytes
    callers: int = 12
    statuses: Counter[str] = field(default_factory=Counter)
    """What was answered, or the name of the failure where nothing was."""
    seconds: list[float] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._call) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(90)

    @property
    def failed(self) -> int:
        """Requests that were not answered with 200."""
        return self.statuses.total() - self.statuses["200"]

    @property
    def answered(self) -> int:
        return self.statuses["200"]

    def wait_for_more(self, films: int) -> None:
        """Until so many more films were answered."""
        wanted = self.answered + films
        wait_until(lambda: self.answered >= wanted, f"{films} more films answered; {dict(self.statuses)}", timeout_s=45)

    def pace(self) -> str:
        """Times of the answers, in words."""
        return f"p50 {self.quantile_ms(0.5):.0f} ms, p99 {self.quantile_ms(0.99):.0f} ms"

    def quantile_ms(self, share: float) -> float:
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def _call(self) -> None:
        with httpx2.Client(base_url=self.address, timeout=70, trust_env=False) as client:
            while not self._stopping.is_set():
                start = time.perf_counter()
                try:
                    response = client.post("/predict", content=self.film, headers={"Content-Type": "image/png"})
                    answer = str(response.status_code)
                except httpx2.HTTPError as error:
                    answer = type(error).__name__
                self.seconds.append(time.perf_counter() - start)
                self.statuses[answer] += 1


@contextmanager
def counted(load: Load) -> Iterator[Counter[str]]:
    """What is answered within the block."""
    before = Counter(load.statuses)
    within: Counter[str] = Counter()
    yield within
    within.update(load.statuses - before)
