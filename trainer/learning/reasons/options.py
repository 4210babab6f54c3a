"""Which of the marks on films a network learns from, and how much they count."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reasons:
    """What is asked in addition to the right answer; each is 0 where it is not asked."""

    background: float = 0.0
    """Share of the films with marked lungs that are shown with another background."""
    attention: float = 0.0
    """Cost of a film all of whose heat lies beside the evidence, in units of the loss."""
    consistency: float = 0.0
    """Weight of the divergence between the answers to a film on two backgrounds."""

    @property
    def asked(self) -> bool:
        """Whether any of them is."""
        return bool(self.uses_backgrounds or self.attention)

    @property
    def uses_backgrounds(self) -> bool:
        """Whether films are shown on other backgrounds."""
        return bool(self.background or self.consistency)


NOTHING = Reasons()
"""Asked of a network that learns from labels alone."""
