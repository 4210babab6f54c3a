"""What all trials of a run share, as one value."""

from dataclasses import dataclass
from pathlib import Path

from trainer.config import RunConfig
from trainer.films.dataset import Dataset
from trainer.folder import RunFolder
from trainer.guide.folder import GuideFolder
from trainer.learning.learner import FitPlan, Teach
from trainer.reporter import Reporter
from trainer.together import ALONE, Together
from trainer.trials.trial_spec import TrialSpec


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run under way: its folder, its config, its films, and where it reports."""

    folder: RunFolder
    config: RunConfig
    dataset: Dataset
    reporter: Reporter
    command: str
    """What the user typed, for the record."""
    teach: Teach | None = None
    """Gives each augmented batch other labels."""
    together: Together = ALONE
    """The processes that train each network."""

    def fit_plan(self, spec: TrialSpec) -> FitPlan:
        """The network of a trial, with the films that it trains on and validates with.

        Raises:
            TrainingDataError: films that cannot be decoded or have changed, or no space left.
        """
        networks = self.config.networks
        preprocess = networks.preprocess(spec.architecture)
        dataset = self.dataset
        train = dataset.prepared_for_training(dataset.films("train", spec.fold), preprocess)
        validation = dataset.prepared(dataset.films("val", spec.fold), preprocess)
        return FitPlan(
            architecture=spec.architecture,
            seed=spec.seed,
            train=train,
            validation=validation,
            weights=networks.weights.get(spec.architecture, "none"),
            teach=self.teach,
            guide=None if networks.guide is None else GuideFolder(Path(networks.guide)).read()[1],
            crop=None if networks.guide is None else networks.side(spec.architecture),
            fold=spec.fold,
            together=self.together,
        )
