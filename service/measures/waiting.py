"""How many films wait for the network of a bundle."""

import threading


class Waiting:
    """Films that are prepared and wait for the network, and those that wait for a process that does all of it."""

    def __init__(self) -> None:
        self.in_queue = 0
        """Prepared films in the batcher's queue."""
        self._in_lanes = 0
        self._lock = threading.Lock()

    @property
    def films(self) -> int:
        """All of them."""
        return self.in_queue + self._in_lanes

    def count_in_lanes(self, films: int) -> None:
        """Count films that begin to wait for a process, or, below 0, no longer do; from any thread."""
        with self._lock:
            self._in_lanes += films
