"""Files of a run in an object store: what one machine has sent another one has, and in which order."""

import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.runs import write_run
from trainer.folder import RunFolder
from trainer.sweeps.storage import ObjectStore, SharedFolder, open_storage


@pytest.fixture
def store(tmp_path):
    return open_storage(f"file://{tmp_path}/store")


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(write_run(tmp_path / "run"))


def test_another_machine_gets_the_run_and_its_trial(store, run, tmp_path) -> None:
    other = RunFolder(tmp_path / "other")
    trial = run.trial("cnn4-seed0")
    store.send_run(run)
    store.send_trial(trial)

    store.take_run(other)
    store.take_trial(other.trial("cnn4-seed0"))

    names = {path.relative_to(run.path) for path in (*trial.path.iterdir(), run.config, run.split, run.data)}
    got = {path.relative_to(other.path) for path in other.path.rglob("*") if path.is_file()}
    assert got == names
    assert all((other.path / name).read_bytes() == (run.path / name).read_bytes() for name in names)


def test_what_an_earlier_attempt_left_gives_way_to_the_store(store, run, tmp_path) -> None:
    store.send_trial(run.trial("cnn4-seed0"))
    left = RunFolder(tmp_path / "other").trial("cnn4-seed0")
    left.make()
    left.checkpoint.write_text("older")

    store.take_trial(left)

    assert not left.checkpoint.exists(), "the store has none"
    assert left.record.read_bytes() == run.trial("cnn4-seed0").record.read_bytes()


class Recording:
    """A store of obstore that only remembers what was put into it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def put(self, name: str, file: object) -> None:
        del file
        self.names.append(name.rpartition("/")[2])


def test_an_epoch_sends_the_weights_before_the_checkpoint_and_the_record_last(run) -> None:
    trial = run.trial("cnn4-seed0")
    trial.best_weights.write_text("weights")
    trial.checkpoint.write_text("state")
    recording = Recording()

    ObjectStore(recording).send_trial(trial)

    assert recording.names[-4:] == ["best.safetensors", "checkpoint.pt", "history.jsonl", "trial.json"]


def test_only_what_has_changed_is_sent_again(run) -> None:
    trial = run.trial("cnn4-seed0")
    recording = Recording()
    store = ObjectStore(recording)
    store.send_trial(trial)
    recording.names.clear()
    trial.history.write_text("one epoch more\n" * 9)

    store.send_trial(trial)

    assert recording.names == ["history.jsonl"]


def test_a_file_is_read_and_forgotten(store, run) -> None:
    trial = run.trial("cnn4-seed0")
    trial.failure.write_text("{}")
    store.send_trial(trial)

    assert store.read(run, trial.failure) == b"{}"
    store.forget(run, trial.failure)
    store.forget(run, trial.failure)
    assert store.read(run, trial.failure) is None


def test_a_storage_without_the_run_says_what_to_start(store, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"the storage has no split\.csv of the run; start the sweep itself"):
        store.take_run(RunFolder(tmp_path / "other"))


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="put it on a disk that all machines share, or give a --storage"):
        SharedFolder().take_run(RunFolder(tmp_path / "elsewhere"))


def test_a_shared_folder_reads_and_forgets_its_own_files(run) -> None:
    path = run.trial("cnn4-seed0").failure
    path.write_text("{}")

    assert open_storage(None).read(run, path) == b"{}"
    open_storage(None).forget(run, path)
    assert open_storage(None).read(run, path) is None


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(TrainingConfigError, match="--storage ftp://x is not a URL of s3, gs, az, file"):
        open_storage("ftp://x")
