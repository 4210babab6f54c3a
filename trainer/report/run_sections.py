"""What the report says of a run as a whole: leaderboard, films, failures, how to repeat it, checklist."""

import shlex

import yaml

from trainer.learning.consumption import consumption_of, energy_in_words, teachers_consumption, total
from trainer.report.claim import ITEMS, VERSION
from trainer.report.html import figure_html, table_html
from trainer.report.markup import bullets, folded, heading, narrow, paragraph, verbatim
from trainer.report.overview import Standing, leaderboard_figure
from trainer.report.records import RecordedRun, RecordedTrial
from trainer.report.summary import findings_in_words, limits_in_words, networks, p_value_in_words, tie
from trainer.runs.leaderboard import LeaderboardRow

_TO_ANSWER = "to be answered by the authors"
_NOT_MEASURED = "not measured"


def summary_html(run: RecordedRun) -> str:
    """What was found, what limits it, and the trials beside one another."""
    standings = [
        Standing(trial.row.trial, {name: found.auroc for name, found in trial.evaluations.items()})
        for trial in run.trials
    ]
    words = "; ".join(
        f"{standing.name}: {', '.join(f'{name} {area}' for name, area in standing.auroc.items())}"
        for standing in standings
    )
    figure = figure_html(
        leaderboard_figure(standings),
        caption="AUROC with 95 % intervals, ordered by validation; intervals that overlap do not show a tie, the paired differences below do.",
        alt=f"AUROC of every trial. {words}.",
    )
    texts = "".join(map(paragraph, findings_in_words(run)))
    return texts + heading("What limits it") + bullets(limits_in_words(run)) + narrow(figure)


def leaderboard_html(run: RecordedRun) -> str:
    """Every trial, and every architecture over its seeds."""
    head = (
        "trial",
        "AUROC validation",
        "behind the winner",
        "paired test",
        "AUROC test",
        "parameters",
        "ms a film (CPU)",
        "training",
    )
    rows = [
        (
            trial.row.trial + (" (average of trials)" if trial.row.kind == "ensemble" else ""),
            str(trial.row.validation_auroc),
            *_behind(trial.row),
            "sealed" if trial.record.test is None else str(trial.record.test.auroc),
            f"{trial.row.parameters:,}",
            _milliseconds(trial.row.ms_per_film),
            duration(trial.row.training_seconds),
        )
        for trial in run.trials
    ]
    caption = "Best first by validation, which flatters the first; behind the winner: paired difference of validation AUROC; ms a film: one film at a time, one thread"
    return table_html(head, rows, caption=caption) + _architectures(run)


def _architectures(run: RecordedRun) -> str:
    if not run.board.architectures:
        return ""
    head = ("architecture", "trials", "AUROC validation, mean ± SD", "parameters", "ms a film (CPU)", "training, mean")
    rows = [
        (
            row.architecture,
            str(row.trials),
            f"{row.mean:.3f} ± " + ("unknown: one trial" if row.sd is None else f"{row.sd:.3f}"),
            f"{row.parameters:,}",
            _milliseconds(row.ms_per_film),
            duration(row.training_seconds),
        )
        for row in run.board.architectures
    ]
    return table_html(head, rows, caption="Over seeds and folds; the standard deviation is that of the trials")


def films_html(run: RecordedRun) -> str:
    """Which films trained, validated and tested, and when the test set was opened."""
    rows = [
        (
            name,
            f"{sum(counts.values()):,}",
            f"{run.data.patients[name]:,}",
            *(f"{counts[label]:,}" for label in run.data.classes),
        )
        for name, counts in run.data.counts.items()
    ]
    if run.opening is None:
        opened = "The test set is sealed: it is opened once, after every trial stands in the leaderboard."
    else:
        opened = (
            f"The test set was opened once, at {run.opening.opened_at:%Y-%m-%d %H:%M} UTC, when the leaderboard stood (SHA-256 "
            f"{run.opening.leaderboard_sha256}); nothing was trained or chosen afterwards."
        )
    negative = (
        f"{run.data.negative_class} means that none of the findings was called; it does not mean healthy."
        if run.data.negative_class
        else "Every class is a finding; there is no class for none of them."
    )
    table = table_html(("set", "films", "patients", *run.data.classes), rows, caption=f"Films of {run.data.data}")
    notes = heading("Decided about the folder") + bullets(run.data.notes) if run.data.notes else ""
    return table + paragraph(opened) + paragraph(negative) + notes


