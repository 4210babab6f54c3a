"""The records of a run as a program of somebody else reads them: as JSON, checked by the published schemas."""

import json
from typing import Any

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from docs.make_schemas import path
from trainer.folder import RunFolder


def validator(name: str) -> Draft202012Validator:
    """Of a published schema."""
    return Draft202012Validator(json.loads(path(name).read_text()))


def faults(name: str, record: Any) -> list[str]:
    return [f"{name}: {fault.json_path}: {fault.message}" for fault in validator(name).iter_errors(record)]


def records_of(run: RunFolder) -> list[tuple[str, Any]]:
    """Every record of a run, with the name of its schema."""
    found = [("config", yaml.safe_load(run.config.read_text()))]
    files = {"data": [run.data], "leaderboard": [run.leaderboard], "opening": [run.opening]}
    files["trial"] = [trial.record for trial in run.trial_folders() if trial.record.exists()]
    files["failure"] = [trial.failure for trial in run.trial_folders() if trial.failure.exists()]
    files["explanations"] = [*run.path.glob("explanations/*/explanations.json")]
    found += [(name, json.loads(file.read_text())) for name, paths in files.items() for file in paths]
    for trial in run.trial_folders():
        if trial.history.exists():
            found += [("epoch", json.loads(line)) for line in trial.history.read_text().splitlines()]
    return found
