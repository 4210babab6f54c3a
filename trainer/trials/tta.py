"""A trained network measured on several views of each film: what test-time augmentation and other scales would bring."""

from collections.abc import Sequence

from schemas.model.trial import ManyViews, TrialRecord
from trainer.config import RunConfig
from trainer.films.dataset import DataRecord, described
from trainer.films.film import Film
from trainer.judging.calibrate import calibrate
from trainer.judging.judge import judge
from trainer.learning.loader import LabelledFilms
from trainer.networks.inference import outputs
from trainer.networks.network import Network
from trainer.networks.views import FILM, choose_views


def validate_views(
    config: RunConfig, network: Network, validation: LabelledFilms, films: Sequence[Film], data: DataRecord
) -> ManyViews | None:
    """Calibrate and evaluate the mean over the run's views on validation; None where it asks for the film alone.

    Averaged logits are less sure than single ones, so they have a temperature and thresholds of their own.

    Raises:
        CxrError: see `calibrate` and `evaluate`.
    """
    views = choose_views(config.tta, config.scales)
    if views == (FILM,):
        return None
    logits = outputs(network, validation.films, views=views)[0].numpy()
    name = f"validation, {len(views)} views"
    calibration = calibrate(
        logits,
        validation.labels,
        classes=data.classes,
        negative_class=data.negative_class,
        target_sensitivity=config.target_sensitivity,
        alpha=config.alpha,
        data=described(name, tuple(films)),
    )
    evaluation = judge(logits, validation.labels, films, calibration, data, data=name)
    return ManyViews(views=len(views), calibration=calibration, validation=evaluation, test=None)


def judge_views(
    config: RunConfig, network: Network, test: LabelledFilms, films: Sequence[Film], record: TrialRecord
) -> ManyViews | None:
    """The record's `many_views` with the figures of the test films; None where the run asks for the film alone."""
    if record.many_views is None:
        return None
    views = choose_views(config.tta, config.scales)
    logits, _ = outputs(network, test.films, views=views)
    evaluation = judge(
        logits.numpy(), test.labels, films, record.many_views.calibration, record, data=f"test, {len(views)} views"
    )
    return record.many_views.model_copy(update={"test": evaluation})
