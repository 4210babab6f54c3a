"""The output of the commands: the gates as tables, a bundle in three lines."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.gates.parity import ParityReport
from export.gates.worth import FLOOR_SIDE, Worth
from export.publish import verify_bundle
from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.precision import PrecisionRecord

console = Console()


class ConsoleReporter:
    """An `export.export.GateReporter` that prints."""

    def parity(self, report: ParityReport) -> None:
        """Print the differences by output and batch size."""
        table = Table(title=f"Parity with torch on {report.films:,} films: worst difference")
        sizes = sorted({row.batch for row in report.rows})
        table.add_column("output", no_wrap=True)
        for heading in (*(f"batch {size}" for size in sizes), "accepted"):
            table.add_column(heading, justify="right")
        for output in dict.fromkeys(row.output for row in report.rows):
            rows = {row.batch: row for row in report.rows if row.output == output}
            table.add_row(output, *(f"{rows[size].worst:.1e}" for size in sizes), f"{rows[sizes[0]].tolerance:.1e}")
        console.print(table)
        auroc = (
            "not compared, no labels" if report.auroc is None else "torch {:.6f}, graph {:.6f}".format(*report.auroc)
        )
        console.print(f"labels identical; AUROC {auroc}")

    def precision(self, record: PrecisionRecord) -> None:
        """Print the verdict and the figures that it rests on."""
        verdict = "kept" if record.refused is None else f"refused: {record.refused}"
        console.print(f"{record.precision} {verdict}", soft_wrap=True)
        if (figures := record.figures) is not None:
            console.print(
                f"  AUROC {figures.auroc_difference:+.4f}, same label {figures.label_agreement:.2%}, "
                f"{figures.ms_per_film:.1f} ms a film (fp32 {figures.ms_per_film_fp32:.1f}), "
                f"{figures.size_bytes / 1e6:.1f} MB (fp32 {figures.size_bytes_fp32 / 1e6:.1f})",
                soft_wrap=True,
            )


class AdoptionConsole:
    """An `export.adopt.adopt.AdoptionReporter` that prints."""

    def reading(self, notes: Sequence[str]) -> None:
        """Print how the graph is fed and read."""
        for note in notes:
            console.print(note, soft_wrap=True, markup=False)

    def figures(self, calibration: Calibration, evaluations: Sequence[Evaluation], worth: Worth) -> None:
        """Print the figures of each set of films, and the floor."""
        table = Table(title="Figures with their 95 % intervals, probabilities calibrated on validation")
        table.add_column("figure")
        for each in evaluations:
            table.add_column(f"{each.data}, {each.films:,} films of {each.patients:,} patients", no_wrap=True)
        thresholds = {point.threshold for point in calibration.operating_points}
        columns = [_figures(each, thresholds) for each in evaluations]
        for name in columns[0]:
            table.add_row(name, *(column[name] for column in columns))
        for name, floor in worth.floor.items():
            beside = f"{floor}; the network minus it: {worth.difference[name]}"
            table.add_row(
                f"AUROC of {name} by {FLOOR_SIDE} x {FLOOR_SIDE} pixels",
                *(beside if each.data == worth.data else "" for each in evaluations),
            )
        console.print(table)
        console.print(f"temperature {calibration.temperature:.3f}")
        for fault in worth.faults:
            console.print(f"below the limit: {fault}", soft_wrap=True, markup=False)


def _figures(evaluation: Evaluation, thresholds: Collection[float]) -> dict[str, str]:
    """Figures by name, in words; those of findings at their operating points."""
    figures = {"AUROC": str(evaluation.auroc)}
    for rule in evaluation.labels:
        figures[f"balanced accuracy, label by {rule.rule}"] = str(rule.balanced_accuracy)
        figures[f"accuracy, label by {rule.rule}"] = str(rule.accuracy)
    for row in evaluation.findings:
        if row.threshold in thresholds:
            figures[f"sensitivity to {row.finding} from {row.threshold:.4f}"] = str(row.sensitivity)
            figures[f"specificity to {row.finding} from {row.threshold:.4f}"] = str(row.specificity)
    figures["Brier score"] = str(evaluation.brier)
    figures["expected calibration error"] = str(evaluation.ece)
    return figures


def print_bundle(directory: Path) -> None:
    """Verify a bundle, and print what it is.

    Raises:
        BundleError: see `verify_bundle`.
    """
    checked, differences = verify_bundle(directory)
    size = sum(record.size_bytes for record in checked.manifest.files.values())
    manifest = checked.manifest
    console.print(
        f"{manifest.name}/{manifest.version}: {manifest.architecture}, {len(manifest.files) + 1} files, "
        f"{size / 1e6:.1f} MB"
    )
    within = ", ".join(f"{difference:.1e} ({precision})" for precision, difference in differences.items())
    console.print(f"hashes right, golden films within {within}")
    console.print(f"sha256 {checked.sha256}", soft_wrap=True)
