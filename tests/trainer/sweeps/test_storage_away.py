"""A storage that gives no answer for a while, and trials whose process fails: nothing is lost, nothing ends early."""

from pathlib import Path

import pytest

from tests.runs import write_run
from tests.trainer.sweeps.test_sweep import Elsewhere, options, sweeping
from trainer.__main__ import main
from trainer.folder import RunFolder
from trainer.reporter import SilentReporter
from trainer.sweeps.local import LocalExecutor
from trainer.sweeps.process import FAILED, LOST, REFUSED
from trainer.sweeps.progress import Progress
from trainer.sweeps.run_trial import run_trial
from trainer.sweeps.storage import StorageError, open_storage
from trainer.sweeps.sweep import sweep
from trainer.sweeps.sweep_trial import SweepTrial
from trainer.trials.failure import write_failure

NAME = "cnn_baseline-seed0-fold0"


class Disk:
    """Of an object store in a folder; while it is away every request of the store fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = folder.with_name("kept")
        self.url = f"file://{folder}"

    def leave(self) -> None:
        self._folder.rename(self._kept)
        self._folder.touch()

    def come_back(self) -> None:
        self._folder.unlink()
        self._kept.rename(self._folder)


class LosingDisk(SilentReporter):
    """Hears how a trial goes, which loses the disk of its storage as it begins."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)

    def trial_started(self, trial: str, epochs: int) -> None:
        self._disk.leave()


@pytest.fixture
def disk(tmp_path) -> Disk:
    return Disk(tmp_path / "store")


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(write_run(tmp_path / "run"))


def trial_of(run: Path, directory: Path) -> SweepTrial:
    fields = {"index": 0, "architecture": "cnn_baseline", "seed": 0, "fold": 0, "name": NAME}
    return SweepTrial(**fields, run=str(run), directory=str(directory))


def test_whatever_is_asked_of_a_storage_that_is_away_names_what_to_check(disk, run) -> None:
    storage = open_storage(disk.url)
    trial = run.trial("cnn4-seed0")
    storage.send_trial(trial)
    disk.leave()

    for ask in (
        lambda: storage.read(run, trial.record),
        lambda: storage.forget(run, trial.record),
        lambda: storage.take_trial(run.trial("cnn4-seed1")),
        lambda: storage.send_run(run),
    ):
        with pytest.raises(StorageError, match="check its address"):
            ask()


def test_a_trial_trains_on_without_its_storage_and_sends_what_it_has_afterwards(kermany_like, tmp_path, disk) -> None:
    sweep(
        sweeping(options(kermany_like, tmp_path), RunFolder(tmp_path / "run"), disk.url),
        Elsewhere(at_most=0),
        SilentReporter(),
    )
    node = RunFolder(tmp_path / "node")
    hearing = LosingDisk(disk)

    with pytest.raises(StorageError):
        run_trial(node, NAME, open_storage(disk.url), hearing, command="trial")
    assert node.trial(NAME).record.exists()
    assert not node.trial(NAME).failure.exists()
    assert any("the training goes on" in line for line in hearing.heard)

    disk.come_back()
    assert run_trial(node, NAME, open_storage(disk.url), SilentReporter(), command="trial") is None
    assert open_storage(disk.url).read(node, node.trial(NAME).record) is not None


def test_a_sweep_watches_on_without_its_storage_and_says_so_once(disk, run) -> None:
    storage = open_storage(disk.url)
    storage.send_trial(run.trial("cnn4-seed0"))
    heard = LosingDisk(disk)
    trial = trial_of(run.path, run.path).model_copy(update={"name": "cnn4-seed0", "architecture": "cnn4"})
    progress = Progress(config=None, folder=run, storage=storage, reporter=heard)

    disk.leave()
    progress.look([trial])
    progress.look([trial])
    disk.come_back()

    assert len(heard.heard) == 1
    assert "check its address" in heard.heard[0]


@pytest.mark.process
@pytest.mark.parametrize(("status", "starts"), [(LOST, 3), (FAILED, 1), (REFUSED, 1), (0, 1)])
def test_a_process_that_ends_by_an_error_that_nobody_recorded_is_started_again(tmp_path, status, starts) -> None:
    module = tmp_path / "trainer"
    module.mkdir()
    (module / "__main__.py").write_text(f"print('started')\nraise SystemExit({status})\n")
    trial = trial_of(tmp_path / "run", tmp_path)

    LocalExecutor(retries=2).run([trial], lambda: None, lambda _: None)

    assert RunFolder(tmp_path / "run").log(NAME).read_text().count("started") == starts


@pytest.fixture
def failed(kermany_like, tmp_path, disk) -> list[str]:
    """The command of a trial that has failed before, on another machine."""
    config = options(kermany_like, tmp_path)
    sweep(sweeping(config, RunFolder(tmp_path / "run"), disk.url), Elsewhere(at_most=0), SilentReporter())
    lost = RunFolder(tmp_path / "lost").trial(NAME)
    write_failure(lost, RuntimeError("out of memory"))
    open_storage(disk.url).send_trial(lost)
    return ["trainer", "trial", str(tmp_path / "node"), NAME, "--storage", disk.url]


@pytest.mark.parametrize("away", [False, True])
def test_the_exit_status_tells_a_failure_from_a_storage_that_is_away(failed, disk, monkeypatch, capsys, away) -> None:
    if away:
        disk.leave()
    monkeypatch.setattr("sys.argv", failed)

    with pytest.raises(SystemExit) as stopped:
        main()

    assert stopped.value.code == (LOST if away else FAILED)
    assert ("check its address" in capsys.readouterr().out) is away
