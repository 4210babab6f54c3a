"""A report of few figures, as a folder on disk."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.acceptance import (
    HTML,
    PDF,
    RECORD,
    AbstentionCount,
    AcceptanceFigure,
    AcceptanceReport,
    FilmCounts,
    Limit,
    RecordedLimits,
    ReportPlot,
    SampleSize,
    SubgroupFigures,
)
from schemas.api import ModelReference
from schemas.estimate import Estimate

SENSITIVITY = Estimate(value=0.95, low=0.90, high=0.98)


def report(name: str = "site-a", **changes: Any) -> AcceptanceReport:
    """A record; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "name": name,
        "made_at": datetime(2026, 11, 2, tzinfo=UTC),
        "site": "St Example",
        "software_version": "0.2.0",
        "model": ModelReference(name="tiny", version="1.0.0", architecture="tiny", sha256="a" * 64),
        "finding": "PNEUMONIA",
        "threshold": 0.5,
        "verdict": "accept",
        "reasons": ("sensitivity 0.950 [0.900, 0.980] lies within its limit, at least 90.0 %",),
        "limits": RecordedLimits(
            sha256="b" * 64,
            recorded_at=datetime(2026, 11, 1, tzinfo=UTC),
            limits={"sensitivity": Limit(at_least=0.9)},
        ),
        "labels_sha256": "c" * 64,
        "films_sha256": "d" * 64,
        "counts": FilmCounts(
            labels=200,
            films=200,
            unreadable=0,
            missing=0,
            unlabelled=0,
            with_finding=100,
            without_finding=100,
            positive=96,
            negative=94,
            abstained=10,
            missed=5,
            false_alarms=1,
        ),
        "prevalence": Estimate(value=0.5, low=0.43, high=0.57),
        "figures": (
            AcceptanceFigure(
                name="sensitivity",
                title="Sensitivity of the answers given",
                estimate=SENSITIVITY,
                hits=95,
                films=100,
                limit=Limit(at_least=0.9),
                outcome="met",
            ),
        ),
        "abstentions": (AbstentionCount(reason="unclear", films=10, with_finding=5),),
        "bands": (),
        "subgroups": (
            SubgroupFigures(
                attribute="sex",
                group="F",
                films=100,
                with_finding=50,
                sensitivity=SENSITIVITY,
                specificity=SENSITIVITY,
                answered=SENSITIVITY,
            ),
        ),
        "sample_sizes": (
            SampleSize(figure="sensitivity", kind="answered films with the finding", films=100, needed=90),
        ),
        "plots": (ReportPlot(file="figures.svg", title="Figures", text="One figure above its limit."),),
        "seconds": 12.5,
    }
    return AcceptanceReport(**(fields | changes))


def write_report(folder: Path, record: AcceptanceReport) -> Path:
    """The folder of this report below the folder of all of them."""
    place = folder / record.name
    place.mkdir(parents=True)
    (place / RECORD).write_text(record.model_dump_json())
    (place / HTML).write_text("<!doctype html><title>report</title>")
    (place / PDF).write_bytes(b"%PDF-1.4")
    for plot in record.plots:
        (place / plot.file).write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return place
