"""Which of the chosen bundles are worth a try: each once as it is, the best first."""

from collections.abc import Iterator

from service.models.registry import BundleAddress, Choice, Stamp


class Attempts:
    """Remembers what was tried.

    Invariant: a bundle that was refused is tried again only once its files or the choice have changed; one that served
    and was withdrawn by hand stays so until then.
    """

    def __init__(self) -> None:
        self._choice: str | None = None
        self._served: Stamp | None = None
        self._failed: dict[BundleAddress, Stamp] = {}

    def worth(self, choice: Choice) -> Iterator[Stamp]:
        """Those to try, until one serves; each counts as failed, whatever it dies of, until `served` says otherwise."""
        if choice.text != self._choice:
            self._choice = choice.text
            self._failed.clear()
        for stamp in choice.bundles:
            if self._failed.get(stamp.address) == stamp:
                continue
            if stamp == self._served:
                return
            self._failed[stamp.address] = stamp
            yield stamp

    def served(self, stamp: Stamp) -> None:
        """It passed its checks, and serves."""
        self._failed.pop(stamp.address, None)
        self._served = stamp