def failures_html(run: RecordedRun) -> str:
    """The trials that ended without a network, and why."""
    rows = [(name, failed.code, failed.message, f"{failed.at:%Y-%m-%d %H:%M}") for name, failed in run.failures.items()]
    return table_html(("trial", "code", "reason", "at (UTC)"), rows, caption="Trials that failed; the others went on")


def repeat_html(run: RecordedRun) -> str:
    """Everything that a reader needs to make the run again."""
    provenance = run.winner.record.provenance
    commands = sorted({trial.record.provenance.command for trial in run.trials})
    took = total([consumption_of(trial.record.provenance) for trial in networks(run)])
    again = f"python -m trainer train --config config.yaml --out {shlex.quote(f'runs/{run.folder.name}-again')}"
    facts = [
        ("Commit of the code", provenance.git_commit),
        ("Data SHA-256", run.data.data_sha256),
        ("Split SHA-256", run.data.split_sha256),
        ("Seeds", ", ".join(str(seed) for seed in sorted({trial.row.seed for trial in run.trials}))),
        ("Seed of the split", str(run.config.data.split_seed)),
        ("Device", ", ".join(sorted({trial.record.provenance.device for trial in run.trials}))),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())),
        ("Training, all trials", duration(took.seconds)),
        ("Energy, all trials", energy_in_words(took)),
    ]
    if provenance.teachers:
        before = teachers_consumption(provenance)
        facts += [
            ("Training of the teachers, before", duration(before.seconds)),
            ("Energy of the teachers", energy_in_words(before)),
        ]
    config = yaml.safe_dump(run.config.model_dump(mode="json"), sort_keys=False)
    return "".join(
        (
            paragraph(
                "The commands that made this run, and the one that makes it again from its config and the same films:"
            ),
            verbatim("\n".join((*commands, again, f"python -m trainer report {shlex.quote(str(run.folder))}"))),
            table_html(("", ""), facts, caption="Origin"),
            table_html(
                ("trial", "pretrained weights", "settings found by search", "trained at (UTC)"),
                list(map(_origin, run.trials)),
                caption="Trials",
            ),
            folded("config.yaml", verbatim(config)),
        )
    )


def claim_html(run: RecordedRun) -> str:
    """The checklist, with what the run knows."""
    answers = [item.answer(run) if item.answer else _TO_ANSWER for item in ITEMS]
    rows = [(str(item.number), item.section, item.asks, answer) for item, answer in zip(ITEMS, answers, strict=True)]
    left = answers.count(_TO_ANSWER)
    words = (
        f"{VERSION} (Tejani et al., Radiology: Artificial Intelligence 2024, doi:10.1148/ryai.240300), items paraphrased: "
        f"{len(ITEMS) - left} of {len(ITEMS)} are answered from the records, {left} are for the authors."
    )
    table = table_html(("item", "section", "asks for", "answer"), rows, caption="Answers")
    return paragraph(words) + folded("All items", table)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:  # noqa: PLR2004 - below, minutes would round too much away
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - above, hours read better


def _behind(row: LeaderboardRow) -> tuple[str, str]:
    """The paired difference, and what it is worth."""
    if row.against_winner is None:
        return "-", "-"
    difference = row.against_winner.difference
    return str(difference), p_value_in_words(row.against_winner.p_value) + (", tie" if tie(difference) else "")


def _milliseconds(value: float | None) -> str:
    return _NOT_MEASURED if value is None else f"{value:.1f}"


def _origin(trial: RecordedTrial) -> tuple[str, str, str, str]:
    record = trial.record
    provenance = trial.record.provenance
    found = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    made = f"mean of {', '.join(record.members)}" if record.members else provenance.pretrained_weights
    return trial.row.trial, made, found or "-", f"{provenance.trained_at:%Y-%m-%d %H:%M}"
