"""Tables of a trial on its calibration by band of probability."""

from collections.abc import Iterator, Mapping

from schemas.model.evaluation import Evaluation
from trainer.report.html import Table


def band_tables(evaluations: Mapping[str, Evaluation]) -> Iterator[Table]:
    """What is claimed and what is so in each tenth of a finding's probability; nothing where it was not measured."""
    rows = [
        (name, finding, band.in_words, f"{band.films:,}", f"{band.claimed:.3f}", str(band.observed))
        for name, evaluation in evaluations.items()
        for finding, bands in evaluation.bands.items()
        for band in bands
    ]
    if rows:
        caption = (
            "Calibration by band: films by the probability that they are given; claimed: its mean; observed: the share "
            "of them that have the finding."
        )
        yield Table(caption, ("set", "finding", "probability", "films", "claimed", "observed"), rows)
