"""Values that are kept within a number of bytes; which of them goes first is decided by who keeps them."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class BoundedEntries(Generic[Key, Value]):
    """Values by key, in memory.

    Invariant: `bytes_used` is the sum of the sizes of what is kept, and at most `at_most_bytes`. The order is that in
    which values were kept or last renewed.
    """

    at_most_bytes: int
    bytes_used: int = 0
    _entries: dict[Key, tuple[Value, int]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Key]:
        """The keys, the oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """What is kept by this key; None: nothing."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def oldest(self) -> tuple[Key, Value] | None:
        """The key and the value that were kept or renewed first; None: nothing is kept."""
        return next(((key, value) for key, (value, _) in self._entries.items()), None)

    def size_bytes(self, key: Key) -> int:
        """Of what is kept by this key."""
        return self._entries[key][1]

    def renew(self, key: Key) -> None:
        """Make it the youngest."""
        self._entries[key] = self._entries.pop(key)

    def lacks_room(self, size_bytes: int) -> bool:
        """Whether something must be forgotten before a value of this size is kept."""
        return self.bytes_used + size_bytes > self.at_most_bytes

    def keep(self, key: Key, value: Value, size_bytes: int) -> None:
        """Keep a value for which there is room, instead of what had this key."""
        if key in self._entries:
            self.forget(key)
        self._entries[key] = (value, size_bytes)
        self.bytes_used += size_bytes

    def forget(self, key: Key) -> None:
        """Let it go."""
        _, size_bytes = self._entries.pop(key)
        self.bytes_used -= size_bytes
