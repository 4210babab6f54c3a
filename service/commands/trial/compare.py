"""`python -m service compare`: a challenger against the bundle that serves, from the spool's database."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.errors import NotFoundError
from service.commands.command import Command, ExitCode

if TYPE_CHECKING:
    from schemas.evidence.challenger import Agreement, ChallengerReport, FindingComparison, PairedShare


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the record of GET /models/challenger")


def _compare(options: argparse.Namespace) -> int:
    from schemas.evidence.challenger import PromotionRule
    from service.challenger.answers import Answers
    from service.challenger.report import report_of
    from service.settings import load_settings
    from service.surveillance.tables import open_for_reading

    settings = load_settings()
    rule = PromotionRule(films=settings.trial.promotion_films, margin=settings.trial.promotion_margin)
    with open_for_reading(settings.dicomweb.spool_url) as engine:
        answers = Answers(engine, key=b"")  # nothing is looked up by a film's name
        trial = answers.latest()
        if trial is None:
            msg = "no challenger has read a film of this spool (CXR_SPOOL_URL); set CXR_CHALLENGER and send films"
            raise NotFoundError(msg)
        report = report_of(answers, trial, rule)
    print(report.model_dump_json(indent=2) if options.json else "\n".join(_lines(report)))
    return ExitCode.DONE


compare_command = Command(
    "compare",
    "Compare the challenger with the bundle that serves, on the films of the spool.",
    _add_arguments,
    _compare,
)


def _lines(report: "ChallengerReport") -> Iterator[str]:
    yield f"challenger {report.challenger} against {', '.join(report.active)}"
    yield f"{report.films} films read by both, {report.not_read} not read, {report.verdicts} with a verdict"
    if report.agreement is not None:
        yield f"agreement {_agreement(report.agreement)}"
    for group in report.groups:
        name = group.group or "not stated"
        yield f"  {group.attribute:<8}{name:<20}{_agreement(group.agreement)}"
    for finding in report.findings:
        yield from _finding(finding)
    promotion = report.promotion
    yield f"rule: {promotion.rule.films} films of each side, margin {promotion.rule.margin:g}: {promotion.state}"
    yield from (f"  {reason}" for reason in promotion.reasons)


def _agreement(agreement: "Agreement") -> str:
    kappa = "kappa not defined" if agreement.kappa is None else f"kappa {agreement.kappa}"
    return f"{agreement.share}, {kappa}, {agreement.films} films"


def _finding(compared: "FindingComparison") -> Iterator[str]:
    yield f"{compared.finding}: {compared.with_finding} films with it, {compared.without_finding} without"
    if compared.sensitivity is not None:
        yield f"  sensitivity {_share(compared.sensitivity)}"
    if compared.specificity is not None:
        yield f"  specificity {_share(compared.specificity)}"
    if (area := compared.auroc) is not None:
        difference = area.comparison
        yield (
            f"  AUROC       challenger {area.challenger}, active {area.active}, difference {difference.difference}, "
            f"DeLong p = {difference.p_value:.3g}"
        )


def _share(share: "PairedShare") -> str:
    return (
        f"challenger {share.challenger}, active {share.active}, difference {share.difference}, McNemar p = "
        f"{share.p_value:.3g} ({share.challenger_only} and {share.active_only} films)"
    )
