"""The trials that a page shows: of folders of runs, and of records that an earlier page kept."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.model.evaluation import Evaluation
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig, make_config, read_config
from trainer.folder import RunFolder
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.record import read_trial


@dataclass(frozen=True, slots=True)
class Row:
    """One trial or ensemble of a run."""

    run: str
    trial: str
    config: RunConfig
    record: TrialRecord

    @property
    def name(self) -> str:
        """As the tables call it."""
        if self.record.members:
            return f"{self.run}: {self.trial}"
        taught = ", taught" if self.config.learn.teachers else ""
        return f"{self.trial.replace('-seed', ', seed ')}, {self.record.preprocess.size} px{taught}"

    @property
    def tested(self) -> Evaluation:
        """Its figures on the test films."""
        if self.record.test is None:
            sys.exit(f"{self.run}/{self.trial} was not tested; let the run end first")
        return self.record.test


def read_rows(sources: Sequence[Path]) -> list[Row]:
    """The trials of runs and of kept records by validation AUROC, best first, and after them their ensembles."""
    rows = [row for source in sources for row in (kept_rows(source) if source.suffix == ".json" else run_rows(source))]
    splits = {row.run: row.record.provenance.split_sha256 for row in rows}
    if len(set(splits.values())) > 1:
        sys.exit(f"the runs stand on different splits and cannot be compared: {splits}")
    return sorted(rows, key=lambda row: (bool(row.record.members), -row.record.validation.auroc.value))


def run_rows(run: Path) -> Iterator[Row]:
    """The trials of a folder of a run."""
    for row in read_leaderboard(RunFolder(run)).rows:
        yield Row(run.name, row.trial, read_config(RunFolder(run)), read_trial(RunFolder(run).trial(row.trial)))


def kept_rows(records: Path) -> Iterator[Row]:
    """The trials whose records an earlier page kept, see `record_of`."""
    for kept in json.loads(records.read_bytes()):
        record = TrialRecord.model_validate_json(json.dumps(kept["record"]))
        yield Row(kept["run"], kept["trial"], make_config(kept["config"]), record)


def record_of(row: Row) -> dict[str, object]:
    """What the page's figures rest on, for a program."""
    figures = {name: {"subgroups", "shifts"} for name in ("validation", "test")}
    record = row.record.model_dump(mode="json", exclude={**figures, "many_views": figures})
    record["calibration"]["out_of_distribution"] = None  # half a megabyte that no page shows
    config = row.config.model_dump(mode="json", exclude={"data": {"cache"}})
    return {"run": row.run, "trial": row.trial, "config": config, "record": record}
