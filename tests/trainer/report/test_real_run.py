"""The report of a run that networks were really trained in holds every figure of its records."""

import shutil
from pathlib import Path

import pytest

from schemas.api import DISCLAIMER
from tests.trainer.conftest import COMMAND
from tests.trainer.report.page import Page
from trainer.folder import RunFolder
from trainer.report.document import write_report
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.record import read_trial


@pytest.fixture(scope="module")
def trained(two_networks_run, tmp_path_factory) -> Path:
    """A copy of a run that two networks were really trained in."""
    return Path(shutil.copytree(two_networks_run, tmp_path_factory.mktemp("runs") / "trained"))


@pytest.fixture(scope="module")
def trained_page(trained) -> Page:
    return Page(write_report(RunFolder(trained)).read_text())


@pytest.mark.slow
def test_a_real_run_is_reported_with_the_figures_of_its_records(trained, trained_page) -> None:
    page = trained_page
    board = read_leaderboard(RunFolder(trained))

    for row in board.rows:
        record = read_trial(RunFolder(trained).trial(row.trial))
        assert row.trial in page.text
        assert f"{row.parameters:,}" in page.text
        for evaluation in (record.validation, record.test):
            for figure in (evaluation.auroc, evaluation.brier, evaluation.ece, evaluation.labels[0].macro_f1):
                assert str(figure) in page.text
            for worth in (record.uncertainty.validation, record.uncertainty.test):
                if worth is not None:
                    assert str(worth.spread_auroc) in page.text
                    assert str(worth.improbability_auroc) in page.text
            for metrics in evaluation.findings:
                assert f"{metrics.prevalence:.1%}" in page.text
                assert str(metrics.sensitivity) in page.text
    assert f"Validation chose {board.winner.trial} out of 2 trials" in page.text
    assert "no interval" not in page.text


def test_a_real_run_is_reported_with_its_curves_and_its_mistakes_as_pictures(trained, trained_page) -> None:
    page = trained_page
    winner = read_leaderboard(RunFolder(trained)).winner.trial

    for beginning in ("AUROC of every trial", "ROC curves of PNEUMONIA on validation and test", "Precision-recall"):
        assert any(alt.startswith(beginning) for alt in page.alts)
    assert (
        sum(alt.startswith("Reliability diagram on") for alt in page.alts) == 6
    )  # two trials and their mean, on two sets
    assert sum(alt.startswith("Confusion matrix on") for alt in page.alts) == 12  # and two rules
    assert sum(alt.startswith("Loss, validation AUROC") for alt in page.alts) == 2
    assert any(alt.startswith("Film of ") for alt in page.alts)
    assert "were not found" not in page.text
    assert f"The winner: {winner}" in page.text


def test_every_picture_is_described_and_nothing_is_asked_of_the_network(trained_page) -> None:
    page = trained_page
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster"} or name.endswith(":href")
    ]

    assert all(page.alts)
    assert len(page.alts) > 20
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe"}
    assert "@import" not in page.html
    assert "url(http" not in page.html


def test_what_a_reader_needs_to_repeat_the_run_is_there(trained, trained_page) -> None:
    page = trained_page
    provenance = read_trial(RunFolder(trained).trial("cnn_baseline-seed0")).provenance

    for text in (
        COMMAND,
        "python -m trainer train --config config.yaml",
        "val_fraction: 0.3",
        provenance.data_sha256,
        provenance.split_sha256,
        provenance.git_commit,
        provenance.device,
        f"torch {provenance.libraries['torch']}",
    ):
        assert text in page.text
    assert page.text.count(DISCLAIMER) >= 1


def test_a_trial_takes_less_than_a_twelfth_of_ten_megabytes(trained, trained_page) -> None:
    assert len(trained_page.html) < 10_000_000 / 12 * len(read_leaderboard(RunFolder(trained)).rows)
