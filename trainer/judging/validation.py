"""Calibration and evaluation on validation, in this order, for every network and every mean of networks."""

from schemas.model.calibration import Calibration, OutOfDistribution
from schemas.model.evaluation import Evaluation
from trainer.films.task import Task
from trainer.judging.calibrate import calibrate
from trainer.judging.evaluate import evaluate
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
    calibration = calibrate(outputs, task, options, deciding=deciding, out_of_distribution=out_of_distribution)
    return calibration, evaluate(outputs, task, calibration)
