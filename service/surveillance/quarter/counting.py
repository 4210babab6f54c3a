"""From the rows of the ledger to the counts of a quarter; pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Row

from biostatistics.intervals import wilson_interval
from schemas.estimate import Estimate
from schemas.evidence.quarter import (
    BundleCounts,
    DriftIndex,
    FindingCounts,
    GroupCounts,
    MonthCounts,
    SuspensionEntry,
    VerdictCounts,
)
from schemas.model.drift import FEWEST_FILMS, DriftReference, index_limit, population_stability_index
from service.surveillance.quarter.sources import Period

Trait = Literal["station and device", "view", "age group"]

TRAITS: Final[Mapping[Trait, Callable[[Row[Any]], str]]] = {
    "station and device": lambda row: f"{row.station or 'not stated'} / {row.device or 'not stated'}",
    "view": lambda row: row.view or "not stated",
    "age group": lambda row: row.age_group,
}


def bundle_counts(rows: Sequence[Row[Any]]) -> tuple[BundleCounts, ...]:
    """By bundle, in the order of their first film."""
    groups = _grouped(rows, lambda row: (row.bundle, row.model_sha256))
    return tuple(BundleCounts(bundle=bundle, sha256=digest, **_counts(own)) for (bundle, digest), own in groups)


def month_counts(rows: Sequence[Row[Any]]) -> tuple[MonthCounts, ...]:
    """By month and bundle."""
    groups = _grouped(rows, lambda row: (month_of(row.analysed_at), row.bundle, row.model_sha256))
    return tuple(
        MonthCounts(month=month, bundle=bundle, sha256=digest, **_counts(own))
        for (month, bundle, digest), own in groups
    )


def group_counts(rows: Sequence[Row[Any]]) -> tuple[GroupCounts, ...]:
    """By station and device, view, and age group."""
    return tuple(
        GroupCounts(
            trait=trait,
            value=value,
            films=len(own),
            abstained=sum(row.decision == "abstain" for row in own),
            unfamiliar=sum(_is_unfamiliar(row) for row in own),
        )
        for trait, value_of in TRAITS.items()
        for value, own in sorted(_grouped(rows, value_of), key=lambda group: -len(group[1]))
    )


def drift_indices(
    rows: Sequence[Row[Any]], reference_of: Callable[[str], DriftReference | None]
) -> tuple[DriftIndex, ...]:
    """Of each bundle whose validation is known, by signal; for fewer films than make an index there is none."""
    return tuple(
        each
        for bundle, own in _grouped(rows, lambda row: row.bundle)
        if (reference := reference_of(bundle)) is not None and len(own) >= FEWEST_FILMS
        for each in _drift(bundle, own, reference)
    )


def verdict_counts(rows: Iterable[Row[Any]], period: Period) -> tuple[VerdictCounts, ...]:
    """The verdicts that came in the period, by source."""
    counted = Counter((row.source, row.verdict) for row in rows if row.at >= period.start)
    return tuple(
        VerdictCounts(source=source, verdict=word, count=count) for (source, word), count in sorted(counted.items())
    )


def finding_counts(rows: Sequence[Row[Any]], verdicts: Iterable[Row[Any]]) -> tuple[FindingCounts, ...]:
    """The answers against the truth, by bundle and finding."""
    truths = {row.film_key: json.loads(row.truth) for row in verdicts}  # the last one of each film
    counted: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows:
        truth = truths.get(row.film_key, {})
        for finding, (decision, _) in json.loads(row.findings).items():
            if finding in truth:
                counted[row.bundle, finding][decision, truth[finding]] += 1
    return tuple(finding_row(bundle, finding, pairs) for (bundle, finding), pairs in sorted(counted.items()))


def finding_row(bundle: str, finding: str, pairs: Mapping[tuple[str, str], int]) -> FindingCounts:
    """One row of the table, from the films by decision and truth."""
    right, false = pairs.get(("positive", "present"), 0), pairs.get(("positive", "absent"), 0)
    clear, missed = pairs.get(("negative", "absent"), 0), pairs.get(("negative", "present"), 0)
    return FindingCounts(
        bundle=bundle,
        finding=finding,
        true_positive=right,
        false_positive=false,
        true_negative=clear,
        false_negative=missed,
        unanswered=sum(count for (decision, _), count in pairs.items() if decision == "abstain"),
        sensitivity=_share(right, right + missed),
        specificity=_share(clear, clear + false),
        ppv=_share(right, right + false),
    )


def suspension_entries(rows: Iterable[Row[Any]], period: Period) -> tuple[SuspensionEntry, ...]:
    """The stops that were in force in the period."""
    return tuple(
        SuspensionEntry(
            at=_moment(row.at),
            reason=json.loads(row.suspension)["reason"],
            lifted_at=None if row.lifted_at is None else _moment(row.lifted_at),
            lifted_by=row.lifted_by,
            lifted_because=row.lifted_because,
        )
        for row in rows
        if row.lifted_at is None or row.lifted_at >= period.start
    )


def month_of(seconds: float) -> str:
    """`2026-11`."""
    return f"{_moment(seconds):%Y-%m}"


def _counts(rows: Sequence[Row[Any]]) -> dict[str, int]:
    decisions = Counter(row.decision for row in rows)
    return {
        "films": len(rows),
        "positive": decisions["positive"],
        "negative": decisions["negative"],
        "abstained": decisions["abstain"],
        "withheld": sum(row.suspended for row in rows),
        "unfamiliar": sum(_is_unfamiliar(row) for row in rows),
    }


def _is_unfamiliar(row: Row[Any]) -> bool:
    return "unfamiliar" in json.loads(row.reasons)


def _grouped(rows: Iterable[Row[Any]], key: Callable[[Row[Any]], Any]) -> list[tuple[Any, list[Row[Any]]]]:
    groups: dict[Any, list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.items())


def _drift(bundle: str, rows: Sequence[Row[Any]], reference: DriftReference) -> Iterator[DriftIndex]:
    signals = [json.loads(row.signals) for row in rows]
    for name, signal in reference.signals.items():
        bins = Counter(signal.bin_of(each[name]) for each in signals if name in each)
        observed = [bins[place] for place in range(len(signal.counts))]
        index = population_stability_index(signal.counts, observed)
        limit = index_limit(signal, len(rows))
        yield DriftIndex(bundle=bundle, signal=name, films=len(rows), index=index, limit=limit)


def _share(part: int, whole: int) -> Estimate | None:
    return wilson_interval(part, whole) if whole else None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
