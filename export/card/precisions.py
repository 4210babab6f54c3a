"""What the cards say of reduced precisions: those in the bundle, and those that were refused and why."""

from collections.abc import Iterator

from schemas.model.precision import PrecisionRecord

HEAD = (
    "precision",
    "verdict",
    "AUROC, minus fp32",
    "same label",
    "same verdict on distribution",
    "largest logit difference",
    "heat maps correlate",
    "ms a film (fp32)",
    "times as fast",
    "MB (fp32)",
)
MEANING = (
    "The same network with fewer bits, on the validation films beside fp32 (paired; the interval of times as fast is of "
    "neighbouring runs on the machine that exported). The service computes in fp32 unless `CXR_PRECISION` says otherwise. "
    "All other figures of this card are of fp32."
)


def rows(records: tuple[PrecisionRecord, ...]) -> Iterator[tuple[str, ...]]:
    """A row for each precision that was tried, under `HEAD`."""
    for record in records:
        verdict = "kept" if record.refused is None else f"refused: {record.refused}"
        figures = record.figures
        if figures is None:
            yield record.precision, verdict, *[""] * (len(HEAD) - 2)
            continue
        verdicts = figures.in_distribution_agreement
        yield (
            record.precision,
            verdict,
            f"{figures.auroc_difference:+.4f}",
            f"{figures.label_agreement:.2%}",
            "not checked" if verdicts is None else f"{verdicts:.2%}",
            f"{figures.largest_logit_difference:.3f} (largest logit {figures.largest_logit:.2f})",
            f"{figures.heatmap_correlation:.4f}",
            f"{figures.ms_per_film:.1f} ({figures.ms_per_film_fp32:.1f})",
            f"{figures.speedup:.2f}",
            f"{figures.size_bytes / 1e6:.1f} ({figures.size_bytes_fp32 / 1e6:.1f})",
        )


def methods(records: tuple[PrecisionRecord, ...]) -> Iterator[str]:
    """How each was made and where it was measured, a line each."""
    for record in records:
        where = "" if record.figures is None else f"; measured on {record.figures.measured_on}"
        yield f"{record.precision}: {record.method}{where}"
