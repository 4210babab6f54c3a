"""A trial on the test films, after the run has chosen its winner."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.films.task import Task
from trainer.folder import TrialFolder
from trainer.judging.gate import GateInputs, films_unfamiliarity, gate_inputs
from trainer.judging.logits import LabelledLogits
from trainer.judging.outputs import SavedOutputs
from trainer.judging.shifts import shift_outputs
from trainer.judging.uncertainty import dropout_spread, with_test
from trainer.judging.validation import judge
from trainer.trials.context import RunContext
from trainer.trials.record import write_judged
from trainer.trials.trial import load_network
from trainer.trials.trial_arrays import read_statistics
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
    options = context.config.judge
    test = dataset.prepared(tuple(films), record.preprocess)
    logits, seen = gate_inputs(network, test)
    shifted = shift_outputs(network, test.films) if options.shifts else {}
    answers = LabelledLogits.of("test", films, test.labels, logits, shifted)
    evaluation = judge(answers, Task.of(record), record.calibration)
    views = judge_views(network, films, test, record, options)
    share = context.config.learn.dropout_of(record.architecture)
    spreads = dropout_spread(network.classifier, seen.embeddings, share, record.calibration, record.classes)
    uncertainty = with_test(record, answers, spreads)
    tested = record.model_copy(update={"test": evaluation, "many_views": views, "uncertainty": uncertainty})
    saved = SavedOutputs.of(
        answers, films, dataset.root, unfamiliarity=_unfamiliarity(folder, record, seen), spread=spreads
    )
    write_judged(folder, tested, "test", saved, films)
    return tested


def _unfamiliarity(folder: TrialFolder, record: TrialRecord, films: GateInputs) -> NDArray[np.float64] | None:
    distribution = record.calibration.out_of_distribution
    return None if distribution is None else films_unfamiliarity(distribution, read_statistics(folder), films)
