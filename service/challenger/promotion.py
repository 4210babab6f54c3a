"""Whether the rule promotes the challenger: not worse by more than a margin, on films that were fixed beforehand; pure.

The rule looks once: at the first films with a verdict until enough of each side are there. A rule that looked again and
again, until chance is kind, would promote a worse bundle far more often than one time in forty.
"""

from collections.abc import Iterator, Sequence

from schemas.estimate import Estimate
from schemas.evidence.challenger import FindingComparison, PromotionRule, PromotionStanding
from service.challenger.comparison import compare_finding
from service.challenger.pairs import Pair, common_findings, judged_films


def standing(pairs: Sequence[Pair], rule: PromotionRule) -> PromotionStanding:
    """What the rule says of these films; every finding that both bundles look for has to pass."""
    findings = common_findings(pairs)
    if not findings:
        reason = "no film was read by both bundles yet, or they look for no finding in common"
        return PromotionStanding(rule=rule, state="waiting", reasons=(reason,), findings=())
    missing: list[str] = []
    compared: list[FindingComparison] = []
    for finding in findings:
        films = judged_films(pairs, finding)
        first = films.first(rule.films)
        if first is None:
            present = int(films.present.sum())
            missing.append(
                f"{finding}: verdicts on {present} films with it and {len(films.present) - present} without; the rule "
                f"takes {rule.films} of each"
            )
        else:
            compared.append(compare_finding(first))
    if missing:
        return PromotionStanding(rule=rule, state="waiting", reasons=tuple(missing), findings=tuple(compared))
    reasons = tuple(reason for each in compared for reason in _shortcomings(each, rule.margin))
    state = "missed" if reasons else "met"
    return PromotionStanding(rule=rule, state=state, reasons=reasons, findings=tuple(compared))


def _shortcomings(compared: FindingComparison, margin: float) -> Iterator[str]:
    """Why the challenger may be worse by more than the margin."""
    for name, difference in _differences(compared):
        if difference.low <= -margin:
            yield (
                f"{compared.finding}: {name} differs by {difference:+.3f}, and might be lower by more than {margin:g}"
            )


def _differences(compared: FindingComparison) -> Iterator[tuple[str, Estimate]]:
    """Challenger minus active; films of both sides are there."""
    if compared.sensitivity is not None:
        yield "sensitivity", compared.sensitivity.difference
    if compared.specificity is not None:
        yield "specificity", compared.specificity.difference
    if compared.auroc is not None:
        yield "AUROC", compared.auroc.comparison.difference
