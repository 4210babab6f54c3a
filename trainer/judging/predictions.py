"""What a network answers for each film of a set, as a table for spreadsheets, by the rules of the service.

It names a film by its hash, never by its path or patient, so that the table may leave the place where the films are.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from schemas.model.decision import answer, conformal_set, finding_label, softmax
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.folder import Part
from trainer.judging.outputs import SavedOutputs

HASH_DIGITS = 12
"""Of the SHA-256 of a film's file: as many as name a film in the card of a bundle."""
_COLUMNS = ("film", "split", "truth", "label", "decision", "set", "familiar", "spread")


def prediction_table(record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]) -> str:
    """The table as CSV with a row for each film, in the order of the outputs.

    Args:
        record: classes, temperature, operating points and conformal quantiles.
        part: name of the set.
        outputs: of the network for these films.
        films: N films.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, *(f"probability {name}" for name in record.classes)))
    writer.writerows(_rows(record, part, outputs, films))
    return text.getvalue()


def _rows(
    record: TrialRecord, part: Part, outputs: SavedOutputs, films: Sequence[Film]
) -> Iterator[tuple[str | float, ...]]:
    calibration = record.calibration
    probabilities = softmax(outputs.logits, calibration.temperature)
    familiar = [None] * len(films) if outputs.unfamiliarity is None else (outputs.unfamiliarity <= 1).tolist()
    spreads = [None] * len(films) if outputs.spread is None else outputs.spread.tolist()
    for film, row, known, spread in zip(films, probabilities, familiar, spreads, strict=True):
        label = finding_label(row, record.classes, record.negative_class, calibration.operating_points)
        named = dict(zip(record.classes, row.tolist(), strict=True))
        candidates = conformal_set(named, calibration.conformal.quantiles)
        yield (
            film.sha256[:HASH_DIGITS],
            part,
            film.label,
            label,
            _decision(label, record.negative_class, candidates, known=known),
            "|".join(candidates),
            "" if known is None else ("yes" if known else "no"),
            "" if spread is None else f"{spread:.6f}",
            *(f"{probability:.6f}" for probability in named.values()),
        )


def _decision(label: str, negative_class: str | None, candidates: Sequence[str], *, known: bool | None) -> str:
    if answer(label, candidates, in_distribution=known) != "given":
        return "abstain"
    return "negative" if label == negative_class else "positive"
