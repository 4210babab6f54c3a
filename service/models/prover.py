"""What proves a bundle before this process loads it, and what it found."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from bundle.opening import Bundle
from schemas.errors import BundleError


@dataclass(frozen=True, slots=True)
class Proof:
    """What a child found so far."""

    ended: bool = True
    """False: the graph was loaded, and has yet to be run."""
    selftest_error: float | None = None
    """Largest absolute error of the logits of the golden films; None: they were run and not compared."""
    refusal: str | None = None

    def check(self) -> None:
        """Raises BundleError where the bundle was refused."""
        if self.refusal is not None:
            raise BundleError(self.refusal)


Result = Callable[[], float | None]
"""Waits for the error of the self-test; None: it has yet to be run in this process. Raises BundleError."""


class Prover(Protocol):
    """Proves bundles outside of the serving process."""

    def proving(self, bundle: Bundle) -> AbstractContextManager[Result]:
        """Entered once the graph was loaded there, so that this process may load it while it is being run there.

        Raises:
            BundleError: it was refused, or did not end within its limits; so does the result.
        """
        ...

    def stop(self) -> None:
        """End what is being proved; a caller who waits for it gets a `BundleError`."""
        ...


class LentProver:
    """Another's prover: who has it on loan does not end it."""

    def __init__(self, owner: Prover) -> None:
        self._owner = owner

    def proving(self, bundle: Bundle) -> AbstractContextManager[Result]:
        """See `Prover`."""
        return self._owner.proving(bundle)

    def stop(self) -> None:
        """Its owner ends it."""


class NoProver:
    """For programs of one user, whose bundles may take this process with them."""

    def proving(self, bundle: Bundle) -> AbstractContextManager[Result]:  # noqa: ARG002 the Protocol's
        """Leave all of it to this process."""
        return nullcontext(lambda: None)

    def stop(self) -> None:
        """There is nothing to end."""
