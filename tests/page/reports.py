"""Bodies of the views beside the films, made of the records that the service answers with."""

from datetime import UTC, datetime, timedelta

import numpy as np

from schemas.estimate import Estimate
from schemas.evidence.challenger import ChallengerReport, PromotionRule
from schemas.monitoring import (
    MonitoredFigure,
    Monitoring,
    RegisteredLimits,
    SeriesPoint,
    StationRates,
    StopLimit,
    Suspension,
)
from service.challenger.comparison import agreement, compare_finding, group_agreements
from service.challenger.pairs import judged_films
from service.challenger.promotion import standing
from tests.service.challenger.trials import FINDING, pair, pairs

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
BUNDLE = "tiny/1.0.0"
LIMIT = StopLimit(figure="specificity", finding=FINDING, at_least=0.9)


def monitoring(*, suspended: bool = False) -> Monitoring:
    """Of a service whose specificity falls; it is suspended where that was so."""
    right = np.array([1] * 40 + [1, 0] * 30)
    shares = right.cumsum() / np.arange(1, len(right) + 1)
    series = tuple(
        SeriesPoint(
            films=films,
            at=AT + timedelta(hours=films),
            value=shares[films - 1],
            low=max(0, shares[films - 1] - 1.2 / films**0.5),
            high=min(1, shares[films - 1] + 1.2 / films**0.5),
        )
        for films in range(5, len(right) + 1, 5)
    )
    last = series[-1]
    suspension = Suspension(
        since=AT,
        limit=LIMIT,
        bundle=BUNDLE,
        films=100,
        wrong=30,
        evidence=51.2,
        needed=40,
        reason="Of 100 films without PNEUMONIA 30 were answered wrongly, and the limit is 90.0 %.",
        limits_sha256="a" * 64,
    )
    return Monitoring(
        enabled=True,
        note=None,
        suspended=suspended,
        suspension=suspension if suspended else None,
        limits=RegisteredLimits(limits=(LIMIT,), sha256="a" * 64, registered_at=AT),
        readings=240,
        verdicts=100,
        last_verdict_at=AT,
        figures=(
            MonitoredFigure(
                figure="specificity",
                finding=FINDING,
                bundle=BUNDLE,
                films=100,
                right=70,
                estimate=Estimate(value=last.value, low=last.low, high=last.high),
                recent=0.5,
                limit=0.9,
                evidence=51.2 if suspended else 3.4,
                needed=40,
                series=series,
            ),
            MonitoredFigure(
                figure="sensitivity",
                finding=FINDING,
                bundle=BUNDLE,
                films=0,
                right=0,
                estimate=None,
                recent=None,
                limit=None,
                evidence=None,
                needed=None,
                series=(),
            ),
        ),
        rates=(
            StationRates(
                station="CR1",
                device="DX-9",
                films=200,
                abstained=Estimate(value=0.1, low=0.05, high=0.18),
                unfamiliar=Estimate(value=0.02, low=0.0, high=0.06),
            ),
            StationRates(
                station="",
                device="",
                films=40,
                abstained=Estimate(value=0.4, low=0.2, high=0.6),
                unfamiliar=Estimate(value=0.3, low=0.15, high=0.5),
            ),
        ),
    )


def challenger() -> ChallengerReport:
    """Of a challenger that finds more and calls more."""
    counts = {("++", "present"): 88, ("-+", "present"): 9, ("?-", "present"): 5, ("--", "absent"): 90}
    films = [
        *pairs(counts | {("-+", "absent"): 9, ("-?", "absent"): 3}),
        *(pair("++", view="PA", sex="F") for _ in range(30)),
    ]
    return ChallengerReport(
        challenger="tiny/2.0.0",
        challenger_sha256="b" * 64,
        active=(BUNDLE,),
        films=len(films),
        not_read=4,
        verdicts=len(films) - 30,
        first_at=AT,
        last_at=AT + timedelta(days=9),
        agreement=agreement(films),
        groups=tuple(group_agreements(films)),
        findings=(compare_finding(judged_films(films, FINDING)),),
        promotion=standing(films, PromotionRule(films=100, margin=0.05)),
    )
