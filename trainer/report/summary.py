"""The findings of a run as sentences made from its records alone: the winner, how certain it is, and what limits it."""

from collections.abc import Iterator

from schemas.estimate import Estimate
from schemas.model.evaluation import FindingMetrics
from trainer.report.records import RecordedRun, RecordedTrial

_FEW_POSITIVES = 50
"""With fewer films of a class, the 95 % interval of a proportion near .96 is a tenth wide or wider."""


def findings_in_words(run: RecordedRun) -> tuple[str, ...]:
    """The sentences that stand at the top of the report."""
    winner = run.winner
    alone = winner.record.activation == "sigmoid"
    area = f"mean AUROC of {len(winner.record.classes)} findings" if alone else "AUROC"
    chosen = "the calibration and the thresholds" if alone else "the temperature and the threshold"
    return (
        (
            f"Validation chose {winner.row.trial} out of {_count(len(networks(run)), 'trial')}: {area} "
            f"{winner.record.validation.auroc} on {_films(winner, 'validation')}. Validation also chose the epoch, "
            f"{chosen}, so its figures are optimistic."
        ),
        _against_second(run),
        *_on_test(run),
    )


def limits_in_words(run: RecordedRun) -> tuple[str, ...]:
    """The limits of the winner's figures, as far as the records show them."""
    return tuple(_limits(run))


def networks(run: RecordedRun) -> tuple[RecordedTrial, ...]:
    """The trials that are one network each, without averages of several."""
    return tuple(trial for trial in run.trials if trial.row.kind == "trial")


def tie(difference: Estimate) -> bool:
    """Whether a paired difference may be 0."""
    return difference.low <= 0 <= difference.high


def p_value_in_words(value: float) -> str:
    """A p-value, which is never 0."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"  # noqa: PLR2004 - the last printed digit


def load_in_words(run: RecordedRun) -> str:
    """How busy the machine was while the networks were timed."""
    loads = [load for trial in networks(run) if (load := trial.record.ms_per_film_load) is not None]
    if not loads:
        return "at a load of the machine that was not recorded"
    averages = sorted({f"{load.load_average:.1f}" for load in loads if load.load_average is not None}, key=float)
    cores = " or ".join(sorted({str(load.cores) for load in loads}))
    share = min(load.core_share for load in loads)
    return (
        f"at a load of {' to '.join(dict.fromkeys((averages[0], averages[-1]))) if averages else 'unknown height'} on "
        f"{cores} cores, with {share:.0%} of a core or more for it"
    )


def _against_second(run: RecordedRun) -> str:
    rows = [trial.row for trial in networks(run)]
    if len(rows) == 1:
        return "No other network was trained, so whether another would be better is not known."
    second = rows[1]
    if second.fold != rows[0].fold:
        return (
            f"{second.trial} came second with AUROC {second.validation_auroc}, on the films of another fold. The two "
            "are not compared film by film; compare the architectures over all folds."
        )
    comparison = second.against_winner
    if comparison is None:
        return f"{second.trial} came second with AUROC {second.validation_auroc}; no paired comparison was recorded."
    ties = [row.trial for row in rows[1:] if row.against_winner and tie(row.against_winner.difference)]
    verdict = (
        f"The difference to the second, {second.trial}, is {comparison.difference} (paired, same films, "
        f"{p_value_in_words(comparison.p_value)}): "
    )
    if second.trial not in ties:
        return verdict + "the winner is distinguishable from it on these films."
    others = ties[1:]
    if not others:
        also = ""
    elif len(others) == 1:
        also = f"; so does {others[0]}"
    else:
        also = f"; so do {', '.join(others)}"
    return f"{verdict}they tie, the order is not evidence that one is better{also}."


def _on_test(run: RecordedRun) -> Iterator[str]:
    test = run.winner.record.test
    if run.opening is None or test is None:
        yield "The test set is sealed: no figure of this report was measured on it."
        return
    yield (
        f"The test set was opened at {run.opening.opened_at:%Y-%m-%d %H:%M} UTC, after the choice, for "
        f"{run.opening.winner}: the winner's AUROC there is {test.auroc} on {_films(run.winner, 'test')}."
    )
    for metrics in _operating_metrics(run.winner, "test"):
        yield (
            f"At the threshold {metrics.threshold:.3f} that validation set for {metrics.finding}, the test films give "
            f"a sensitivity of {metrics.sensitivity} and a specificity of {metrics.specificity}."
        )


def _limits(run: RecordedRun) -> Iterator[str]:
    winner = run.winner
    yield from (f"{line[0].upper()}{line[1:]}." for line in run.data.patients_known.doubts)
    yield from _shift(winner)
    yield from _small_sets(winner)
    if len({trial.row.seed for trial in networks(run) if trial.row.architecture == winner.row.architecture}) == 1:
        yield "The winner's architecture was trained from one seed, so how much chance moves its figures is not known."
    for name, evaluation in winner.evaluations.items():
        if evaluation.ece.low > 0:
            yield f"Its probabilities are off on {name}: expected calibration error {evaluation.ece}."
    if winner.record.calibration.out_of_distribution is None:
        yield "Films that differ from the training films are not recognised: their distance was not checked."
    if run.failures:
        yield f"{_count(len(run.failures), 'trial')} failed and may have won: {', '.join(run.failures)}."
    yield "All films come from the sources of one data folder; other hospitals, devices and patients were not measured."


def _shift(winner: RecordedTrial) -> Iterator[str]:
    test = winner.record.test
    validation = winner.record.validation
    if test is not None and (test.auroc.high < validation.auroc.low or test.auroc.low > validation.auroc.high):
        moves = "falls" if test.auroc.value < validation.auroc.value else "rises"
        yield (
            f"The AUROC {moves} from {validation.auroc} on validation to {test.auroc} on test, beyond their intervals: "
            "the test films differ from the validation films, which the choice was based on."
        )
    before, after = (
        {metrics.finding: metrics for metrics in _operating_metrics(winner, name)} for name in ("validation", "test")
    )
    for finding, metrics in after.items():
        for figure in ("sensitivity", "specificity"):
            here = getattr(before[finding], figure)
            there = getattr(metrics, figure)
            if there.high < here.low:
                yield (
                    f"The threshold for {finding} does not carry over: {figure} {here} on validation, {there} on test."
                )


def _small_sets(winner: RecordedTrial) -> Iterator[str]:
    for name, evaluation in winner.evaluations.items():
        few = [f"{count} of {label}" for label, count in evaluation.class_counts.items() if count < _FEW_POSITIVES]
        if few:
            yield f"The {name} set is small: {' and '.join(few)}; read the intervals, not the values."


def _operating_metrics(trial: RecordedTrial, name: str) -> Iterator[FindingMetrics]:
    for point in trial.record.calibration.operating_points:
        metrics = trial.at_operating_point(point.finding)
        if name in metrics:
            yield metrics[name]


def _films(trial: RecordedTrial, name: str) -> str:
    evaluation = trial.evaluations[name]
    return evaluation.in_words


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
