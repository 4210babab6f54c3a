"""Rules of the curves for TensorBoard, read back by its own reader."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.folder import TrialFolder
from trainer.learning.history import EpochRecord, write_events


def epochs(count: int) -> list[EpochRecord]:
    return [
        EpochRecord(epoch, 1e-3, 1 / (epoch + 1), 0.5, 0.6 + epoch / 100, seconds=2.0, films_per_second=31.0)
        for epoch in range(count)
    ]


def curve(directory: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(directory / "events")).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_every_epoch_stands_in_every_curve(tmp_path) -> None:
    write_events(TrialFolder(tmp_path), epochs(3))

    assert curve(tmp_path, "train_loss") == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert [step for step, _ in curve(tmp_path, "val_auroc")] == [1, 2, 3]
    assert curve(tmp_path, "lr")[0] == (1, pytest.approx(1e-3))


def test_a_trial_that_goes_on_has_no_epoch_twice(tmp_path) -> None:
    write_events(TrialFolder(tmp_path), epochs(2))
    write_events(TrialFolder(tmp_path), epochs(4))

    assert [step for step, _ in curve(tmp_path, "val_loss")] == [1, 2, 3, 4]
    assert len(list((tmp_path / "events").iterdir())) == 1
    assert not (tmp_path / ".events").exists()
