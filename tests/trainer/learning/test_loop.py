"""The loop learns, keeps the best, stops early, and survives kill -9 without a trace."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from imaging.phantom import phantom
from schemas.errors import TrainingConfigError
from trainer.films.task import LabelledFilms
from trainer.folder import TrialFolder
from trainer.learning.learner import FitPlan
from trainer.learning.loop import Fit, fit
from trainer.learning.options import LearnOptions
from trainer.networks.build import build_network
from trainer.networks.inference import outputs
from trainer.reporter import Reporter, SilentReporter

SIDE = 32


def _films(count: int, seed: int) -> LabelledFilms:
    labels = np.arange(count) % 2
    pixels = [phantom(SIDE, SIDE, seed=seed + i, opacity=0.9 * label) for i, label in enumerate(labels)]
    return LabelledFilms(np.stack(pixels)[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64), 2)


TRAIN = _films(24, 0)
VALIDATION = _films(16, 1000)


class Lines(SilentReporter):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def _fit(
    directory: Path,
    *,
    arch: str = "cnn_baseline",
    train: LabelledFilms = TRAIN,
    on_epoch=None,
    reporter: Reporter | None = None,
    **options,
) -> Fit:
    folder = TrialFolder(directory)
    folder.make()
    learn = LearnOptions(**{"device": "cpu", "batch_size": 8, "epochs": 3, "augment": "light", **options})
    return fit(FitPlan(arch, 3, train, VALIDATION), learn, folder, reporter or SilentReporter(), on_epoch)


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(TrialFolder(directory).best_weights)


def _first_weights(arch: str = "cnn_baseline") -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return build_network(arch, classes=2, size=SIDE).state_dict()


def _moved(directory: Path, arch: str = "cnn_baseline") -> set[str]:
    first = _first_weights(arch)
    return {key for key, value in _weights(directory).items() if not torch.equal(value, first[key])}


def test_the_loss_falls_and_every_epoch_is_a_line_of_the_history(tmp_path) -> None:
    fitted = _fit(tmp_path, epochs=8, lr=0.01, augment="none")
    lines = [json.loads(line) for line in TrialFolder(tmp_path).history.read_text().splitlines()]

    assert [line["epoch"] for line in lines] == list(range(8))
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]
    assert max(line["val_auroc"] for line in lines) > 0.9
    assert lines[fitted.best_epoch]["val_auroc"] == max(line["val_auroc"] for line in lines)
    assert all(line["seconds"] > 0 and line["films_per_second"] > 0 for line in lines)


def test_the_weights_kept_are_those_that_validation_chose(tmp_path) -> None:
    fitted = _fit(tmp_path, epochs=4, lr=0.01)
    network = build_network("cnn_baseline", classes=2, size=SIDE)
    network.load_state_dict(_weights(tmp_path))

    logits, _ = outputs(network, VALIDATION.films)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(VALIDATION.labels))

    assert float(loss) == pytest.approx(fitted.history[fitted.best_epoch].val_loss, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path) -> None:
    _fit(tmp_path / "a")
    _fit(tmp_path / "b", workers=3)

    first = _weights(tmp_path / "a")
    second = _weights(tmp_path / "b")
    assert all(torch.equal(first[key], second[key]) for key in first)


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from contextlib import contextmanager
import test_loop
import torch

torch.set_num_threads({threads})

class Killer(test_loop.SilentReporter):
    @contextmanager
    def stage(self, description):
        yield lambda done, total: None
        if " epoch 2/" in description:
            os.kill(os.getpid(), signal.SIGKILL)  # after the second epoch's last step, before anything of it is saved

test_loop._fit(Path({directory!r}), reporter=Killer(), **{options!r})
"""


