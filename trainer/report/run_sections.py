"""The sections of the report about a run as a whole: summary, leaderboard, films, failures, reproduction, checklist."""

import shlex
from dataclasses import dataclass

import yaml

from trainer.learning.consumption import consumption_of, energy_in_words, teachers_consumption, total
from trainer.report.claim import VERSION, answer_checklist
from trainer.report.html import Picture, Table, drawing, utc
from trainer.report.overview import Standing, leaderboard_figure
from trainer.report.records import RecordedRun, RecordedTrial
from trainer.report.summary import findings_in_words, limits_in_words, load_in_words, networks, p_value_in_words, tie
from trainer.runs.leaderboard import LeaderboardRow
from trainer.runs.test_set import Opening

_FOR_AUTHORS = "to be answered by the authors"
_NOT_MEASURED = "not measured"
_TWO_MINUTES_S = 120  # below, whole minutes would round too much away
_TWO_HOURS_S = 7200


@dataclass(frozen=True, slots=True)
class Summary:
    """What `summary.html.j2` shows."""

    findings: tuple[str, ...]
    limits: tuple[str, ...]
    figure: Picture


@dataclass(frozen=True, slots=True)
class FilmCounts:
    """What `films.html.j2` shows."""

    counts: Table
    opening: Opening | None
    negative_class: str | None
    alone: bool
    """Each finding is judged by itself."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What `reproduction.html.j2` shows."""

    commands: tuple[str, ...]
    origin: Table
    trials: Table
    config: str
    """The run's config.yaml."""


@dataclass(frozen=True, slots=True)
class Checklist:
    """What `claim.html.j2` shows."""

    version: str
    answered: int
    items: int
    table: Table


def summary(run: RecordedRun) -> Summary:
    """Findings, their limits, and the trials side by side."""
    standings = [
        Standing(trial.row.trial, {name: evaluation.auroc for name, evaluation in trial.evaluations.items()})
        for trial in run.trials
    ]
    values = "; ".join(
        f"{standing.name}: {', '.join(f'{name} {area}' for name, area in standing.auroc.items())}"
        for standing in standings
    )
    figure = drawing(
        leaderboard_figure(standings),
        caption=(
            "AUROC with 95 % intervals, in the order of validation. Overlapping intervals do not show a tie; the "
            "paired differences in the leaderboard do."
        ),
        alt=f"AUROC of every trial. {values}.",
    )
    return Summary(findings_in_words(run), limits_in_words(run), figure)


def leaderboard_tables(run: RecordedRun) -> tuple[Table, ...]:
    """Every trial; and every architecture over its seeds, where the run compared these."""
    rows = [
        (
            trial.row.trial + (" (average of trials)" if trial.row.kind == "ensemble" else ""),
            str(trial.row.validation_auroc),
            *_against_winner(trial.row),
            "sealed" if trial.record.test is None else str(trial.record.test.auroc),
            f"{trial.row.parameters:,}",
            _milliseconds(trial.row.ms_per_film),
            duration(trial.row.training_seconds),
        )
        for trial in run.trials
    ]
    trials = Table(
        caption=(
            "In the order of validation AUROC, which is optimistic for the first. Behind the winner: paired difference "
            "of validation AUROC. ms per film: one film at a time, one thread; measured "
            f"{load_in_words(run)}."
        ),
        head=(
            "trial",
            "AUROC validation",
            "behind the winner",
            "paired test",
            "AUROC test",
            "parameters",
            "ms per film (CPU)",
            "training",
        ),
        rows=rows,
    )
    return (trials, _architecture_table(run)) if run.board.architectures else (trials,)


def _architecture_table(run: RecordedRun) -> Table:
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
    return Table(
        caption="Architectures over seeds and folds; the standard deviation is that of the trials.",
        head=(
            "architecture",
            "trials",
            "AUROC validation, mean ± SD",
            "parameters",
            "ms per film (CPU)",
            "training, mean",
        ),
        rows=rows,
    )


