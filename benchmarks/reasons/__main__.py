"""What a network gains and loses that is asked for the right reasons; judged on validation films alone.

    python -m benchmarks.reasons runs/reasons-plain runs/reasons-background … --write

Reads runs that have ended, of the same films, and prints a Markdown table of their winners; --write puts it below the
marker of docs/results/right-reasons.md. Each run needs judge.lung_masks.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import CxrError, TrainingDataError
from schemas.estimate import Estimate
from schemas.model.looking import Looking
from schemas.model.trial import TrialRecord
from trainer.config import read_config
from trainer.folder import RunFolder
from trainer.judging.evaluate import DEFAULT_THRESHOLD
from trainer.learning.options import LearnOptions
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.record import read_trial

PAGE = Path("docs/results/right-reasons.md")
MARKER = "<!-- below: python -m benchmarks.reasons --write -->\n"
HEAD = (
    "| asked | AUROC | specificity | mean balanced error under shifts | lungs gray: AUROC, answered | "
    "outside swapped: AUROC, answered | heat in the lungs / area | hottest point in the lungs | "
    "the same, lungs mirrored |"
)


def asked(learn: LearnOptions) -> str:
    """What was asked of a network in addition to labels, in words."""
    parts = {
        f"other backgrounds, {learn.swapped_background:.0%} of the films": learn.swapped_background,
        f"attention, weight {learn.attention_loss:g}": learn.attention_loss,
        f"consistency, weight {learn.consistency_loss:g}": learn.consistency_loss,
    }
    return "; ".join(words for words, value in parts.items() if value) or "labels alone"


def row(words: str, record: TrialRecord, looking: Looking) -> str:
    """One line of the table.

    Args:
        words: what was asked of the network.
        record: of the network, which knows one finding.
        looking: what it looks at.
    """
    validation = record.validation
    finding = record.calibration.operating_points[0].finding
    heat = next((each for each in looking.heat if each.region == "lungs"), None)
    called = next(each for each in validation.findings if each.threshold != DEFAULT_THRESHOLD)
    cells = [
        words,
        str(validation.auroc),
        str(called.specificity),
        "" if validation.corruption is None else str(validation.corruption.shifted),
        *(_erased(looking, erasure, finding) for erasure in ("lungs gray", "outside swapped")),
        *(("", "", "") if heat is None else map(str, (heat.maps.ratio, heat.maps.inside, heat.mirrored.inside))),
    ]
    return f"| {' | '.join(cells)} |"


def _erased(looking: Looking, erasure: str, finding: str) -> str:
    found = [each for each in looking.erasures if (each.erasure, each.finding) == (erasure, finding)]
    figures: list[Estimate | None] = [found[0].auroc, found[0].answered] if found else []
    return ", ".join(str(figure) for figure in figures if figure is not None)


def table(runs: Sequence[Path]) -> str:
    """The table of the runs' winners.

    Raises:
        TrainingDataError: a run measured nothing on marked films, or validated on other films than the first.
    """
    lines = [HEAD, "|" + " --- |" * (HEAD.count("|") - 1)]
    films = ""
    for path in runs:
        folder = RunFolder(path)
        record = read_trial(folder.trial(read_leaderboard(folder).winner.trial))
        films = films or record.validation.data_sha256
        if record.looking is None or record.validation.data_sha256 != films:
            msg = f"{path} has no lung masks of validation films, or other ones; train it with judge.lung_masks"
            raise TrainingDataError(msg)
        lines.append(row(asked(read_config(folder).learn), record, record.looking))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE}")
    options = parser.parse_args()
    try:
        text = table(options.runs)
    except CxrError as error:
        sys.exit(str(error))
    print(text)
    if options.write:
        page = PAGE.read_text()
        PAGE.write_text(page[: page.index(MARKER) + len(MARKER)] + "\n" + text)


if __name__ == "__main__":
    main()