@pytest.fixture
def threads():
    """Of torch, here as in a child: sums depend on them, and the service's explainer sets them for the whole
    process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield 1
    torch.set_num_threads(before)


@pytest.mark.process
@pytest.mark.parametrize("arch", ["cnn_baseline", "cnn_attention"])
def test_a_fit_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path, arch, threads) -> None:
    options = {"arch": arch, "ema_decay": 0.9, "schedule": "plateau"}
    straight = _fit(tmp_path / "straight", **options)

    (tmp_path / "killed").mkdir()
    script = _KILLED.format(
        tests=str(Path(__file__).parent), directory=str(tmp_path / "killed"), options=options, threads=threads
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    died = subprocess.run([sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert len(TrialFolder(tmp_path / "killed").history.read_text().splitlines()) == 1
    resumed = _fit(tmp_path / "killed", **options)

    assert [(r.train_loss, r.val_loss, r.val_auroc, r.lr) for r in resumed.history] == [
        (r.train_loss, r.val_loss, r.val_auroc, r.lr) for r in straight.history
    ]
    first, second = (
        torch.load(TrialFolder(tmp_path / name).checkpoint, weights_only=True)["weights"]
        for name in ("straight", "killed")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    first = _weights(tmp_path / "straight")
    second = _weights(tmp_path / "killed")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_fit_that_has_ended_trains_no_further(tmp_path) -> None:
    ended = _fit(tmp_path)
    written = TrialFolder(tmp_path).checkpoint.stat().st_mtime_ns
    again = _fit(tmp_path)

    assert again.history == ended.history
    assert TrialFolder(tmp_path).checkpoint.stat().st_mtime_ns == written


def test_a_fit_that_was_killed_between_its_last_checkpoint_and_its_history_gets_the_last_epoch_back(tmp_path) -> None:
    _fit(tmp_path, epochs=2)
    history = TrialFolder(tmp_path).history
    whole = history.read_text()
    history.write_text(whole.splitlines(keepends=True)[0])

    _fit(tmp_path, epochs=2)

    assert history.read_text() == whole


def test_training_stops_when_validation_has_not_improved_for_patience_epochs(tmp_path) -> None:
    fitted = _fit(tmp_path, epochs=30, lr=1e-12, patience=2)

    assert len(fitted.history) == fitted.best_epoch + 1 + 2


def test_a_frozen_backbone_does_not_move(tmp_path) -> None:
    _fit(tmp_path, arch="cnn_attention", strategy="frozen", lr=0.01)

    assert _moved(tmp_path, arch="cnn_attention") == {"classifier.weight", "classifier.bias"}


def test_full_training_moves_every_weight(tmp_path) -> None:
    _fit(tmp_path, lr=0.01)

    assert _moved(tmp_path) == set(_first_weights())


def test_the_moving_average_is_what_is_validated_and_kept(tmp_path) -> None:
    _fit(tmp_path, ema_decay=0.99, epochs=1, lr=0.01)
    state = torch.load(TrialFolder(tmp_path).checkpoint, weights_only=True)

    assert all(torch.equal(state["average"][key], value) for key, value in _weights(tmp_path).items())
    assert any(not torch.equal(state["weights"][key], value) for key, value in _weights(tmp_path).items())


def test_a_slow_average_does_not_hold_a_short_run_at_its_random_start(tmp_path) -> None:
    _fit(tmp_path, ema_decay=0.9999, epochs=2, lr=0.01)
    state = torch.load(TrialFolder(tmp_path).checkpoint, weights_only=True)
    key = "trunk.3.weight"
    first = _first_weights()[key]
    average = state["average"][key]
    last = state["weights"][key]

    assert (average - last).norm() < 0.5 * (first - last).norm()


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_every_optimizer_and_loss_learns(tmp_path, optimizer, loss) -> None:
    lr = {"sgd": 5e-3, "rmsprop": 2e-5}.get(optimizer, 1e-3)
    fitted = _fit(tmp_path, optimizer=optimizer, loss=loss, epochs=10, lr=lr, schedule="constant", augment="none")

    assert fitted.history[-1].train_loss < fitted.history[0].train_loss


def test_a_loss_that_is_not_finite_stops_the_fit_with_a_remedy(tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match="the training loss is nan after step 3; lower --lr"):
        _fit(tmp_path, train=LabelledFilms(TRAIN.films * np.float32(np.nan), TRAIN.labels, 2), augment="none")

    assert not TrialFolder(tmp_path).checkpoint.exists()


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path) -> None:
    TrialFolder(tmp_path).checkpoint.write_bytes(b"half a checkpoint")

    with pytest.raises(TrainingConfigError, match=r"checkpoint\.pt is not a checkpoint of this version"):
        _fit(tmp_path)


def test_bfloat16_trains_to_float32_outputs(tmp_path) -> None:
    _fit(tmp_path, precision="bf16", epochs=1)

    assert {value.dtype for value in _weights(tmp_path).values()} == {torch.float32}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_asked_for_and_not_there_is_an_error_and_no_silent_fallback(tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match="torch sees no CUDA device"):
        _fit(tmp_path, device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_trains_what_the_cpu_can_read(tmp_path, precision) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    fitted = _fit(tmp_path, device="cuda", precision=precision, arch="cnn_attention", ema_decay=0.9)
    resumed = _fit(tmp_path, device="cuda", precision=precision, arch="cnn_attention", ema_decay=0.9)

    assert fitted.device.type == "cuda"
    assert resumed.history == fitted.history
    assert {value.device.type for value in _weights(tmp_path).values()} == {"cpu"}


# Strategies, batches, memory, precision


def test_the_last_stages_move_and_nothing_below(tmp_path) -> None:
    _fit(tmp_path, arch="cnn_attention", strategy="last_stages", stages=1, lr=0.01, epochs=1)
    moved = _moved(tmp_path, arch="cnn_attention")

    assert {key.split(".")[0] for key in moved} == {"gate", "dense", "classifier"}


def test_the_unfreezing_schedule_unfreezes_when_it_says(tmp_path) -> None:
    fitted = _fit(tmp_path, arch="cnn_attention", strategy="progressive", unfreeze_epochs=2, epochs=5)
    counts = [record.learning_parameters for record in fitted.history]

    assert counts[0] == counts[1] == 514
    assert counts[1] < counts[2] == counts[3] < counts[4]


def test_a_fit_that_unfreezes_and_is_stopped_ends_as_one_that_was_not(tmp_path) -> None:
    options: dict[str, Any] = {
        "arch": "cnn_attention",
        "strategy": "progressive",
        "mixup": 0.4,
        "accumulate": 2,
        "epochs": 4,
    }

    def stop(record) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt

    straight = _fit(tmp_path / "straight", **options)
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path / "stopped", on_epoch=stop, **options)
    resumed = _fit(tmp_path / "stopped", **options)
    first = _weights(tmp_path / "straight")
    second = _weights(tmp_path / "stopped")

    assert [record.train_loss for record in resumed.history] == [record.train_loss for record in straight.history]
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    "options",
    [{}, {"class_weights": True, "label_smoothing": 0.1}, {"loss": "focal"}],
    ids=["plain", "weighted", "focal"],
)
def test_gradients_of_several_batches_make_the_step_of_one_large_batch(tmp_path, options) -> None:
    """Of a network without batch norm; 24 films: the last group of 5 batches of 4 has one batch alone."""
    common: dict[str, Any] = {
        "augment": "none",
        "epochs": 2,
        "optimizer": "sgd",
        "lr": 0.1,
        "schedule": "constant",
        "warmup": 0.0,
    }
    few = LabelledFilms(TRAIN.films, np.minimum(np.arange(24) % 4, 1), 2)  # a quarter of them NORMAL
    large = _fit(tmp_path / "large", train=few, batch_size=20, **common, **options)
    small = _fit(tmp_path / "small", train=few, batch_size=4, accumulate=5, **common, **options)
    first = _weights(tmp_path / "large")
    second = _weights(tmp_path / "small")

    assert [record.train_loss for record in small.history] == pytest.approx(
        [r.train_loss for r in large.history], abs=1e-5
    )
    assert all(torch.allclose(first[key], second[key], atol=1e-5) for key in first)
    assert small.history[0].accumulate == 5


def test_mixed_films_train_other_weights_than_whole_ones(tmp_path) -> None:
    _fit(tmp_path / "whole")
    mixed = _fit(tmp_path / "mixed", mixup=1.0)
    first = _weights(tmp_path / "whole")
    second = _weights(tmp_path / "mixed")

    assert any(not torch.equal(first[key], second[key]) for key in first)
    assert all(np.isfinite(record.train_loss) for record in mixed.history)


default_cfgs = timm.models.generate_default_cfgs(  # where timm looks for what it knows of a network of this module
    {
        "hungry_resnet.untrained": {
            "input_size": (3, SIDE, SIDE),
            "mean": (0.5,) * 3,
            "std": (0.5,) * 3,
            "classifier": "fc",
        }
    }
)


class Hungry(timm.models.resnet.ResNet):
    """A network with memory for few films at once while it learns."""

    memory = 5

    def forward_features(self, image):
        if self.training and len(image) > self.memory:
            message = "CUDA out of memory"
            raise torch.OutOfMemoryError(message)
        return super().forward_features(image)


def hungry_resnet(pretrained=False, **options):  # noqa: FBT002 - timm's signature
    del pretrained
    kept = {name: value for name, value in options.items() if name in {"num_classes", "drop_rate"}}
    block: Any = timm.models.resnet.BasicBlock
    return Hungry(block, (1, 1, 1, 1), channels=(8, 8, 8, 8), output_stride=8, **kept)


@pytest.fixture
def hungry():
    """Its name, as timm knows it."""
    timm.models.register_model(hungry_resnet)
    yield "timm:hungry_resnet"
    timm.models._registry._model_entrypoints.pop("hungry_resnet")


def test_a_device_that_runs_out_of_memory_gets_half_the_films_and_the_same_step(tmp_path, hungry) -> None:
    first = Lines()
    later = Lines()
    fitted = _fit(tmp_path, arch=hungry, batch_size=16, epochs=2, reporter=first)
    again = _fit(tmp_path, arch=hungry, batch_size=16, epochs=3, reporter=later)

    assert [(record.batch_size, record.accumulate) for record in fitted.history] == [(4, 4), (4, 4)]
    assert "ran out of memory with 16 films at once: the epoch begins again with 8, 2 batches" in first.lines[0]
    assert "ran out of memory with 8 films at once" in first.lines[1]
    assert len(again.history) == 3
    assert later.lines == []  # what was found out is remembered


def test_a_device_too_small_for_two_films_is_refused_in_words(tmp_path, hungry, monkeypatch) -> None:
    monkeypatch.setattr(Hungry, "memory", 1)

    with pytest.raises(TrainingConfigError, match="too little memory for 2 films at once"):
        _fit(tmp_path, arch=hungry, batch_size=8)


def test_half_precision_on_a_cpu_is_refused(tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match="precision=fp16 needs a CUDA device"):
        _fit(tmp_path, precision="fp16")


def test_a_full_disk_stops_the_fit_and_leaves_the_last_checkpoint_whole(tmp_path) -> None:
    first = _fit(tmp_path, epochs=1)
    before = TrialFolder(tmp_path).checkpoint.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            _fit(tmp_path, epochs=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = {path.name for path in tmp_path.iterdir()}

    assert TrialFolder(tmp_path).checkpoint.read_bytes() == before
    assert not [name for name in left if name.startswith(".")]
    assert _fit(tmp_path, epochs=3).history[:1] == first.history


@pytest.mark.slow
def test_a_compiled_network_learns_and_its_weights_keep_their_names(tmp_path) -> None:
    _fit(tmp_path / "plain", epochs=2, dropout=0.0)  # a compiled network draws its dropout elsewhere
    _fit(tmp_path / "compiled", epochs=2, dropout=0.0, compile=True)
    first = _weights(tmp_path / "plain")
    second = _weights(tmp_path / "compiled")

    assert first.keys() == second.keys()
    assert all(torch.allclose(first[key], second[key], atol=1e-3) for key in first)


def test_the_share_of_dropout_is_the_runs_where_it_says_one(tmp_path) -> None:
    network = build_network("cnn4", classes=2, size=SIDE, dropout=0.9)

    assert [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)] == [0.9]
    _fit(tmp_path / "a", arch="cnn4", epochs=1)
    _fit(tmp_path / "b", arch="cnn4", epochs=1, dropout=0.0)
    first = _weights(tmp_path / "a")
    second = _weights(tmp_path / "b")
    assert any(not torch.equal(first[key], second[key]) for key in first)
