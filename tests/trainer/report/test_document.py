"""The report is one file that holds every figure of the records, for whatever a run is and lacks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imaging.phantom import phantom
from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.model.evaluation import SubgroupMetrics
from schemas.model.trial import Load
from tests.films import encode
from tests.runs import write_run
from tests.trainer.report.page import Page
from trainer.__main__ import app
from trainer.folder import RunFolder
from trainer.heat_maps.explain import ClassAttention, ExplanationReport, Sheet
from trainer.report.document import render_report, write_report
from trainer.report.records import read_run
from trainer.trials.record import read_trial, write_trial


def _page(run: Path) -> Page:
    return Page(write_report(RunFolder(run)).read_text())


def test_films_that_are_gone_are_described_without_a_picture(tmp_path) -> None:
    page = _page(write_run(tmp_path / "run"))

    assert "were not found under films" in page.text
    assert "test/" in page.text
    assert not any(alt.startswith("Film of ") for alt in page.alts)


def test_milliseconds_stand_with_the_load_under_which_they_were_measured(tmp_path) -> None:
    run = read_run(RunFolder(write_run(tmp_path / "run", trials={"cnn4-seed0": 2.0, "cnn4-seed1": 1.0})))
    loads = [Load(load_average=average, cores=2, core_share=share) for average, share in ((0.42, 0.99), (2.3, 0.613))]
    trials = tuple(
        replace(trial, record=trial.record.model_copy(update={"ms_per_film_load": load}))
        for trial, load in zip(run.trials, loads, strict=True)
    )

    assert "measured at a load of 0.4 to 2.3 on 2 cores, with 61% of a core or more for it." in render_report(
        replace(run, trials=trials)
    )
    assert "measured at a load of the machine that was not recorded." in render_report(run)


def test_a_sealed_run_says_so_and_shows_no_figure_of_the_test(tmp_path) -> None:
    run = write_run(tmp_path / "run", opened=False)
    left_by_a_kill = RunFolder(write_run(tmp_path / "other")).trial("cnn4-seed0").outputs("test")
    left_by_a_kill.rename(RunFolder(run).trial("cnn4-seed0").outputs("test"))

    page = _page(run)

    assert "The test set is sealed" in page.text
    assert not any("test" in alt for alt in page.alts)
    assert "Test: " not in page.text
    assert "ROC curves of PNEUMONIA on validation." in " ".join(page.alts)


def test_a_run_without_outputs_says_what_cannot_be_drawn_and_how_to_get_it(tmp_path) -> None:
    page = _page(write_run(tmp_path / "run", kept=False))

    assert "There are no curves, calibration diagrams and mistakes for validation and test" in page.text
    assert "--out NEW" in page.text
    assert not any(alt.startswith("ROC") for alt in page.alts)
    assert any(alt.startswith("Confusion matrix on test") for alt in page.alts)


def test_failed_trials_are_listed_with_their_reason(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    failed = RunFolder(run).trial("cnn4-seed9")
    failed.make()
    reason = {"code": "training_config", "message": "the loss is <not> finite", "at": "2026-01-02T12:00:00Z"}
    failed.failure.write_text(json.dumps(reason))

    page = _page(run)

    assert "the loss is <not> finite" in page.text
    assert "1 trial failed and may have won: cnn4-seed9" in page.text


def test_several_classes_folds_and_ensembles_have_their_places(tmp_path) -> None:
    classes = ("<b>bold</b>", "COVID & $x$", "Viral")
    trials = {"cnn4-seed0-fold0": 2.0, "ensemble": 3.0}
    difference = Estimate(value=0.0123, low=-0.0045, high=0.0301)

    page = _page(write_run(tmp_path / "run", classes=classes, trials=trials, differences={"ensemble": difference}))

    assert "ensemble (average of trials)" in page.text
    assert str(difference) in page.text
    assert "p = 0.032, tie" in page.text
    assert "0.912 ± 0.012" in page.text
    assert "AUROC (macro average)" in page.text
    for name in classes:
        assert f"ROC curves of {name} on validation and test" in " ".join(page.alts)
        assert name in page.text
    assert "b" not in {tag for tag, _ in page.tags}
    assert sum(alt.startswith("Loss, validation AUROC") for alt in page.alts) == 1  # an average was not trained
    assert "Every class is a finding" in page.text


def test_groups_of_films_are_shown_where_the_records_have_them(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    folder = RunFolder(run).trial("cnn4-seed0")
    record = read_trial(folder)
    group = SubgroupMetrics(
        column="sex",
        value="F",
        films=41,
        patients=20,
        finding="PNEUMONIA",
        positives=17,
        auroc=Estimate(value=0.91, low=0.8, high=0.97),
        sensitivity=None,
        specificity=None,
        note="few films",
    )
    shift = group.model_copy(update={"column": "shift", "value": "gamma 0.7"})
    test = record.test.model_copy(update={"subgroups": (group,), "shifts": (shift,)})
    write_trial(folder, record.model_copy(update={"test": test}))

    text = _page(run).text

    for shown in ("sex F", "shift gamma 0.7", "17 of 41", "0.910 [0.800, 0.970]", "few films"):
        assert shown in text


def test_sheets_of_explanations_stand_in_the_file(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    folder = RunFolder(run).explanations("cnn4-seed0")
    folder.make()
    folder.sheet("true positives.png").write_bytes(encode(phantom(32, 32, seed=0), ".png"))
    attention = ClassAttention(
        name="PNEUMONIA",
        films=9,
        empty=0,
        center_of_mass=(Estimate(value=0.4, low=0.31, high=0.5), Estimate(value=0.6, low=0.52, high=0.7)),
        consistency=None,
        border_share=Estimate(value=0.61, low=0.53, high=0.7),
        shortcut_alarm=True,
    )
    report = ExplanationReport(
        trial="cnn4-seed0",
        method="Grad-CAM",
        data="validation",
        classes=(attention,),
        border_area=0.36,
        shortcut_alarm=True,
        judged_films=9,
        insertion=Estimate(value=0.7, low=0.6, high=0.8),
        deletion=Estimate(value=0.5, low=0.4, high=0.6),
        insertion_deletion_gap=Estimate(value=0.21, low=0.1, high=0.3),
        sheets=(Sheet(title="True positives", caption="the surest", file="true positives.png"),),
    )
    folder.record.write_text(report.model_dump_json())

    page = _page(run)

    assert "True positives: the surest" in page.alts
    assert "0.210 [0.100, 0.300]" in page.text
    assert "Alarm:" in page.text
    assert "0.610 [0.530, 0.700]" in page.text
    assert "36%" in page.text


@pytest.mark.parametrize("name", ["failure.json", "history.jsonl"])
def test_a_damaged_record_is_refused_by_name(tmp_path, name) -> None:
    run = write_run(tmp_path / "run")
    (RunFolder(run).trial("cnn4-seed0").path / name).write_text('{"half')

    with pytest.raises(TrainingDataError, match=f"{name} is damaged or of another version"):
        write_report(RunFolder(run))

    assert not RunFolder(run).report.exists()


def test_a_run_without_a_leaderboard_is_told_to_finish_first(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    (run / "leaderboard.json").unlink()

    with pytest.raises(TrainingDataError, match="finish the training first"):
        write_report(RunFolder(run))


def test_the_command_writes_the_report_and_tells_where(tmp_path) -> None:
    run = write_run(tmp_path / "run")

    outcome = CliRunner().invoke(app, ["report", str(run)])

    assert (outcome.exit_code, outcome.stdout) == (0, f"{RunFolder(run).report}\n")
    assert RunFolder(run).report.read_text().startswith("<!doctype html>")