def film_counts(run: RecordedRun) -> FilmCounts:
    """Which films trained, validated and tested, and when the test set was opened."""
    counted = tuple(run.data.counts["train"]) if run.data.task == "findings" else run.data.classes
    rows = [
        (
            name,
            f"{run.data.films_of(name):,}",
            run.data.patients_in_words(name),
            *(f"{counts[label]:,}" for label in counted),
        )
        for name, counts in run.data.counts.items()
    ]
    table = Table(f"Films of {run.data.data}", ("set", "films", "patients", *counted), rows)
    known = (*run.data.patients_known.sentences, run.data.negative_reason)
    notes = (*known, *run.data.notes, run.data.altered_copies)
    alone = run.data.task == "findings"
    return FilmCounts(table, run.opening, run.data.negative_class, alone, tuple(note for note in notes if note))


def failure_table(run: RecordedRun) -> Table:
    """The trials that ended without a network, and why."""
    rows = [(name, failure.code, failure.message, utc(failure.at)) for name, failure in run.failures.items()]
    return Table("Trials that failed; the others continued.", ("trial", "code", "reason", "at"), rows)


def reproduction(run: RecordedRun) -> Reproduction:
    """Everything that a reader needs to make the run again."""
    folder = run.folder.name
    return Reproduction(
        commands=(
            *sorted({trial.record.provenance.command for trial in run.trials}),
            f"python -m trainer train --config config.yaml --out {shlex.quote(f'runs/{folder}-again')}",
            f"python -m trainer report {shlex.quote(str(run.folder))}",
        ),
        origin=Table("Origin", (), _origin(run)),
        trials=Table(
            caption="Trials",
            head=("trial", "pretrained weights", "settings found by search", "trained at"),
            rows=[_trial_origin(trial) for trial in run.trials],
        ),
        config=yaml.safe_dump(run.config.model_dump(mode="json"), sort_keys=False),
    )


def _origin(run: RecordedRun) -> list[tuple[str, str]]:
    provenance = run.winner.record.provenance
    consumption = total([consumption_of(trial.record.provenance) for trial in networks(run)])
    rows = [
        ("Commit of the code", provenance.git_commit),
        ("Data SHA-256", run.data.data_sha256),
        ("Split SHA-256", run.data.split_sha256),
        ("Seeds", ", ".join(str(seed) for seed in sorted({trial.row.seed for trial in run.trials}))),
        ("Seed of the split", str(run.config.data.split_seed)),
        ("Device", ", ".join(sorted({trial.record.provenance.device for trial in run.trials}))),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())),
        ("Plug-ins", ", ".join(f"{name} of {package}" for name, package in provenance.plugins.items()) or "none"),
        ("Training, all trials", duration(consumption.seconds)),
        ("Energy, all trials", energy_in_words(consumption)),
    ]
    if provenance.teachers:
        earlier = teachers_consumption(provenance)
        rows += [
            ("Training of the teachers, before", duration(earlier.seconds)),
            ("Energy of the teachers", energy_in_words(earlier)),
        ]
    return rows


def _trial_origin(trial: RecordedTrial) -> tuple[str, str, str, str]:
    record = trial.record
    settings = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    weights = f"mean of {', '.join(record.members)}" if record.members else record.provenance.pretrained_weights
    return trial.row.trial, weights, settings or "-", utc(record.provenance.trained_at)


def checklist(run: RecordedRun) -> Checklist:
    """The CLAIM checklist, with what the run knows."""
    answers = answer_checklist(run)
    rows = [(str(item.number), item.section, item.asks, answer or _FOR_AUTHORS) for item, answer in answers.items()]
    return Checklist(
        version=VERSION,
        answered=sum(answer is not None for answer in answers.values()),
        items=len(answers),
        table=Table("Answers", ("item", "section", "asks for", "answer"), rows),
    )


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < _TWO_MINUTES_S:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < _TWO_HOURS_S else f"{seconds / 3600:.1f} h"


def _against_winner(row: LeaderboardRow) -> tuple[str, str]:
    """The paired difference, and its p-value."""
    if row.against_winner is None:
        return "-", "-"
    difference = row.against_winner.difference
    return str(difference), p_value_in_words(row.against_winner.p_value) + (", tie" if tie(difference) else "")


def _milliseconds(value: float | None) -> str:
    return _NOT_MEASURED if value is None else f"{value:.1f}"
