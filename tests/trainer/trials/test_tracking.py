"""Rules of what is sent to MLflow, against its own client on a SQLite store."""

import sys

import pytest
from mlflow import MlflowClient
from rich.console import Console
from rich.progress import Progress

from schemas.errors import TrainingConfigError
from trainer.config import make_config
from trainer.learning.history import read_history
from trainer.runs.run import train
from trainer.trials.tracking import require_tracking
from trainer.trials.trial import read_trial


@pytest.mark.filterwarnings("ignore:The ``noload``")  # inside MLflow
def test_a_trial_is_sent_with_its_settings_curves_and_figures_and_no_path(kermany_like, tmp_path, monkeypatch) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    options = {"archs": ["cnn_baseline"], "size": 32, "epochs": 2, "batch_size": 8, "val_fraction": 0.3, "lr": 0.002}
    config = make_config({"data": str(kermany_like), "cache": str(tmp_path / "cache"), "device": "cpu", **options})
    run = tmp_path / "first"
    with Progress(console=Console(quiet=True)) as progress:
        train(config, run, command="python -m trainer sweep", progress=progress)
    client = MlflowClient(uri)
    (sent,) = client.search_runs([client.get_experiment_by_name("first").experiment_id])
    record = read_trial(run / "trials" / "cnn_baseline-seed0")
    curve = [metric.value for metric in client.get_metric_history(sent.info.run_id, "train_loss")]

    assert sent.info.run_name == "cnn_baseline-seed0"
    assert sent.info.status == "FINISHED"
    assert (sent.data.params["architecture"], sent.data.params["lr"]) == ("cnn_baseline", "0.002")
    assert sent.data.params["data_sha256"] == record.provenance.data_sha256
    assert sent.data.metrics["validation_auroc"] == pytest.approx(record.validation.auroc.value)
    assert curve == [pytest.approx(epoch.train_loss) for epoch in read_history(run / "trials" / "cnn_baseline-seed0")]
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
        "archs": ["cnn_baseline"],
        "size": 32,
        "epochs": 1,
        "batch_size": 8,
        "val_fraction": 0.3,
        "device": "cpu",
    }
    config = make_config({"data": str(kermany_like), "cache": str(tmp_path / "cache"), **options})
    with Progress(console=Console(quiet=True)) as progress:
        train(config, tmp_path / "run", command="python -m trainer sweep", progress=progress)

    assert "MLflow did not take cnn_baseline-seed0" in caplog.text
