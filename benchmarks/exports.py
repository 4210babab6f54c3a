"""What exporting does to trained networks: parity with torch on all validation films, and which precisions are kept.

    python -m benchmarks.exports runs/first/trials/cnn4-seed0 runs/second/trials/resnet50-seed0 --write

Exports each trial into a temporary folder, as `python -m export bundle` does, and prints a Markdown table; --write
puts it
into docs/results/exports.md.
"""

import argparse
import tempfile
from pathlib import Path

from bundle.files import write_whole
from bundle.opening import open_bundle
from export.export import ExportOptions, SilentReporter, write_bundle
from export.gates.parity import ParityReport
from export.place import Place
from schemas.model.manifest import GRAPH
from schemas.model.precision import PRECISIONS, PrecisionRecord
from trainer.allocator import keep_freed_memory
from trainer.folder import TrialFolder
from trainer.trials.trial import load_trial

PAGE = Path("docs/results/exports.md")
HEAD = (
    "| network | px | films | largest logit difference, of the accepted | AUROC of torch, of the graph | MB "
    "of the graph | int8 | fp16 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"
)
INTRODUCTION = (
    "# Networks, exported\n\n"
    "`python -m benchmarks.exports` exported a trial of each architecture that was trained (nine of the "
    "table's twelve) on "
    "[two](two-classes.md) or [three classes](three-classes.md), with `python -m export bundle`. The parity "
    "gate runs every validation film through "
    "torch and through the ONNX graph, 1, 2, 7 and 32 at a time. A graph is not written if it differs by "
    "more than the accepted difference, or "
    "if it gives one film another label, or another AUROC in four decimals. int8 and fp16 are kept if they "
    "agree with fp32 within .002 AUROC "
    "(paired) and on 99.5 % of the labels, and int8 if it is also at least 1.1 times as fast "
    "([precision](../precision.md)). fp16 is for GPUs: "
    "its time was not measured, and its figures are those of a CPU.\n\n"
)


def verdict(record: PrecisionRecord) -> str:
    """One cell: kept or refused, and on which figures."""
    figures = record.figures
    if figures is None:
        return f"refused: {record.refused}"
    faster = f", {figures.speedup.value:.1f} x" if record.precision == "int8" else ""
    told = f"{figures.auroc_difference.value:+.4f}, {figures.label_agreement.value:.1%}{faster}"
    return f"{'kept' if record.refused is None else 'refused'}: {told}"


class KeptReport(SilentReporter):
    """Keeps what the parity gate measured."""

    report: ParityReport

    def parity(self, report: ParityReport) -> None:
        """Keep the report."""
        self.report = report


def table_row(directory: Path, out: Path) -> str:
    """One line of the table: the trial exported."""
    trial = load_trial(TrialFolder(directory))
    measured = KeptReport()
    bundle = write_bundle(
        trial,
        Place(name="export", version=directory.name.lower(), out=out),
        ExportOptions(precisions=PRECISIONS),
        measured,
    )
    report = measured.report
    manifest = open_bundle(bundle).manifest
    worst = max((row for row in report.rows if row.output == "logits"), key=lambda row: row.worst / row.tolerance)
    reduced = {record.precision: record for record in manifest.precisions}
    aurocs = " ".join(f"{value:.4f}" for value in report.auroc) if report.auroc else ""
    cells = (
        directory.name,
        str(trial.record.preprocess.size),
        str(report.films),
        f"{worst.worst:.1e} of {worst.tolerance:.1e}",
        aurocs,
        f"{manifest.files[GRAPH].size_bytes / 1e6:.1f}",
        *(verdict(reduced[precision]) for precision in PRECISIONS),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Export, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=Path, nargs="+", help="folders runs/ID/trials/NAME")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    options = parser.parse_args()
    lines = [HEAD]
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for directory in options.trials:
            lines.append(table_row(directory, Path(folder)))
            print(lines[-1], flush=True)
            if options.write:  # after each: one that is refused ends the program, and the others took minutes
                write_whole(PAGE, (INTRODUCTION + "\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
