"""From a table of films with two findings to a bundle whose probabilities are those of torch, judged each by itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.opening import Bundle, open_bundle
from bundle.session import open_session
from export.export import ExportOptions, write_bundle
from export.gates.answers import ValidationSet, answers
from export.place import Place
from export.publish import verify_bundle
from schemas.model.decision import calibrated
from schemas.model.manifest import MODEL_CARD_JSON
from tests.findings import FINDINGS, findings_config, write_findings
from trainer.films.dataset import read_dataset
from trainer.films.splits import read_split
from trainer.folder import RunFolder
from trainer.heat_maps.explain import write_explanations
from trainer.judging.predictions import read_predictions
from trainer.networks.gradcam import explain
from trainer.report.document import write_report
from trainer.runs.exportable import load_exportable
from trainer.runs.run import train
from trainer.runs.test_set import read_opening
from trainer.trials.record import read_trial

pytestmark = pytest.mark.slow

MEAN = "mean-of-2-seeds"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    root = tmp_path_factory.mktemp("findings")
    config = findings_config(write_findings(root), **{"networks.seeds": [0, 1], "learn.dropout": 0.2})
    folder = RunFolder(root / "run")
    train(config, folder, command="python -m trainer train")
    return folder


@pytest.fixture(scope="module")
def winner(run) -> str:
    return json.loads(run.leaderboard.read_text())["rows"][0]["trial"]


@pytest.fixture(scope="module")
def bundle(run, winner, tmp_path_factory) -> Bundle:
    place = Place(name="two-findings", version="1.0.0", out=tmp_path_factory.mktemp("models"))
    return open_bundle(write_bundle(load_exportable(run.trial(winner)), place, ExportOptions(precisions=("fp16",))))


def test_a_run_learns_both_findings_and_opens_its_test_set_once(run, winner) -> None:
    record = read_trial(run.trial(winner))
    opening = read_opening(run)

    assert opening is not None
    assert opening.winner == winner
    assert record.activation == "sigmoid"
    assert record.classes == FINDINGS
    assert record.validation.auroc.value > 0.9
    assert record.test is not None
    assert record.test.labels == ()
    assert {row.finding for row in record.test.findings} == set(FINDINGS)
    assert {(row.column, row.finding) for row in record.validation.subgroups} == {("view", name) for name in FINDINGS}
    assert record.uncertainty is not None


def test_the_records_keep_the_findings_of_every_film(run) -> None:
    dataset = read_dataset(run, findings_config(Path("films.csv")).data)
    films = read_split(run.split, dataset.root, FINDINGS).films
    rows = read_predictions(run.trial(MEAN).predictions("validation"))

    assert dataset.record.task == "findings"
    assert {film.label for film in films} >= {"Stripes", "Stripes|Bars", "no finding", "Stripes (unknown)"}
    assert [row.truth for row in rows] == [film.label for film in films if film.split == "val"]
    assert {row.decision for row in rows} >= {"positive", "negative"}


def test_the_bundle_says_that_its_findings_are_judged_each_by_itself(bundle) -> None:
    session = open_session(bundle)

    assert bundle.manifest.activation == "sigmoid"
    assert bundle.manifest.groups == (*FINDINGS, "no finding")
    assert session.metadata["activation"] == "sigmoid"
    assert json.loads(session.metadata["calibration"])["scaling"].keys() == set(FINDINGS)
    assert verify_bundle(bundle.directory)[1]["fp32"] < 1e-4


def test_the_graph_gives_the_probabilities_of_torch_and_the_trainer(run, winner, bundle) -> None:
    trial = load_exportable(run.trial(winner))
    films = np.array(trial.inputs("val")[0])
    with torch.no_grad():
        logits = trial.network(torch.from_numpy(films)).numpy()

    outputs = open_session(bundle).run(films, np.full(len(films), -1))
    expected = calibrated(logits, bundle.manifest.calibration, FINDINGS)

    assert outputs["probabilities"] == pytest.approx(expected, abs=1e-5)
    assert (expected.sum(axis=1) > 1.2).any()  # both at once


def test_an_unnamed_heat_map_is_of_the_largest_multiple_of_its_threshold(run, winner, bundle) -> None:
    trial = load_exportable(run.trial(winner))
    films = np.array(trial.inputs("val")[0])
    session = open_session(bundle)
    thresholds = [point.threshold for point in bundle.manifest.calibration.operating_points]

    outputs = session.run(films, np.full(len(films), -1))
    named = (outputs["probabilities"] / thresholds).argmax(axis=1)

    assert set(named.tolist()) == {0, 1}
    assert np.array_equal(outputs["gradcam"], session.run(films, named)["gradcam"])
    assert outputs["gradcam"] == pytest.approx(explain(trial.network, films, named), abs=1e-5)


def test_the_card_has_a_row_for_each_finding_and_both_quantiles(bundle) -> None:
    card = (bundle.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    metrics = json.loads((bundle.directory / MODEL_CARD_JSON).read_text())["quantitative_analysis"]

    assert card.count("| `Stripes` | ") >= 3
    assert "sigmoid(slope * logit + offset)" in card
    assert "Calibration by band: films by the probability that they are given;" in card
    for band in bundle.manifest.evaluation[1].bands["Bars"]:
        assert f"| `Bars` | {band.in_words} | {band.films} | {band.claimed:.3f} | {band.observed} |" in card
    assert "may be absent when p is at most its second" in card
    assert "Matthews" not in card
    assert {"Brier score", "AUROC", "sensitivity", "share with the finding"} <= {
        row["type"] for row in metrics["performance_metrics"]
    }


def test_mistakes_name_the_finding_that_went_wrong(bundle) -> None:
    mistakes = bundle.manifest.mistakes
    assert mistakes is not None

    kinds = {kind.kind: kind for kind in mistakes.kinds}
    evaluation = bundle.manifest.evaluation[0]
    rows = evaluation.findings[1::2]

    assert set(kinds) == {"missed", "false alarm", "unfamiliar", "unclear"}
    assert kinds["missed"].of == sum(evaluation.class_counts[name] for name in FINDINGS)
    missed = sum(round((1 - row.sensitivity.value) * evaluation.class_counts[row.finding]) for row in rows)
    assert kinds["missed"].films == missed
    for mistake in kinds["missed"].worst:
        assert mistake.truth in FINDINGS
        assert mistake.label == f"no {mistake.truth}"
        assert mistake.label_probability == pytest.approx(1 - mistake.truth_probability)


def test_the_mean_of_networks_is_exported_as_one(run, tmp_path) -> None:
    trial = load_exportable(run.trial(MEAN))
    bundle = open_bundle(write_bundle(trial, Place(name="mean", version="1.0.0", out=tmp_path)))
    films = np.array(trial.inputs("val")[0])

    members = []
    for name in trial.record.members:
        member = load_exportable(run.trial(name))
        with torch.no_grad():
            logits = member.network(torch.from_numpy(films)).numpy()
        members.append(calibrated(logits, member.record.calibration, FINDINGS))
    outputs = open_session(bundle).run(films, np.full(len(films), -1))

    mean = np.mean(members, axis=0)
    assert outputs["logits"] == pytest.approx(np.log(mean) - np.log1p(-mean), abs=1e-3)


def test_answers_are_those_of_the_table_of_predictions(run, winner, bundle) -> None:
    trial = load_exportable(run.trial(winner))
    films, labels = trial.inputs("val")
    outputs = open_session(bundle).run(np.array(films), np.full(len(films), -1))

    given = answers(outputs, ValidationSet(films, labels, trial.patients("val"), trial.statistics), trial.record)
    rows = read_predictions(run.trial(winner).predictions("validation"))

    called = [set(row.label.split("|")) - {"no finding"} for row in rows]
    assert [{name for name, on in zip(FINDINGS, row, strict=True) if on} for row in given.labels] == called
    assert [answer == "unfamiliar" for answer in given.given] == [row.familiar is False for row in rows]


def test_the_report_shows_each_finding_with_curves_and_heat_maps(run, winner) -> None:
    explained = write_explanations(run, winner, films_per_class=2)
    page = write_report(run).read_text(encoding="utf-8")

    assert [row.name for row in explained.classes] == list(FINDINGS)
    assert "Findings on validation, each on the films where it is known" in page
    for finding in FINDINGS:
        assert f"ROC curves of {finding} on validation and test" in page
        assert f"Reliability diagram of {finding} on test" in page
        assert f"{finding}: films and their heat maps" in page
    assert "a film may have several of them, or none" in page
    assert "Calibration by band" in page
    assert "Confusion" not in page
