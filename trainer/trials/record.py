"""The record of a trial and the outputs of its network, on disk."""

from collections.abc import Sequence

from pydantic import ValidationError

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.folder import Part, TrialFolder
from trainer.judging.outputs import SavedOutputs
from trainer.judging.predictions import prediction_table


def read_trial(folder: TrialFolder) -> TrialRecord:
    """The record of a trial.

    Raises:
        TrainingDataError: the trial has not ended, or its record is of another version.
    """
    try:
        return TrialRecord.model_validate_json(folder.record.read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{folder.record} is missing or of another version; run the training again with the same --out"
        raise TrainingDataError(msg) from error


def write_trial(folder: TrialFolder, record: TrialRecord) -> None:
    """Replace the record of a trial."""
    write_whole(folder.record, record.model_dump_json(indent=2).encode())


def write_judged(
    folder: TrialFolder, record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]
) -> None:
    """Write outputs and answers for a set of films, and after them the record that holds their evaluation."""
    write_answers(folder, record, part, outputs, films)
    write_trial(folder, record)


def write_answers(
    folder: TrialFolder, record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]
) -> None:
    """Write outputs for a set of films, and what the record makes of them as a table."""
    outputs.write(folder.outputs(part))
    write_whole(folder.predictions(part), prediction_table(record, part, outputs, films).encode())
