"""The files of the bundle: a page for a person, and tables for registries and spreadsheets."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import Row

from schemas.estimate import Estimate
from schemas.evidence.quarter import Quarter
from service.surveillance.quarter.counting import month_of

ASSESS_COLUMNS: Final = (
    "exam_month",
    "modality",
    "body_part",
    "age_group",
    "view",
    "manufacturer_model",
    "ai_product",
    "ai_version",
    "software_version",
    "finding",
    "ai_result",
    "ai_score",
    "reference_result",
    "concordance",
)
"""Of `assess_ai.csv`: one finding of one film a row, as the ACR's registry Assess-AI asks, without an identifier."""

_FEWEST: Final = 5
"""A device with fewer films might point at a patient; it is written as `other`."""


def files_of_quarter(quarter: Quarter, readings: Sequence[Row[Any]], truths: Mapping[str, Any]) -> dict[str, bytes]:
    """The content of each file by its name.

    Args:
        quarter: every figure.
        readings: of the period.
        truths: by the key of a film, which is not written.
    """
    return {
        "quarterly.json": (quarter.model_dump_json(indent=2) + "\n").encode(),
        "quarterly.md": page(quarter).encode(),
        "assess_ai.csv": _csv(ASSESS_COLUMNS, _assessments(readings, truths)),
        "changes.csv": _records(quarter.changes, ("at", "kind", "before", "after", "by")),
        "incidents.csv": _csv(("kind", "at", "what", "ended_at", "remedy"), _incidents(quarter)),
    }


def page(quarter: Quarter) -> str:
    """The bundle in words and tables, as Markdown."""
    chain = quarter.chain
    checked = "No audit log is kept; every figure is from the ledger."
    if chain is not None:
        checked = (
            f"The audit log of {chain.records} records is whole; its records {chain.first} to {chain.last} are of the "
            f"period, {chain.omitted} events are missing, and its head is `{chain.head}`."
        )
    tables = {
        "Answers": quarter.bundles,
        "Answers by month": quarter.months,
        "Answers against the truth": quarter.findings,
        "Verdicts": quarter.verdicts,
        "Drift": quarter.drift,
        "Groups of films": quarter.groups,
        "Suspensions": quarter.suspensions,
        "Films without an answer": quarter.failures,
        "Changes": quarter.changes,
    }
    parts = [
        f"# Post-market bundle, {quarter.first_day} to {quarter.last_day}",
        _introduction(quarter, checked),
        *(f"## {title}\n\n{_table(rows)}" for title, rows in tables.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(quarter: Quarter, checked: str) -> str:
    return (
        f"Written by cxr-classifier {quarter.written_by} at {quarter.written_at:%Y-%m-%d %H:%M} UTC. Films were "
        f"analysed by the versions {', '.join(quarter.software) or 'none'}. {checked} Films given up in the spool: "
        f"{quarter.dead_letters}. Days are of UTC. Research use only."
    )


def _table(rows: Sequence[BaseModel]) -> str:
    if not rows:
        return "None."
    names = list(type(rows[0]).model_fields)
    lines = [[name.replace("_", " ") for name in names], ["---"] * len(names)]
    lines += [[_cell(getattr(row, name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, Estimate):
        return f"{value:.3f}"
    text = "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return text.replace("|", "/").replace("\n", " ")


def _assessments(readings: Sequence[Row[Any]], truths: Mapping[str, Any]) -> Iterable[tuple[object, ...]]:
    devices = [row.device for row in readings]
    rare = {device for device in set(devices) if devices.count(device) < _FEWEST}
    rows = []
    for row in readings:
        name, _, version = row.bundle.partition("/")
        film = (month_of(row.analysed_at), "DX", "CHEST", row.age_group, row.view)
        device = "other" if row.device in rare else row.device
        for finding, (decision, probability) in json.loads(row.findings).items():
            truth = truths.get(row.film_key, {}).get(finding, "")
            product = (device, name, version, row.software, finding, decision, f"{probability:.3f}")
            rows.append((*film, *product, truth, _concordance(decision, truth)))
    return sorted(rows)  # not in the order of time, in which a worklist would find them again


def _concordance(decision: str, truth: str) -> str:
    if not truth or decision == "abstain":
        return ""
    return "concordant" if (decision == "positive") == (truth == "present") else "discordant"


def _incidents(quarter: Quarter) -> Iterable[tuple[object, ...]]:
    for stop in quarter.suspensions:
        yield "suspension", stop.at.isoformat(), stop.reason, stop.lifted_at or "", stop.lifted_because or ""
    for failure in quarter.failures:
        yield "films without an answer", "", f"{failure.code}: {failure.films}", "", ""
    if quarter.dead_letters:
        yield "films given up in the spool", "", str(quarter.dead_letters), "", ""


def _records(rows: Iterable[BaseModel], names: Sequence[str]) -> bytes:
    return _csv(names, ([str(getattr(row, name)) for name in names] for row in rows))


def _csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_harmless(str(cell)) for cell in row] for row in rows)
    return stream.getvalue().encode()


def _harmless(cell: str) -> str:
    """No formula: a reason is free text, and a spreadsheet computes what begins so."""
    return f"'{cell}" if cell.startswith(("=", "+", "@", "\t")) else cell
