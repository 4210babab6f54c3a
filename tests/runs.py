"""Folders of runs that no network was trained for: records and outputs as training writes them, from drawn logits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bundle.files import sha256_of
from schemas.estimate import Estimate
from schemas.model.evaluation import Comparison
from schemas.model.provenance import Provenance
from schemas.model.trial import TrialRecord
from schemas.preprocess import PreprocessSpec
from trainer.config import make_config
from trainer.films.dataset import DataRecord
from trainer.films.task import Task
from trainer.folder import RunFolder
from trainer.judging.calibrate import calibrate
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions
from trainer.judging.outputs import SavedOutputs
from trainer.learning.history import EpochRecord
from trainer.runs.freeze import freeze_config
from trainer.runs.leaderboard import ArchitectureSummary, Leaderboard, LeaderboardRow, write_leaderboard
from trainer.runs.test_set import Opening
from trainer.trials.record import write_trial

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FILMS = 90
"""In each of validation and test, two of every patient."""
RESAMPLES = 50
"""Records that nobody trained for need intervals, and no exact ones."""


def write_run(
    path: Path,
    *,
    classes: Sequence[str] = ("NORMAL", "PNEUMONIA"),
    trials: Mapping[str, float] | None = None,
    differences: Mapping[str, Estimate] | None = None,
    opened: bool = True,
    kept: bool = True,
) -> Path:
    """A folder of a run.

    Args:
        path: the folder.
        classes: the first is the negative one where it is called NORMAL.
        trials: name, and how far the logits of a film's class are raised; the best comes first.
        differences: of the winner to a trial, by its name.
        opened: whether the test set was.
        kept: whether the outputs of every film were.
    """
    run = RunFolder(path)
    strengths = trials or {"cnn4-seed0": 2.0}
    config = make_config(
        {
            "data.path": "films",
            "networks.archs": ["cnn4"],
            "networks.seeds": list(range(len(strengths))),
            "networks.size": 32,
        }
    )
    freeze_config(config, run)
    counts = {label: FILMS // len(classes) for label in classes}
    data = DataRecord(
        data="films",
        classes=tuple(classes),
        negative_class="NORMAL" if "NORMAL" in classes else None,
        data_sha256="a" * 64,
        split_sha256="b" * 64,
        counts={"train": counts, "val": counts, "test": counts},
        patients={"train": FILMS // 2, "val": FILMS // 2, "test": FILMS // 2},
        root="films",
        dropped=(),
        notes=("the val folder's 16 films became part of train",),
    )
    run.data.write_text(data.model_dump_json())
    run.split.write_text("path,label,patient,split,sha256\n")
    records = {
        name: _write_trial(run, name, strength, data, seed=seed, opened=opened, kept=kept)
        for seed, (name, strength) in enumerate(strengths.items())
    }
    rows = tuple(_row(name, record, (differences or {}).get(name)) for name, record in records.items())
    summary = ArchitectureSummary(
        architecture="cnn4", trials=2, mean=0.9124, sd=0.0123, parameters=454_626, ms_per_film=4.25, training_seconds=60
    )
    write_leaderboard(Leaderboard(rows=rows, architectures=(summary,)), run)
    if opened:
        opening = Opening(opened_at=NOON, winner=rows[0].trial, leaderboard_sha256=sha256_of(run.leaderboard))
        run.opening.write_text(opening.model_dump_json())
    return path


def _row(name: str, record: TrialRecord, difference: Estimate | None) -> LeaderboardRow:
    return LeaderboardRow(
        trial=name,
        architecture=record.architecture,
        seed=record.provenance.seed,
        validation_auroc=record.validation.auroc,
        parameters=record.provenance.parameters,
        training_seconds=record.provenance.training_seconds,
        fold=record.fold,
        kind="ensemble" if record.members else "trial",
        ms_per_film=4.25,
        against_winner=None if difference is None else Comparison(difference=difference, p_value=0.0321),
    )


def _write_trial(
    run: RunFolder, name: str, strength: float, data: DataRecord, *, seed: int, opened: bool, kept: bool
) -> TrialRecord:
    folder = run.trial(name)
    folder.make()
    validation, test = (_outputs(part, strength, len(data.classes), seed=seed) for part in ("val", "test"))
    task = Task(data.classes, data.negative_class)
    answers = {
        part: LabelledLogits(part, "c" * 64, list(outputs.patients), outputs.labels, outputs.logits)
        for part, outputs in (("validation", validation), ("test", test))
    }
    calibration = calibrate(answers["validation"], task, JudgeOptions())
    judged = {part: evaluate(outputs, task, calibration, resamples=RESAMPLES) for part, outputs in answers.items()}
    record = TrialRecord(
        architecture="cnn4",
        classes=data.classes,
        negative_class=data.negative_class,
        preprocess=PreprocessSpec(size=32),
        epochs=3,
        best_epoch=1,
        calibration=calibration,
        validation=judged["validation"],
        test=judged["test"] if opened else None,
        fold=int(name[-1]) if "fold" in name else None,
        members=("cnn4-seed0", "cnn4-seed1") if "ensemble" in name else (),
        provenance=_provenance(seed),
    )
    write_trial(folder, record)
    if "ensemble" not in name:
        lines = [asdict(EpochRecord(epoch, 1e-3, 0.6 - 0.1 * epoch, 0.7, 0.8, 1.5, 100)) for epoch in range(3)]
        folder.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if kept:
        validation.write(folder.outputs("validation"))
        if opened:
            test.write(folder.outputs("test"))
    return record


def _outputs(part: str, strength: float, classes: int, *, seed: int) -> SavedOutputs:
    random = np.random.default_rng([seed, part == "test"])
    labels = np.arange(FILMS) % classes
    logits = random.normal(size=(FILMS, classes)) + strength * np.eye(classes)[labels]
    return SavedOutputs(
        films=np.array([f"{part}/{index:03}.png" for index in range(FILMS)]),
        patients=np.array([f"{part}-{index // 2}" for index in range(FILMS)]),
        labels=labels.astype(np.int64),
        logits=logits.astype(np.float32),
    )


def _provenance(seed: int) -> Provenance:
    return Provenance(
        command=f"python -m trainer train --seed {seed}",
        git_commit="d" * 40,
        trained_at=NOON,
        training_seconds=90,
        seed=seed,
        data="films",
        data_sha256="a" * 64,
        split_sha256="b" * 64,
        pretrained_weights="none",
        parameters=454_626,
        device="cpu: x86_64, 1 threads",
        libraries={"python": "3.11.7", "torch": "2.15.0"},
    )
