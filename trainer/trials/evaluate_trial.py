"""A trial on the test films, after the run has chosen its winner."""

from collections.abc import Sequence

from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.films.task import Task
from trainer.folder import TrialFolder
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits
from trainer.judging.outputs import SavedOutputs
from trainer.judging.shifts import shift_outputs
from trainer.networks.inference import outputs
from trainer.trials.context import RunContext
from trainer.trials.record import write_judged
from trainer.trials.trial import load_network
from trainer.trials.tta import judge_views


def evaluate_on_test(context: RunContext, folder: TrialFolder, films: Sequence[Film]) -> TrialRecord:
    """Evaluate a trial on the test films and record it.

    Args:
        context: of the run.
        folder: of the trial.
        films: of test; `trainer.runs.test_set` alone gives them.

    Raises:
        TrainingDataError: the trial has not ended, or its films cannot be read.
    """
    record, network = load_network(folder)
    dataset = context.dataset
    judge = context.config.judge
    test = dataset.prepared(tuple(films), record.preprocess)
    logits = outputs(network, test.films)[0].numpy()
    shifted = shift_outputs(network, test.films) if judge.shifts else {}
    answers = LabelledLogits.of("test", films, test.labels, logits, shifted)
    evaluation = evaluate(answers, Task(record.classes, record.negative_class), record.calibration)
    views = judge_views(network, films, test, record, judge)
    tested = record.model_copy(update={"test": evaluation, "many_views": views})
    write_judged(folder, tested, "test", SavedOutputs.of(answers, films, dataset.root))
    return tested
