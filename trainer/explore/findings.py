"""What a reader must know of a set of films before training, in sentences."""

from trainer.explore.data_report import DataReport
from trainer.explore.probes import ALARM


def findings(report: DataReport) -> list[str]:
    """What a reader must know before training, as sentences."""
    counts = {label: sum(by_class[label] for by_class in report.counts.values()) for label in report.classes}
    most = max(counts, key=counts.__getitem__)
    least = min(counts, key=counts.__getitem__)
    ratio = counts[most] / max(1, counts[least])
    lines = [
        *report.patients_known.sentences,
        report.negative_reason,
        "Every class has as many films as any other."
        if counts[most] == counts[least]
        else f"{most} has {ratio:.1f} times as many films as {least}.",
    ]
    for target in dict.fromkeys(probe.separates for probe in report.probes):
        alarms = [probe for probe in report.probes if probe.alarm and probe.separates == target]
        if alarms:
            facts = ", ".join(f"{probe.name} ({probe.auroc})" for probe in alarms)
            lines.append(f"Facts that show no lung separate {target}: {facts}.")
        else:
            lines.append(f"No simple fact about the files separates {target}: every AUROC may be {ALARM} or less.")
    if report.leak_count:
        lines.append(f"{report.leak_count} leaks between the splits: training stops at them.")
    if report.contradiction_count:
        lines.append(f"{report.contradiction_count} films lie under two labels: training stops at them.")
    if report.exact_copies or report.near_copies:
        lines.append(
            f"{report.exact_copies} films have the bytes of another film; {report.near_copies} show the picture of "
            "another film in another encoding."
        )
    if report.dropped:
        lines.append(f"{len(report.dropped)} files cannot be read: training stops at them unless --skip-unreadable.")
    return lines
