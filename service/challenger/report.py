"""The report of a trial: what both bundles said, and what the rule of promotion says of it."""

from collections.abc import Sequence

from schemas.evidence.challenger import ChallengerReport, PromotionRule
from service.challenger.answers import Answers, Trial
from service.challenger.comparison import agreement, compare_finding, group_agreements
from service.challenger.pairs import Pair, common_findings, judged_films
from service.challenger.promotion import standing


def report_of(answers: Answers, trial: Trial, rule: PromotionRule) -> ChallengerReport:
    """Compare two bundles; the names are of the films that they read, empty where there is none.

    Args:
        answers: of challengers.
        trial: which bundles.
        rule: of promotion.
    """
    pairs: Sequence[Pair] = answers.pairs(trial)
    counts = answers.counts(trial)
    judged = [judged_films(pairs, finding) for finding in common_findings(pairs)]
    return ChallengerReport(
        challenger=counts.challenger or "",
        challenger_sha256=trial.challenger_sha256,
        active=counts.active,
        films=len(pairs),
        not_read=counts.not_read,
        verdicts=sum(pair.judged > 0 for pair in pairs),
        first_at=counts.first_at,
        last_at=counts.last_at,
        agreement=agreement(pairs) if pairs else None,
        groups=tuple(group_agreements(pairs)),
        findings=tuple(compare_finding(films) for films in judged if films.present.size),
        promotion=standing(pairs, rule),
    )
