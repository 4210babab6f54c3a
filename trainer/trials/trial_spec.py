"""The trials of a run: one for each architecture, seed and fold."""

from dataclasses import dataclass

from trainer.networks.options import NetworkOptions


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One network to train."""

    architecture: str
    seed: int
    """Of its weights, order, augmentation and dropout."""
    fold: int | None = None
    """The fold that it validates on, from 0; None: the validation films of the split."""

    @property
    def name(self) -> str:
        """Name of the trial's folder."""
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{self.architecture.replace(':', '-')}-seed{self.seed}{fold}"


def trial_specs(networks: NetworkOptions, folds: int | None) -> tuple[TrialSpec, ...]:
    """The trials of a run, architecture by architecture.

    Args:
        networks: architectures and seeds.
        folds: number of folds of cross-validation; None: no cross-validation.
    """
    of_one = (None,) if folds is None else tuple(range(folds))
    return tuple(TrialSpec(name, seed, fold) for name in networks.archs for seed in networks.seeds for fold in of_one)
