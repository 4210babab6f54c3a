"""Rules of what is sent to MLflow, against its own client on a SQLite store."""

import sys

import pytest
from mlflow import MlflowClient

from schemas.errors import TrainingConfigError
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.learning.history import read_history
from trainer.runs.run import train
from trainer.trials.record import read_trial
from trainer.trials.tracking import require_tracking


@pytest.mark.filterwarnings("ignore:The ``noload``")  # inside MLflow
def test_a_trial_is_sent_with_its_settings_curves_and_figures_and_no_path(kermany_like, tmp_path, monkeypatch) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    options = {
        "networks.archs": ["cnn_baseline"],
        "networks.size": 32,
        "learn.epochs": 2,
        "learn.batch_size": 8,
        "data.val_fraction": 0.3,
        "learn.lr": 0.002,
    }
    config = make_config(
        {"data.path": str(kermany_like), "data.cache": str(tmp_path / "cache"), "learn.device": "cpu", **options}
    )
    run = tmp_path / "first"
    train(config, RunFolder(run), command="python -m trainer sweep")
    client = MlflowClient(uri)
    (sent,) = client.search_runs([client.get_experiment_by_name("first").experiment_id])
    record = read_trial(RunFolder(run).trial("cnn_baseline-seed0"))
    curve = [metric.value for metric in client.get_metric_history(sent.info.run_id, "train_loss")]

    assert sent.info.run_name == "cnn_baseline-seed0"
    assert sent.info.status == "FINISHED"
    assert (sent.data.params["architecture"], sent.data.params["learn.lr"]) == ("cnn_baseline", "0.002")
    assert sent.data.params["data_sha256"] == record.provenance.data_sha256
    assert sent.data.metrics["validation_auroc"] == pytest.approx(record.validation.auroc.value)
    assert curve == [
        pytest.approx(epoch.train_loss) for epoch in read_history(RunFolder(run).trial("cnn_baseline-seed0"))
    ]
    assert not any(str(tmp_path) in value or str(kermany_like) in value for value in sent.data.params.values())


def test_where_mlflow_is_asked_for_and_missing_the_run_does_not_begin(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere.db")
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(TrainingConfigError, match=r"install the extra \[mlflow\]"):
        require_tracking()


def test_nobody_who_does_not_ask_for_mlflow_needs_it(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)

    require_tracking()


def test_a_server_that_is_away_stops_no_run(kermany_like, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    options = {
        "networks.archs": ["cnn_baseline"],
        "networks.size": 32,
        "learn.epochs": 1,
        "learn.batch_size": 8,
        "data.val_fraction": 0.3,
        "learn.device": "cpu",
    }
    config = make_config({"data.path": str(kermany_like), "data.cache": str(tmp_path / "cache"), **options})
    train(config, RunFolder(tmp_path / "run"), command="python -m trainer sweep")

    assert "MLflow did not take cnn_baseline-seed0" in caplog.text
