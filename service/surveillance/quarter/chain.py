"""From the records of the audit log to what happened in a quarter; pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.evidence.quarter import ChainSpan, Change, ChangeKind, FailureCount
from service.audit.chain import Head
from service.audit.record import AuditRecord
from service.surveillance.quarter.sources import Period

_FILMS: Final = ("film", "analysed")
_NOTHING: Final = "-"


def chain_span(records: Sequence[AuditRecord], head: Head, period: Period) -> ChainSpan:
    """Which part of the log the period is."""
    own = [record for record in records if period.holds(record.at)]
    return ChainSpan(
        records=len(records),
        first=own[0].sequence if own else None,
        last=own[-1].sequence if own else None,
        head=head.sha256,
        omitted=sum(record.omitted or 0 for record in own),
    )


def failures(records: Sequence[AuditRecord], period: Period) -> tuple[FailureCount, ...]:
    """Films without an answer, by code."""
    counted = Counter(
        record.outcome
        for record in records
        if period.holds(record.at) and record.event in _FILMS and record.outcome != "ok"
    )
    return tuple(FailureCount(code=code, films=films) for code, films in sorted(counted.items()))


def changes(records: Sequence[AuditRecord], period: Period, bundles: dict[str, str]) -> tuple[Change, ...]:
    """What changed in the period: versions of the software, bundles that answer, limits, stops, actions.

    Args:
        records: of the whole log.
        period: of the changes.
        bundles: NAME/VERSION of each hash that is known.
    """
    return tuple(change for change in _changes(records, bundles) if period.holds(change.at))


def _changes(records: Sequence[AuditRecord], bundles: dict[str, str]) -> Iterator[Change]:
    software = model = limits = _NOTHING
    for record in records:
        if record.software != software:
            yield _change(record, "software", software, record.software, "service")
            software = record.software
        digest = record.model_sha256
        if record.event in _FILMS and record.outcome == "ok" and digest is not None and digest != model:
            yield _change(record, "bundle", bundles.get(model, model), bundles.get(digest, digest), "service")
            model = digest
        if record.event == "limits" and record.limits_sha256 is not None:
            yield _change(record, "limits", limits, record.limits_sha256, record.caller)
            limits = record.limits_sha256
        if record.event == "suspended":
            yield _change(record, "suspended", "answers", record.reason or _NOTHING, record.caller)
        if record.event == "lifted":
            yield _change(record, "lifted", "suspended", record.reason or _NOTHING, record.caller)
        if record.event == "action" and record.outcome == "ok":
            after = bundles.get(record.model_sha256 or "", record.model_sha256 or "done")
            yield _change(record, "action", record.route or _NOTHING, after, record.caller)


def _change(record: AuditRecord, kind: ChangeKind, before: str, after: str, by: str) -> Change:
    return Change(at=record.at, kind=kind, before=before, after=after, by=by)
