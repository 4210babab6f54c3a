"""Rules of a prover that is lent: the bundle that reads along ends, and those that serve are still proved."""

from contextlib import nullcontext
from typing import Any

from service.models.prover import LentProver


class Owner:
    """A prover that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def proving(self, bundle):
        self.asked.append(bundle)
        return nullcontext(lambda: 0.25)

    def stop(self) -> None:
        self.asked.append("stop")


def test_a_lent_prover_proves_as_its_owner_does() -> None:
    owner = Owner()
    bundle: Any = "bundle"

    with LentProver(owner).proving(bundle) as result:
        assert result() == 0.25

    assert owner.asked == [bundle]


def test_who_has_it_on_loan_does_not_end_it() -> None:
    owner = Owner()

    LentProver(owner).stop()

    assert owner.asked == []
