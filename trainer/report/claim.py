"""The CLAIM checklist, each item answered from the run's records where they know the answer, else left to the authors.

Items are paraphrased. Source: Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update, Radiology: Artificial Intelligence 6 (2024) e240300, doi:10.1148/ryai.240300.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trainer.report.records import RecordedRun
from trainer.report.summary import limits_in_words, networks

VERSION = "CLAIM 2024 update"

Answer = Callable[[RecordedRun], str]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a study report should say."""

    number: int
    section: str
    asks: str
    answer: Answer | None = None
    """None: no record of a run can know it."""


def _technique(run: RecordedRun) -> str:
    kinds = sorted({trial.row.architecture for trial in networks(run)})
    return (
        f"Deep learning: supervised classification of films into {len(run.data.classes)} classes by {', '.join(kinds)}."
    )


def _goal(run: RecordedRun) -> str:
    return f"Model creation: {len(networks(run))} trained networks compared, one chosen on validation."


def _source(run: RecordedRun) -> str:
    return f"Folder {run.data.data}, SHA-256 {run.data.data_sha256}. Where its films come from: to be added by the authors."


def _preprocessing(run: RecordedRun) -> str:
    spec = run.winner.record.preprocess
    clahe = "no CLAHE" if spec.clahe is None else f"CLAHE with clip limit {spec.clahe.clip_limit:g}"
    return f"Films to {spec.size} x {spec.size} pixels ({spec.resize}), intensity {spec.intensity}, {clahe}; augmentation {run.config.learn.augment} in training alone."


def _subsets(run: RecordedRun) -> str:
    return "; ".join(run.data.notes) or "None: every film of the folder was used."


def _missing(run: RecordedRun) -> str:
    del run
    return "Every film has a label, given by its place in the folder or table; films without one are not read."


def _partitions(run: RecordedRun) -> str:
    return f"By a seeded grouped split, stratified by label (seed {run.config.data.split_seed}), where the folder gives none; SHA-256 of the split {run.data.split_sha256}."


def _disjoint(run: RecordedRun) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in run.data.patients.items())
    return f"Patients, as far as the data tells them apart ({counts}); patients who share an exact copy of a film stand together."


def _model(run: RecordedRun) -> str:
    winner = run.winner
    return f"{winner.row.architecture}, {winner.row.parameters:,} parameters; input {winner.record.preprocess.size} x {winner.record.preprocess.size}, one channel; softmax over {', '.join(winner.record.classes)}."


def _software(run: RecordedRun) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.winner.record.provenance.libraries.items())


def _initialization(run: RecordedRun) -> str:
    return f"Pretrained weights: {run.winner.record.provenance.pretrained_weights}; otherwise random, seed {run.winner.row.seed}."


def _training(run: RecordedRun) -> str:
    recipe = run.config.learn.recipe(run.winner.row.architecture)
    config = run.config.learn
    return f"{config.optimizer}, peak learning rate {recipe.lr:g}, {config.schedule} schedule, batch {recipe.batch_size}, up to {recipe.epochs} epochs with early stopping ({config.patience}), {config.loss}, augmentation {config.augment}; all fields under To repeat it."


def _selection(run: RecordedRun) -> str:
    del run
    return (
        "Highest validation AUROC, for the epoch within a trial and for the trial within the run; never the test set."
    )


def _ensembling(run: RecordedRun) -> str:
    averaged = [row.trial for row in run.board.rows if row.kind == "ensemble"]
    return (
        f"Averages of trials stand in the leaderboard ({', '.join(averaged)}); none is the winner."
        if averaged
        else "None."
    )


def _metrics(run: RecordedRun) -> str:
    del run
    return "AUROC, AUPRC, sensitivity, specificity, PPV and NPV with their prevalence, balanced accuracy, macro F1, MCC, Brier score, expected calibration error."


def _uncertainty(run: RecordedRun) -> str:
    del run
    return "95 % intervals: Wilson for proportions, DeLong by patient for AUROC, bootstrap over patients for all else; trials are compared paired, on the same films."


def _internal(run: RecordedRun) -> str:
    evaluation = run.winner.record.validation
    return f"Validation: {evaluation.films:,} films of {evaluation.patients:,} patients of the same source, AUROC {evaluation.auroc}."


def _counts(run: RecordedRun) -> str:
    parts = [f"{name}: {sum(counts.values()):,} films" for name, counts in run.data.counts.items()]
    return f"{', '.join(parts)}. Left out: {'; '.join(run.data.notes) or 'none'}."


