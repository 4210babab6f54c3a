"""The whole bundle of a quarter: read, counted and put into a folder that was not there before."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bundle.files import write_whole
from schemas.errors import SettingsError
from schemas.evidence.quarter import Quarter
from schemas.model.drift import DriftReference
from schemas.version import VERSION
from service.audit.chain import Head
from service.surveillance.quarter import counting
from service.surveillance.quarter.chain import chain_span, changes, failures
from service.surveillance.quarter.pages import files_of_quarter
from service.surveillance.quarter.sources import LedgerRows, Period, ledger_rows, log_lines, manifest_of


def write_quarter(
    engine: Engine, period: Period, *, log: tuple[Path, Head] | None, models_dir: Path, out: Path
) -> Quarter:
    """Write the bundle of a period.

    Args:
        engine: the database of the service, to be read.
        period: whole days.
        log: the audit log and the head of its chain, which was checked; None: there is none.
        models_dir: where the references of drift are.
        out: a folder that does not exist, or is empty.

    Raises:
        SettingsError: the folder holds something, or cannot be written.
        SpoolUnavailableError: the database cannot be read.
    """
    if out.exists() and any(out.iterdir()):
        msg = f"--out {out} holds files already; name a folder that does not exist"
        raise SettingsError(msg)
    rows = ledger_rows(engine, period)
    quarter = _counted(rows, period, log, models_dir)
    truths = {row.film_key: json.loads(row.truth) for row in rows.verdicts}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files_of_quarter(quarter, rows.readings, truths).items():
            write_whole(out / name, content, private=True)
    except OSError as error:
        msg = f"--out {out} cannot be written ({error.strerror}); name another folder"
        raise SettingsError(msg) from error
    return quarter


def _counted(rows: LedgerRows, period: Period, log: tuple[Path, Head] | None, models_dir: Path) -> Quarter:
    def reference_of(bundle: str) -> DriftReference | None:
        manifest = manifest_of(models_dir, bundle)
        return None if manifest is None else manifest.drift_reference

    read = rows.readings
    return Quarter(
        first_day=period.first,
        last_day=period.last,
        written_at=datetime.now(UTC),
        written_by=VERSION,
        software=tuple(dict.fromkeys(row.software for row in read)),
        bundles=counting.bundle_counts(read),
        months=counting.month_counts(read),
        groups=counting.group_counts(read),
        drift=counting.drift_indices(read, reference_of),
        verdicts=counting.verdict_counts(rows.verdicts, period),
        findings=counting.finding_counts(read, rows.verdicts),
        suspensions=counting.suspension_entries(rows.suspensions, period),
        dead_letters=rows.dead_letters,
        **_of_log(rows, period, log),
    )


def _of_log(rows: LedgerRows, period: Period, log: tuple[Path, Head] | None) -> dict[str, Any]:
    if log is None:
        return {"chain": None, "failures": (), "changes": ()}
    path, head = log
    records = log_lines(path)
    names = {row.model_sha256: row.bundle for row in rows.readings}
    return {
        "chain": chain_span(records, head, period),
        "failures": failures(records, period),
        "changes": changes(records, period, names),
    }
