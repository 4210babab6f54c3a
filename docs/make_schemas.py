"""Writes docs/schemas/ from the code: a JSON schema for each record of a run; `make reference` calls it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from schemas.model.manifest import BundleManifest
from schemas.model.trial import TrialRecord
from schemas.version import VERSION
from trainer.config import RunConfig
from trainer.explore.data_report import DataReport
from trainer.films.dataset import DataRecord
from trainer.heat_maps.explain import ExplanationReport
from trainer.learning.history import EpochRecord
from trainer.runs.leaderboard import Leaderboard
from trainer.runs.test_set import Opening
from trainer.trials.failure import FailedTrial

FOLDER = Path(__file__).parent / "schemas"


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A kind of file, and what it holds."""

    path: str
    """Below the folder of a run or bundle."""
    kind: type
    mode: Literal["validation", "serialization"] = "serialization"
    """`validation`: what may be given; `serialization`: what is written."""


RECORDS: Mapping[str, RecordFile] = {
    "config": RecordFile("config.yaml", RunConfig, "validation"),
    "data": RecordFile("data.json", DataRecord),
    "trial": RecordFile("trials/*/trial.json", TrialRecord),
    "epoch": RecordFile("trials/*/history.jsonl, each line", EpochRecord),
    "failure": RecordFile("trials/*/failure.json", FailedTrial),
    "leaderboard": RecordFile("leaderboard.json", Leaderboard),
    "opening": RecordFile("test_opened.json", Opening),
    "explanations": RecordFile("explanations/*/explanations.json", ExplanationReport),
    "data-report": RecordFile("report.json of trainer data", DataReport),
    "manifest": RecordFile("manifest.json of a bundle", BundleManifest, "validation"),
}
"""By the name of the schema."""


def schema(name: str) -> dict[str, Any]:
    """The JSON schema of a record."""
    record = RECORDS[name]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"{record.path}, as version {VERSION} writes it; made from the code by make reference",
    }
    return head | TypeAdapter(record.kind).json_schema(mode=record.mode)


def text(name: str) -> str:
    """The file of a schema."""
    return json.dumps(schema(name), indent=2, sort_keys=False) + "\n"


def path(name: str) -> Path:
    """Where the schema is published."""
    return FOLDER / f"{name}.schema.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in RECORDS:
        path(each).write_text(text(each), encoding="utf-8")
