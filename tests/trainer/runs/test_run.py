"""A run from films to figures: everything is decided on validation before one test film is decoded."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from schemas.errors import TestSetError, TrainingConfigError, TrainingDataError, WeightsError
from schemas.model.decision import softmax
from tests.films import indexed
from tests.records import faults, records_of
from tests.trainer.conftest import COMMAND, two_networks
from trainer.config import RunConfig
from trainer.films.dataset import prepare_dataset, read_data, read_dataset
from trainer.films.film import Film
from trainer.folder import RunFolder, TrialFolder
from trainer.judging.outputs import SavedOutputs
from trainer.learning.consumption import energy_counters
from trainer.learning.history import read_history
from trainer.reporter import SilentReporter
from trainer.runs.leaderboard import Leaderboard, read_leaderboard, write_leaderboard
from trainer.runs.run import train
from trainer.runs.test_set import open_test_set
from trainer.trials.context import RunContext
from trainer.trials.evaluate_trial import evaluate_on_test
from trainer.trials.failure import read_failure
from trainer.trials.make_trial import make_trial
from trainer.trials.record import read_trial
from trainer.trials.trial import load_trial
from trainer.trials.trial_spec import TrialSpec, trial_specs


def _train(config: RunConfig, run: Path, **options) -> Leaderboard:
    return train(config, RunFolder(run), command=COMMAND, **options)


def _open(config: RunConfig, run: Path) -> tuple[Film, ...]:
    folder = RunFolder(run)
    specs = trial_specs(config.networks, config.data.folds)
    return open_test_set(folder, specs, read_dataset(folder, config.data))


@pytest.fixture(scope="module")
def finished(two_networks_run) -> Path:
    return two_networks_run


@pytest.fixture(scope="module")
def config(kermany_like, finished) -> RunConfig:
    return two_networks(kermany_like, finished.parent)


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A finished run that the test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def _trials(run: Path) -> list[Path]:
    return sorted((run / "trials").iterdir())


def test_a_run_leaves_the_files_that_its_layout_promises(finished) -> None:
    files = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    events = {name for name in files if "/events/events.out.tfevents." in name}
    outputs = ("trial.json", "validation.npz", "validation.csv", "test.npz", "test.csv")
    trial_files = ("checkpoint.pt", "best.safetensors", "history.jsonl", "statistics.npz", *outputs)

    assert len(events) == 2
    assert files - events == {
        "config.yaml",
        "split.csv",
        "data.json",
        "leaderboard.json",
        "test_opened.json",
        *(f"trials/{arch}-seed0/{name}" for arch in ("cnn_baseline", "cnn_attention") for name in trial_files),
        *(f"trials/mean-of-2-architectures/{name}" for name in outputs),
    }


def test_the_leaderboard_is_in_the_order_of_validation_and_says_nothing_of_the_test(finished) -> None:
    board = read_leaderboard(RunFolder(finished))
    values = [row.validation_auroc.value for row in board.rows if row.kind == "trial"]

    assert [row.kind for row in board.rows] == ["trial", "trial", "ensemble"]
    assert values == sorted(values, reverse=True)
    assert board.winner == board.rows[0]
    assert "test" not in json.loads(RunFolder(finished).leaderboard.read_text())["rows"][0]
    for row in board.rows:
        assert read_trial(RunFolder(finished).trial(row.trial)).validation.auroc == row.validation_auroc


def test_every_trial_is_calibrated_on_validation_and_evaluated_on_both_sets(finished, config) -> None:
    data = read_data(RunFolder(finished))
    for directory in _trials(finished):
        record = read_trial(TrialFolder(directory))

        assert record.classes == ("NORMAL", "PNEUMONIA")
        assert record.negative_class == "NORMAL"
        assert record.preprocess.size == 32
        assert record.epochs == 2
        assert 0 <= record.best_epoch < 2
        assert record.validation.films == sum(data.counts["val"].values())
        assert record.validation.patients == data.patients["val"]
        assert record.test is not None
        assert (record.test.films, record.test.patients) == (48, 24)
        assert record.calibration.operating_points[0].target_sensitivity == config.judge.target_sensitivity
        assert record.calibration.data.startswith("validation: ")


def test_a_trial_records_where_it_comes_from(finished, kermany_like) -> None:
    data = read_data(RunFolder(finished))
    provenance = read_trial(RunFolder(finished).trial("cnn_attention-seed0")).provenance

    assert provenance.command == COMMAND
    assert provenance.data == str(kermany_like)
    assert provenance.data_sha256 == data.data_sha256 == indexed(kermany_like).data_sha256
    assert provenance.split_sha256 == data.split_sha256
    assert provenance.pretrained_weights == "none"
    assert provenance.parameters == 471_139
    history = read_history(RunFolder(finished).trial("cnn_attention-seed0"))
    assert provenance.training_seconds == pytest.approx(sum(epoch.seconds for epoch in history))
    assert provenance.cpu_seconds == pytest.approx(sum(epoch.cpu_seconds for epoch in history))
    assert set(provenance.energy_joules) == {counter.name for counter in energy_counters()}
    assert provenance.device.startswith("cpu: ")
    assert provenance.libraries["torch"] == torch.__version__.partition("+")[0]


def test_a_trial_is_loaded_as_the_exporter_needs_it(finished, config) -> None:
    trial = load_trial(RunFolder(finished).trial("cnn_attention-seed0"))
    images, labels = trial.inputs("val")
    with torch.no_grad():
        logits = trial.network(torch.from_numpy(np.array(images)))
        width = trial.network.embed(trial.network.features(torch.from_numpy(np.array(images[:1])))).shape[1]

    assert not trial.network.training
    assert images.shape == (len(labels), 1, 32, 32)
    assert images.dtype == np.float32
    assert np.bincount(labels).tolist() == list(read_data(RunFolder(finished)).counts["val"].values())
    assert [film.label for film in trial.dataset.films("val")] == [trial.record.classes[i] for i in labels]
    assert logits.shape == (len(labels), 2)
    if trial.record.calibration.out_of_distribution is not None:
        assert trial.statistics is not None
        assert trial.statistics["center"].shape == (width,)
        assert trial.statistics["class_means"].shape[0] == 2


def test_a_finished_run_is_read_and_not_repeated(run, config) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}

    board = _train(config, run)

    assert board == read_leaderboard(RunFolder(run))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def test_a_run_goes_on_only_with_the_config_that_it_was_started_with(run, config) -> None:
    other = config.changed({"learn.lr": 0.5})

    with pytest.raises(TrainingConfigError, match=r"learn\.lr was None, now 0\.5"):
        _train(other, run)


def test_a_run_goes_on_only_with_the_films_that_it_was_started_with(run, config, kermany_like, tmp_path) -> None:
    shutil.copytree(kermany_like, tmp_path / "films")
    next((tmp_path / "films" / "train" / "NORMAL").iterdir()).unlink()
    moved = config.changed({"data.path": str(tmp_path / "films")})
    (run / "config.yaml").unlink()

    with pytest.raises(TrainingDataError, match="not those that"):
        _train(moved, run)


def _prepared(cache: Path) -> list[tuple[int, int]]:
    """Count and side of the films of each cache file."""
    arrays = [np.load(path, mmap_mode="r") for path in cache.glob("films-*.npy")]
    return sorted((len(films), films.shape[-1]) for films in arrays)


def test_no_test_film_is_prepared_for_the_network_before_the_winner_stands(config, tmp_path) -> None:
    cache = tmp_path / "cache"
    run = tmp_path / "run"
    settings = config.changed({"data.cache": str(cache)})

    class Stopping(SilentReporter):
        """The user stops the run while the second network trains."""

        def epoch_ended(self, trial, epoch) -> None:
            if trial.startswith("cnn_attention"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(settings, run, reporter=Stopping())
    counts = read_data(RunFolder(run)).counts
    train, val, test = (sum(counts[split].values()) for split in ("train", "val", "test"))

    assert len(_trials(run)) == 2
    assert not RunFolder(run).leaderboard.exists()
    assert _prepared(cache) == sorted([(train, 32), (val, 32), (train + val + test, 24)])  # 24: the leakage gate's


def test_the_test_set_stays_sealed_without_a_leaderboard(config, tmp_path) -> None:
    prepare_dataset(config.data, RunFolder(tmp_path))

    with pytest.raises(TestSetError, match="no leaderboard has chosen a winner"):
        _open(config, tmp_path)

    assert not RunFolder(tmp_path).opening.exists()


def test_the_test_set_stays_sealed_until_every_trial_is_ranked(run, config) -> None:
    RunFolder(run).opening.unlink()
    board = read_leaderboard(RunFolder(run))
    write_leaderboard(Leaderboard(rows=board.rows[:1]), RunFolder(run))

    with pytest.raises(TestSetError, match=f"{board.rows[1].trial} not in the leaderboard"):
        _open(config, run)

    assert not RunFolder(run).opening.exists()


def test_the_test_set_opens_once(run, config) -> None:
    with pytest.raises(TestSetError, match=r"was opened at .* its figures stand in each trial"):
        _open(config, run)


def test_a_run_that_was_killed_while_testing_finishes_the_same_opening(run, config) -> None:
    directory = _trials(run)[0]
    record = read_trial(TrialFolder(directory))
    opened = RunFolder(run).opening.read_bytes()
    TrialFolder(directory).record.write_text(record.model_copy(update={"test": None}).model_dump_json())

    _train(config, run)

    assert read_trial(TrialFolder(directory)) == record
    assert RunFolder(run).opening.read_bytes() == opened


def test_nothing_is_trained_after_the_test_set_was_opened(run, config) -> None:
    TrialFolder(_trials(run)[0]).record.unlink()

    with pytest.raises(TestSetError, match="would be trained after the test set"):
        _train(config, run)


def test_another_leaderboard_does_not_reopen_the_test_set(run, config) -> None:
    directory = _trials(run)[0]
    TrialFolder(directory).record.write_text(
        read_trial(TrialFolder(directory)).model_copy(update={"test": None}).model_dump_json()
    )
    write_leaderboard(Leaderboard(rows=read_leaderboard(RunFolder(run)).rows[::-1]), RunFolder(run))

    with pytest.raises(TestSetError, match="was opened at"):
        _open(config, run)


@pytest.mark.parametrize(("test_fraction", "tested"), [(0.3, True), (0.0, False)])
def test_a_folder_of_classes_alone_gets_a_test_set_of_its_own_unless_that_is_refused(
    config, kermany_like, tmp_path, test_fraction, tested
) -> None:
    shutil.copytree(kermany_like / "train", tmp_path / "films")
    run = tmp_path / "run"
    changes = {
        "data.path": str(tmp_path / "films"),
        "networks.archs": ("cnn_baseline",),
        "data.test_fraction": test_fraction,
    }

    _train(config.changed(changes), run)

    assert (read_trial(TrialFolder(_trials(run)[0])).test is not None) is tested
    assert RunFolder(run).opening.exists() is tested
    assert (read_data(RunFolder(run)).patients["test"] > 0) is tested


@pytest.mark.parametrize(("name", "reader"), [("data.json", read_data), ("leaderboard.json", read_leaderboard)])
def test_a_damaged_record_is_refused_by_name(run, name, reader) -> None:
    (run / name).write_text("{")

    with pytest.raises(TrainingDataError, match=name):
        reader(RunFolder(run))


def test_a_trial_that_has_not_ended_cannot_be_loaded(run) -> None:
    TrialFolder(_trials(run)[0]).record.unlink()

    with pytest.raises(TrainingDataError, match=r"trial\.json is missing"):
        load_trial(TrialFolder(_trials(run)[0]))


def test_no_patient_of_the_split_stands_on_two_sides(finished) -> None:
    rows = [line.split(",") for line in RunFolder(finished).split.read_text().splitlines()[1:]]
    sides = {split: {row[2] for row in rows if row[3] == split} for split in ("train", "val", "test")}

    assert not sides["train"] & sides["val"]
    assert not (sides["train"] | sides["val"]) & sides["test"]


# Failures


@pytest.fixture
def unfit(tmp_path) -> Path:
    """Weights of another network."""
    path = tmp_path / "unfit.safetensors"
    save_file({"body.nothing": torch.zeros(3)}, path)
    return path


def test_a_trial_that_fails_is_recorded_and_the_rest_goes_on_to_the_test_set(config, tmp_path, unfit) -> None:
    run = tmp_path / "run"
    board = _train(config.changed({"networks.weights": {"cnn_attention": str(unfit)}}), run)
    failed = read_failure(RunFolder(run).trial("cnn_attention-seed0"))

    assert [row.trial for row in board.rows] == ["cnn_baseline-seed0"]
    assert failed is not None
    assert failed.code == "weights_mismatch"
    assert "unfit.safetensors" in failed.message
    assert read_trial(RunFolder(run).trial("cnn_baseline-seed0")).test is not None


def test_a_failed_trial_is_not_repeated_unless_that_is_asked_for(config, tmp_path, unfit) -> None:
    run = tmp_path / "run"
    changed = config.changed(
        {
            "networks.weights": {"cnn_attention": str(unfit)},
            "networks.archs": ("cnn_attention",),
            "data.test_fraction": 0.0,
        }
    )
    with pytest.raises(WeightsError, match=r"unfit\.safetensors"):
        _train(changed, run)
    before = RunFolder(run).trial("cnn_attention-seed0").failure.read_bytes()

    with pytest.raises(TrainingConfigError, match=r"failed before .* --retry-failed"):
        _train(changed, run)
    assert RunFolder(run).trial("cnn_attention-seed0").failure.read_bytes() == before
    with pytest.raises(WeightsError):
        _train(changed, run, retry_failed=True)
    assert RunFolder(run).trial("cnn_attention-seed0").failure.read_bytes() != before


def test_weights_that_do_not_exist_stop_the_run_before_anything_is_trained(config, tmp_path) -> None:
    run = tmp_path / "run"
    with pytest.raises(WeightsError, match=r"absent\.pth cannot be read"):
        _train(config.changed({"networks.weights": {"cnn_attention": str(tmp_path / "absent.pth")}}), run)

    assert not (run / "trials").exists()


def test_a_trial_reads_neither_the_split_nor_the_record_of_the_films(config, tmp_path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.make()
    dataset = prepare_dataset(config.data, folder)
    context = RunContext(folder, config, dataset, SilentReporter(), COMMAND)
    folder.split.unlink()
    folder.data.unlink()

    make_trial(context, TrialSpec("cnn_baseline", 0), {})
    tested = evaluate_on_test(context, folder.trial("cnn_baseline-seed0"), dataset.split.of("test"))

    assert tested.test is not None
    assert tested.test.films == 48


# Cross-validation, samples, ensembles


def test_in_cross_validation_every_film_validates_once_and_no_mean_of_folds_is_made(config, tmp_path) -> None:
    run = tmp_path / "run"
    folded = config.changed({"networks.archs": ("cnn_baseline",), "data.folds": 3, "learn.epochs": 1})
    board = _train(folded, run)
    dataset = read_dataset(RunFolder(run), folded.data)
    outputs = [SavedOutputs.read(path / "validation.npz") for path in _trials(run)]
    validated = [film for saved in outputs for film in saved.films.tolist()]
    patients = [set(saved.patients.tolist()) for saved in outputs]

    assert [path.name for path in _trials(run)] == [f"cnn_baseline-seed0-fold{fold}" for fold in range(3)]
    assert len(validated) == len(set(validated)) == sum(len(dataset.films(part)) for part in ("train", "val"))
    assert not patients[0] & patients[1] | patients[1] & patients[2] | patients[0] & patients[2]
    assert {row.kind for row in board.rows} == {"trial"}
    assert all(row.against_winner is None for row in board.rows)  # other films
    assert (board.architectures[0].trials, board.architectures[0].sd is None) == (3, False)
    trial = load_trial(RunFolder(run).trial("cnn_baseline-seed0-fold1"))
    assert len(trial.inputs("val")[0]) == len(outputs[1].films)
    assert trial.record.test is not None


def test_a_sample_keeps_the_proportions_and_is_the_same_every_time(config, tmp_path) -> None:
    small = config.changed({"data.films": 24})
    folders = {name: RunFolder(tmp_path / name) for name in "abcd"}
    for folder in folders.values():
        folder.make()
    first = prepare_dataset(small.data, folders["a"]).record
    second = prepare_dataset(small.data, folders["b"]).record
    whole = prepare_dataset(config.data, folders["c"]).record

    assert first == second
    for place, counts in first.counts.items():
        for label, count in counts.items():
            assert count == round(24 * whole.counts[place][label] / 96)
    assert "a sample of 24 of 96 films" in first.notes[-1]
    with pytest.raises(TrainingDataError, match="films=97 asks for more than the 96"):
        prepare_dataset(config.changed({"data.films": 97}).data, folders["d"])


def test_an_ensemble_is_the_mean_of_its_members_probabilities_and_no_network(finished) -> None:
    record = read_trial(RunFolder(finished).trial("mean-of-2-architectures"))
    members = [read_trial(RunFolder(finished).trial(name)) for name in record.members]
    for file in ("validation.npz", "test.npz"):
        mean = np.mean(
            [
                softmax(SavedOutputs.read(finished / "trials" / name / file).logits, member.calibration.temperature)
                for name, member in zip(record.members, members, strict=True)
            ],
            axis=0,
        )
        saved = SavedOutputs.read(finished / "trials" / "mean-of-2-architectures" / file)

        np.testing.assert_allclose(softmax(saved.logits, 1.0), mean, atol=1e-6)
    assert record.provenance.parameters == sum(member.provenance.parameters for member in members)
    assert record.test is not None
    with pytest.raises(TrainingDataError, match=r"is a mean of .* not a network"):
        load_trial(RunFolder(finished).trial("mean-of-2-architectures"))


def test_the_seeds_of_the_winners_architecture_are_averaged_too(config, tmp_path) -> None:
    run = tmp_path / "run"
    board = _train(
        config.changed({"networks.archs": ("cnn_baseline",), "networks.seeds": (0, 1), "learn.epochs": 1}), run
    )

    assert [row.trial for row in board.rows if row.kind == "ensemble"] == ["mean-of-2-seeds"]


def test_every_row_is_compared_with_the_winner_film_by_film(finished) -> None:
    board = read_leaderboard(RunFolder(finished))
    best, *others = board.rows

    assert best.against_winner is None
    for row in others:
        assert row.against_winner is not None
        gap = best.validation_auroc.value - row.validation_auroc.value
        assert row.against_winner.difference.value == pytest.approx(gap, abs=1e-9)
        assert 0 <= row.against_winner.p_value <= 1
    assert {row.ms_per_film is not None and row.ms_per_film > 0 for row in board.rows} == {True}
    loads = [
        read_trial(RunFolder(finished).trial(row.trial)).ms_per_film_load for row in board.rows if row.kind == "trial"
    ]
    assert all(load is not None and 0 < load.core_share < 1.5 and load.cores >= 1 for load in loads)


def test_the_records_of_a_run_are_valid_by_the_published_schemas(finished) -> None:
    records = records_of(RunFolder(finished))

    assert {"config", "data", "trial", "epoch", "leaderboard", "opening"} <= {name for name, _ in records}
    assert [fault for name, record in records for fault in faults(name, record)] == []


def test_failed_trials_stay_failed_once_the_test_set_was_opened(config, tmp_path, unfit) -> None:
    run = tmp_path / "run"
    changed = config.changed({"networks.weights": {"cnn_attention": str(unfit)}})
    board = _train(changed, run)

    with pytest.raises(TestSetError, match="its failed trials stay failed"):
        _train(changed, run, retry_failed=True)
    assert _train(changed, run) == board  # and the run is not locked
