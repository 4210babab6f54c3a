"""The evaluation of a trained network on several views of each film: test-time augmentation and other scales."""

from collections.abc import Sequence

from schemas.model.trial import ManyViews, TrialRecord
from trainer.films.film import Film
from trainer.films.task import LabelledFilms, Task
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions
from trainer.judging.validation import judge, judge_validation
from trainer.networks.inference import outputs
from trainer.networks.network import Network
from trainer.networks.views import FILM, View, choose_views


def validate_views(
    network: Network, films: Sequence[Film], validation: LabelledFilms, task: Task, options: JudgeOptions
) -> ManyViews | None:
    """Calibrate and evaluate the mean over the run's views on validation; None where it asks for the film alone.

    Averaged logits are less extreme than single ones, so they have a temperature and thresholds of their own.

    Raises:
        CxrError: see `calibrate` and `evaluate`.
    """
    views = choose_views(options.tta, options.scales)
    if views == (FILM,):
        return None
    averaged = _averaged("validation", network, films, validation, views)
    calibration, evaluation = judge_validation(averaged, task, options)
    return ManyViews(views=len(views), calibration=calibration, validation=evaluation, test=None)


def judge_views(
    network: Network, films: Sequence[Film], test: LabelledFilms, record: TrialRecord, options: JudgeOptions
) -> ManyViews | None:
    """The record's `many_views` with the figures of the test films; None where the run asks for the film alone."""
    if record.many_views is None:
        return None
    averaged = _averaged("test", network, films, test, choose_views(options.tta, options.scales))
    evaluation = judge(averaged, Task.of(record), record.many_views.calibration)
    return record.many_views.model_copy(update={"test": evaluation})


def _averaged(
    data: str, network: Network, films: Sequence[Film], prepared: LabelledFilms, views: Sequence[View]
) -> LabelledLogits:
    logits = outputs(network, prepared.films, views=views)[0].numpy()
    return LabelledLogits.of(f"{data}, {len(views)} views", films, prepared.labels, logits)
