"""The published JSON schemas are those of the code, and what runs and bundles write is valid by them."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from docs.make_schemas import FOLDER, RECORDS, path, text
from schemas.model.manifest import CURRENT, MANIFEST
from tests.docs.pages import ROOT
from tests.films import indexed, write_classes
from tests.records import faults, records_of
from tests.runs import write_run
from trainer.explore.document import write_data_report
from trainer.folder import RunFolder
from trainer.learning.history import read_history
from trainer.trials.failure import write_failure


@pytest.mark.parametrize("name", RECORDS)
def test_each_published_schema_is_what_the_code_says(name) -> None:
    assert path(name).read_text() == text(name), "run `make reference`"
    Draft202012Validator.check_schema(json.loads(text(name)))


def test_nothing_else_is_published_and_every_schema_is_linked() -> None:
    page = (ROOT / "docs/training.md").read_text()

    assert {file.name for file in FOLDER.iterdir()} == {path(name).name for name in RECORDS}
    assert all(f"(schemas/{path(name).name})" in page for name in RECORDS)


def test_the_records_of_a_run_are_valid(tmp_path) -> None:
    run = RunFolder(write_run(tmp_path / "run", trials={"cnn4-seed0": 2.0, "cnn4-seed1": 1.0}))
    write_failure(run.trial("cnn4-seed9"), ValueError("no memory"))
    records = records_of(run)

    assert {name for name, _ in records} >= {"config", "data", "trial", "leaderboard", "opening", "failure", "epoch"}
    assert read_history(run.trial("cnn4-seed0"))
    assert [fault for name, record in records for fault in faults(name, record)] == []


def test_the_record_of_a_data_set_is_valid(tmp_path) -> None:
    index = indexed(write_classes(tmp_path / "films", {"A": 12, "B": 12}), cache=tmp_path / "cache")
    page = tmp_path / "report.html"
    write_data_report(index, page, data="films", cache=tmp_path / "cache", side=32, shown=2, seed=0, progress=None)

    assert faults("data-report", json.loads(page.with_suffix(".json").read_text())) == []


def test_the_manifest_of_the_shipped_bundle_is_valid() -> None:
    models = ROOT / "models"
    manifest = json.loads((models / (models / CURRENT).read_text().strip() / MANIFEST).read_text())

    assert faults("manifest", manifest) == []


@pytest.mark.parametrize(
    ("name", "change"), [("trial", {"epochs": "three"}), ("data", {"classes": ["A"]}), ("opening", {"x": 1})]
)
def test_what_is_not_such_a_record_is_not_valid(tmp_path, name, change) -> None:
    run = RunFolder(write_run(Path(tmp_path) / "run"))
    record = dict(next(record for each, record in records_of(run) if each == name))

    assert faults(name, record | change) != []
