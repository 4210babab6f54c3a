"""Calibration and evaluation, in this order, for every network and every mean of networks, of classes or findings."""

from schemas.model.calibration import Calibration, OutOfDistribution
from schemas.model.evaluation import Evaluation
from trainer.films.task import Task
from trainer.judging.calibrate import calibrate
from trainer.judging.evaluate import evaluate
from trainer.judging.findings.calibration import calibrate_findings
from trainer.judging.findings.evaluation import evaluate_findings
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions


def judge_validation(
    outputs: LabelledLogits,
    task: Task,
    options: JudgeOptions,
    out_of_distribution: OutOfDistribution | None = None,
) -> tuple[Calibration, Evaluation]:
    """Calibrate outputs on validation films, and evaluate the calibrated outputs on the same films.

    Args:
        outputs: of the validation films; where the options say so, their shifted copies decide, too.
        task: the classes.
        options: what the calibration has to reach.
        out_of_distribution: cut-offs of the gate; None: distribution is not checked.

    Raises:
        CxrError: see `calibrate` and `evaluate`.
    """
    deciding = outputs.pooled() if options.decide_on == "shifts" and outputs.shifted else None
    decide = calibrate_findings if task.alone else calibrate
    calibration = decide(outputs, task, options, deciding=deciding, out_of_distribution=out_of_distribution)
    return calibration, judge(outputs, task, calibration)


def judge(outputs: LabelledLogits, task: Task, calibration: Calibration) -> Evaluation:
    """Evaluate calibrated outputs on a set of films.

    Raises:
        TrainingDataError: see `evaluate` and `evaluate_findings`.
    """
    return evaluate_findings(outputs, task, calibration) if task.alone else evaluate(outputs, task, calibration)
