"""Trials in MLflow, where `MLFLOW_TRACKING_URI` names a server or a folder; nothing about a patient is sent."""

import logging
import os
from collections.abc import Sequence
from typing import Any

from schemas.errors import TrainingConfigError
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.learning.history import EpochRecord

log = logging.getLogger("trainer.trials.tracking")

TRACKING_URI = "MLFLOW_TRACKING_URI"


def require_tracking() -> None:
    """Check, before hours of training, that MLflow is installed where it is asked for.

    Raises:
        TrainingConfigError: it is not.
    """
    if not os.environ.get(TRACKING_URI):
        return
    try:
        import mlflow  # noqa: F401, PLC0415 - an extra, and slow to import
    except ImportError as error:
        msg = f"{TRACKING_URI} is set and MLflow is not installed; install the extra [mlflow], or unset {TRACKING_URI}"
        raise TrainingConfigError(msg) from error


def track(run: str, trial: str, config: RunConfig, record: TrialRecord, history: Sequence[EpochRecord]) -> None:
    """Send one trained trial: its settings, its curves, its figures on validation; a server that is away stops no run.

    Args:
        run: name of the run, which becomes the experiment.
        trial: name of the trial's folder.
        config: what the trial was trained with.
        record: what became of it.
        history: its epochs.
    """
    uri = os.environ.get(TRACKING_URI)
    if not uri:
        return
    from mlflow import MlflowClient  # noqa: PLC0415 - an extra, and slow to import
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        _send(MlflowClient(uri), run, trial, config, record, history)
    except MlflowException as error:
        log.warning("MLflow did not take %s (%s); the run goes on", trial, type(error).__name__)


def _send(  # noqa: PLR0913, PLR0917 - what is sent, and where to
    client: Any, run: str, trial: str, config: RunConfig, record: TrialRecord, history: Sequence[EpochRecord]
) -> None:
    experiment = client.get_experiment_by_name(run)
    identity = experiment.experiment_id if experiment else client.create_experiment(run)
    sent = client.create_run(identity, run_name=trial, tags={"git_commit": record.provenance.git_commit}).info.run_id
    # The folders of this machine may name people.
    settings = config.model_dump(mode="json", exclude={"data", "cache", "weights", "archs", "seeds"})
    for name, value in {"architecture": record.architecture, "seed": record.provenance.seed, **settings}.items():
        client.log_param(sent, name, value)
    client.log_param(sent, "data_sha256", record.provenance.data_sha256)
    for epoch in history:
        for name in ("lr", "train_loss", "val_loss", "val_auroc", "films_per_second"):
            client.log_metric(sent, name, getattr(epoch, name), step=epoch.epoch)
    final = {"validation_auroc": record.validation.auroc, "validation_ece": record.validation.ece}
    for name, estimate in final.items():
        client.log_metric(sent, name, estimate.value)
    client.set_terminated(sent)
