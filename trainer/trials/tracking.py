"""Trials in MLflow, where `MLFLOW_TRACKING_URI` names a server or a folder; nothing about a patient is sent."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import TrainingConfigError
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.folder import TrialFolder
from trainer.learning.history import EpochRecord

log = logging.getLogger("trainer.trials.tracking")

TRACKING_URI = "MLFLOW_TRACKING_URI"
_NOT_SENT = frozenset(
    ["data.path", "data.cache", "networks.weights", "networks.archs", "networks.seeds", "learn.teachers"]
)
"""The folders of this machine may name people; architecture and seed are sent of the one trial."""


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


def track(folder: TrialFolder, config: RunConfig, record: TrialRecord, history: Sequence[EpochRecord]) -> None:
    """Send one trained trial: its options, its curves, its figures on validation.

    A server that is away does not stop the run.

    Args:
        folder: of the trial; the name of its run becomes the experiment.
        config: the config that the trial was trained with.
        record: of the trial.
        history: its epochs.
    """
    uri = os.environ.get(TRACKING_URI)
    if not uri:
        return
    from mlflow import MlflowClient  # noqa: PLC0415 - an extra, and slow to import
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        client = MlflowClient(uri)
        sent = _open(client, folder, record)
        _send(client, sent, _parameters(config, record), record, history)
    except MlflowException as error:
        log.warning("MLflow did not take %s (%s); the run goes on", folder.name, type(error).__name__)


def _open(client: Any, folder: TrialFolder, record: TrialRecord) -> str:
    """The id of a new run of MLflow."""
    experiment = client.get_experiment_by_name(folder.run.name)
    identity = experiment.experiment_id if experiment else client.create_experiment(folder.run.name)
    tags = {"git_commit": record.provenance.git_commit}
    run_id: str = client.create_run(identity, run_name=folder.name, tags=tags).info.run_id
    return run_id


def _parameters(config: RunConfig, record: TrialRecord) -> dict[str, object]:
    options = {name: value for name, value in config.values().items() if name not in _NOT_SENT}
    return {
        "architecture": record.architecture,
        "seed": record.provenance.seed,
        "data_sha256": record.provenance.data_sha256,
        **options,
    }


def _send(
    client: Any, sent: str, parameters: Mapping[str, object], record: TrialRecord, history: Sequence[EpochRecord]
) -> None:
    for name, value in parameters.items():
        client.log_param(sent, name, value)
    for epoch in history:
        for name in ("lr", "train_loss", "val_loss", "val_auroc", "films_per_second"):
            client.log_metric(sent, name, getattr(epoch, name), step=epoch.epoch)
    final = {"validation_auroc": record.validation.auroc, "validation_ece": record.validation.ece}
    for name, estimate in final.items():
        client.log_metric(sent, name, estimate.value)
    client.set_terminated(sent)
