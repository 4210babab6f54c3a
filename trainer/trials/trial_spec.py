"""What a run trains: one plan for each architecture, seed and fold."""

from dataclasses import dataclass

from trainer.config import RunConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """One network to train."""

    architecture: str
    seed: int
    """Of its weights, order, augmentation and dropout."""
    fold: int | None = None
    """Which fold it validates on, from 0; None: on the validation films of the split."""

    @property
    def name(self) -> str:
        """Name of the trial's folder."""
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{self.architecture.replace(':', '-')}-seed{self.seed}{fold}"


def plans(config: RunConfig) -> tuple[Plan, ...]:
    """The plans of a run, architecture by architecture."""
    folds = (None,) if config.folds is None else tuple(range(config.folds))
    return tuple(Plan(name, seed, fold) for name in config.archs for seed in config.seeds for fold in folds)
