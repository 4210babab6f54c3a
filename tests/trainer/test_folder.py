"""The files of a run lie where docs/training.md says."""

from pathlib import Path

from trainer.folder import RunFolder, TrialFolder


def test_a_trial_knows_its_run_and_a_run_its_trials(tmp_path) -> None:
    run = RunFolder(tmp_path / "first")
    for name in ("b-seed0", "a-seed0"):
        run.trial(name).make()

    assert [trial.name for trial in run.trial_folders()] == ["a-seed0", "b-seed0"]
    assert {trial.run for trial in run.trial_folders()} == {run}
    assert RunFolder(tmp_path / "empty").trial_folders() == ()


def test_files_have_the_names_that_other_programs_and_the_documentation_use() -> None:
    run = RunFolder(Path("runs/first"))
    trial = TrialFolder(Path("runs/first/trials/cnn4-seed0"))

    assert run.config == Path("runs/first/config.yaml")
    assert run.split == Path("runs/first/split.csv")
    assert run.trial("cnn4-seed0") == trial
    assert trial.record == Path("runs/first/trials/cnn4-seed0/trial.json")
    assert trial.outputs("validation") == Path("runs/first/trials/cnn4-seed0/validation.npz")
    assert run.search_trial("timm:resnet18", 7).path == Path("runs/first/search/timm-resnet18-007")
    assert run.explanations("cnn4-seed0").record == Path("runs/first/explanations/cnn4-seed0/explanations.json")
    assert RunFolder(Path()).name == Path.cwd().name