def _performance(run: RecordedRun) -> str:
    test = run.winner.record.test
    return (
        "The test set is sealed."
        if test is None
        else f"Test AUROC {test.auroc}; the other figures stand with the winner."
    )


def _diagnostic(run: RecordedRun) -> str:
    lines = [
        f"{name}, {point.finding}: sensitivity {metrics.sensitivity}, specificity {metrics.specificity}"
        for point in run.winner.record.calibration.operating_points
        for name, metrics in run.winner.at_operating_point(point.finding).items()
    ]
    return "; ".join(lines) + "."


def _failures(run: RecordedRun) -> str:
    kept = ", ".join(run.winner.outputs)
    return (
        f"The worst mistakes and the borderline films of {kept} are shown."
        if kept
        else "Not possible: outputs of the films were not kept."
    )


def _code(run: RecordedRun) -> str:
    return f"Code at commit {run.winner.record.provenance.git_commit}, Apache-2.0. Availability of network and films: to be added by the authors."


def _explanation(run: RecordedRun) -> str:
    found = run.winner.explanations
    if found is None:
        return "None were made for the winner."
    alarm = "an alarm" if found.shortcut_alarm else "no alarm"
    return (
        f"Heat maps judged by insertion and deletion (gap {found.insertion_deletion_gap}) and by their place ({alarm})."
    )


def _limitations(run: RecordedRun) -> str:
    return " ".join(limits_in_words(run))


ITEMS = (
    Item(1, "Title", "Says that the study is about artificial intelligence, and of which kind", _technique),
    Item(2, "Abstract", "Summarises design, methods, results and conclusions"),
    Item(3, "Introduction", "Scientific and clinical background, with the intended use and role of the network"),
    Item(4, "Introduction", "Aims, objectives and hypotheses"),
    Item(5, "Study design", "Prospective or retrospective"),
    Item(6, "Study design", "Goal of the study", _goal),
    Item(7, "Data", "Sources of the data", _source),
    Item(8, "Data", "Criteria by which cases were included and excluded"),
    Item(9, "Data", "Preprocessing", _preprocessing),
    Item(10, "Data", "How subsets of the data were selected", _subsets),
    Item(11, "Data", "De-identification"),
    Item(12, "Data", "Handling of missing data", _missing),
    Item(13, "Data", "Protocol of image acquisition"),
    Item(14, "Reference standard", "How the reference standard was obtained"),
    Item(15, "Reference standard", "Why this reference standard was chosen"),
    Item(16, "Reference standard", "Who or what made the annotations"),
    Item(17, "Reference standard", "How the test set was annotated"),
    Item(18, "Reference standard", "Variability between and within raters"),
    Item(19, "Data partitions", "How cases were assigned to partitions", _partitions),
    Item(20, "Data partitions", "Level at which the partitions are disjoint", _disjoint),
    Item(21, "Testing data", "Intended sample size"),
    Item(22, "Model", "Detailed description of the model", _model),
    Item(23, "Model", "Libraries, frameworks and packages", _software),
    Item(24, "Model", "Initialization of the parameters", _initialization),
    Item(25, "Training", "Approach to training", _training),
    Item(26, "Training", "How the final model was selected", _selection),
    Item(27, "Training", "Ensembling", _ensembling),
    Item(28, "Evaluation", "Metrics of performance", _metrics),
    Item(29, "Evaluation", "Statistical measures of significance and uncertainty", _uncertainty),
    Item(30, "Evaluation", "Robustness or sensitivity analysis"),
    Item(31, "Evaluation", "Methods of explanation or interpretation", _explanation),
    Item(32, "Evaluation", "Evaluation on internal data", _internal),
    Item(33, "Evaluation", "Testing on external data"),
    Item(34, "Evaluation", "Registration of a clinical trial"),
    Item(35, "Results: data", "Numbers of patients or examinations included and excluded", _counts),
    Item(36, "Results: data", "Demographic and clinical characteristics of each partition"),
    Item(37, "Results: performance", "Performance with statistical uncertainty", _performance),
    Item(38, "Results: performance", "Diagnostic performance and its precision", _diagnostic),
    Item(39, "Results: performance", "Analysis of the cases that failed", _failures),
    Item(40, "Discussion", "Limitations of the study", _limitations),
    Item(41, "Discussion", "Implications for practice, intended use and clinical role"),
    Item(42, "Other information", "Full protocol or further technical details"),
    Item(43, "Other information", "Availability of software, trained model and data", _code),
    Item(44, "Other information", "Funding and other support, and the role of funders"),
)
