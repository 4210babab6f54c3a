"""A pupil learns what its teachers say, and only from teachers that never saw its validation films."""

import numpy as np
import pytest
import torch

from schemas.errors import TrainingConfigError
from trainer.config import make_config, read_config
from trainer.folder import RunFolder
from trainer.judging.outputs import SavedOutputs
from trainer.learning.loader import Batch
from trainer.networks.network import Network
from trainer.report.document import write_report
from trainer.runs.run import train
from trainer.trials.record import read_trial
from trainer.trials.teachers import Teachers

TRIAL = "cnn_baseline-seed0"


class Saying(Network):
    """A teacher that says the same of every film."""

    def __init__(self, *probabilities) -> None:
        super().__init__("", (0.5,), (0.25,))
        self.logits = torch.tensor(probabilities).log()

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def taught(viewed_run, out, **options):
    """Train a network as the viewed run's was, with that one as its teacher."""
    teacher = str(RunFolder(viewed_run).trial(TRIAL))
    config = make_config(
        read_config(RunFolder(viewed_run)).model_dump()
        | {"judge.tta": 0, "judge.scales": [1.0], "learn.teachers": [teacher]}
        | options
    )
    train(config, RunFolder(out), command="python -m trainer train")
    return RunFolder(out).trial(f"cnn_baseline-seed{config.networks.seeds[0]}")


def opinions(trial):
    return torch.from_numpy(SavedOutputs.read(trial.outputs("validation")).logits).softmax(1).numpy()


def test_a_label_is_the_truth_and_a_share_of_what_the_teachers_say_in_the_mean() -> None:
    teachers = Teachers([Saying(0.9, 0.1), Saying(0.5, 0.5)], 0.25, torch.device("cpu"))

    images, labels, *_ = teachers(Batch(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1])))

    assert images.shape == (2, 1, 8, 8)
    assert labels.tolist() == [pytest.approx([0.925, 0.075]), pytest.approx([0.175, 0.825])]
    assert not labels.requires_grad


def test_of_findings_teachers_say_each_by_itself_and_know_no_more_than_the_truth() -> None:
    teacher = Saying(0.9, 0.1)
    teacher.logits = torch.tensor([2.0, -1.0])
    teachers = Teachers([teacher], 0.25, torch.device("cpu"), alone=True)

    labels = teachers(Batch(torch.zeros(2, 1, 8, 8), torch.tensor([[1.0, 1.0], [0.0, float("nan")]]))).labels

    present, absent = torch.tensor([2.0, -1.0]).sigmoid().tolist()
    assert labels[0].tolist() == pytest.approx([0.75 + 0.25 * present, 0.75 + 0.25 * absent])
    assert labels[1].tolist() == pytest.approx([0.25 * present, float("nan")], nan_ok=True)


@pytest.mark.long
def test_a_pupil_comes_closer_to_its_teacher_than_one_that_does_not_listen(viewed_run, tmp_path) -> None:
    settings = {"networks.seeds": [7], "learn.epochs": 6, "learn.lr": 0.003}
    listening = taught(viewed_run, tmp_path / "listening", **{"learn.teachers_share": 1.0}, **settings)
    deaf = taught(viewed_run, tmp_path / "deaf", **{"learn.teachers_share": 0.0}, **settings)

    teacher = opinions(RunFolder(viewed_run).trial(TRIAL))
    distance = {pupil.run.name: np.abs(opinions(pupil) - teacher).mean() for pupil in (listening, deaf)}

    assert distance["listening"] < 0.5 * distance["deaf"]


def test_a_pupil_records_where_its_teachers_come_from_and_the_report_what_they_took(viewed_run, tmp_path) -> None:
    pupil = taught(viewed_run, tmp_path / "run")

    record = read_trial(pupil)
    teacher = read_trial(RunFolder(viewed_run).trial(TRIAL))
    assert record.provenance.teachers == (teacher.provenance,)
    assert teacher.provenance.teachers == ()
    report = write_report(RunFolder(tmp_path / "run")).read_text()
    assert "Training of the teachers, before" in report


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"data.split_seed": 1}, "its split"),
        ({"networks.size": 48}, "its films prepared"),
    ],
)
def test_a_teacher_that_knows_other_films_is_refused(viewed_run, tmp_path, options, reason) -> None:
    with pytest.raises(TrainingConfigError, match=reason):
        taught(viewed_run, tmp_path / "run", **options)


def test_teachers_and_a_search_are_refused_together(viewed_run) -> None:
    with pytest.raises(TrainingConfigError, match=r"train without search and data\.folds"):
        make_config(
            read_config(RunFolder(viewed_run)).model_dump() | {"learn.teachers": ["runs/a/trials/b"], "data.folds": 3}
        )
