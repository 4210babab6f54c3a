"""What was measured of a trained network on a set of films."""

from pydantic import Field

from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.record import Record


class FindingMetrics(Record):
    """One class against the rest at one threshold; predictive values hold at `prevalence` alone.

    Of a finding that is judged by itself: its presence against its absence, on films where it is known.
    """

    finding: str
    threshold: Fraction
    auroc: Estimate
    auprc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    prevalence: Fraction
    ppv: Estimate | None = Field(description="null where no film was called positive")
    npv: Estimate | None = Field(description="null where no film was called negative")
    f1: Estimate
    brier: Estimate | None = Field(default=None, description="of a finding that is judged by itself")
    ece: Estimate | None = Field(
        default=None, description="expected calibration error of a finding that is judged by itself, adaptive bins"
    )


class LabelMetrics(Record):
    """All classes together, for one rule that gives each film a label."""

    rule: str = Field(description="'argmax', or 'operating point'")
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    class_f1: dict[str, Estimate] = Field(description="of each class")
    mcc: Estimate = Field(description="Matthews correlation")
    confusion: tuple[tuple[int, ...], ...] = Field(description="[truth][label] counts in the order of the classes")


class SubgroupMetrics(Record):
    """One finding on the films of one group, e.g. those of women, at the finding's operating point."""

    column: str = Field(description="attribute of the films, e.g. 'sex'")
    value: str = Field(description="of the attribute; an age is given as a band of years, e.g. '18-39'")
    films: int
    patients: int | None = Field(description="null where the patient of some film is not known")
    finding: str
    positives: int = Field(description="films with the finding")
    auroc: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None
    note: str = Field(description="why a figure is null; empty where none is")


class Comparison(Record):
    """Two networks on the same films."""

    difference: Estimate = Field(description="AUROC of the first minus that of the second, paired")
    p_value: Fraction = Field(description="two-sided, of no difference; not corrected for further comparisons")


class CorruptionMean(Record):
    """The balanced error at the operating points, of the films as they are and on average over all shifts.

    Balanced error: 1 less the mean of sensitivity and specificity, of several findings their mean. Intervals are
    percentiles over resampled patients, the same for all shifts.

    Source: Di Salvo et al., MedMNIST-C, arXiv:2406.17536, section 3.3, relative to the same network's own clean error
        instead of another network's.
    """

    shifts: int = Field(ge=1, description="changes of the films that the mean is over, the unchanged films left out")
    clean: Estimate = Field(description="balanced error of the films as they are")
    shifted: Estimate = Field(description="mean of the balanced errors under each shift")
    ratio: Estimate | None = Field(description="shifted over clean; null: a resample of the films has no error at all")


class ProbabilityBand(Record):
    """The films to which a finding is given a probability in one tenth of the range: what is claimed, what is so.

    A film lies in the band when `low` <= its calibrated probability < `high`; 1 lies in the last band.
    """

    low: Fraction
    high: Fraction
    films: int = Field(ge=1, description="on which the finding is known")
    claimed: Fraction = Field(description="mean probability of these films")
    observed: Estimate = Field(description="share of them that have the finding, Wilson's interval")

    @property
    def in_words(self) -> str:
        """The range, e.g. '0.1 to 0.2'."""
        return f"{self.low:.1f} to {self.high:.1f}"

    @property
    def gap(self) -> float:
        """How far the claim is from what is so, in [0, 1]; 0 where the claim lies in the interval of what is so."""
        inside = self.observed.low <= self.claimed <= self.observed.high
        return 0.0 if inside else abs(self.claimed - self.observed.value)


class Evaluation(Record):
    """Figures of one network on one set of films, probabilities calibrated on validation.

    Where each class is a finding that is judged by itself, each figure of a finding is of the films on which it is
    known; `auroc`, `brier` and `ece` are means over the findings, and there are no `labels`: a film has no single one.
    """

    data: str = Field(description="name of the set, e.g. 'test'")
    data_sha256: str = Field(description="hash over the sorted film hashes and labels")
    films: int
    patients: int = Field(description="a film whose patient is not known counts as one, or its study does")
    unknown_patients: int = Field(default=0, description="films whose patient is not known")
    class_counts: dict[str, int] = Field(description="films of each class, or with each finding and with none")
    auroc: Estimate = Field(
        description="area under the ROC curve; macro average one-vs-rest for more than two classes, or over findings"
    )
    class_auroc: dict[str, Estimate] = Field(description="of each class against the rest")
    brier: Estimate
    ece: Estimate = Field(description="expected calibration error of the label's probability, adaptive bins")
    labels: tuple[LabelMetrics, ...]
    findings: tuple[FindingMetrics, ...]
    subgroups: tuple[SubgroupMetrics, ...] = Field(
        default=(), description="empty where no attribute tells groups apart"
    )
    shifts: tuple[SubgroupMetrics, ...] = Field(
        default=(), description="the same films under each shift, thresholds unchanged; empty where none was tried"
    )
    corruption: CorruptionMean | None = Field(default=None, description="over all shifts; null: none was tried")
    bands: dict[str, tuple[ProbabilityBand, ...]] = Field(
        default={}, description="of each finding, the tenths of its probability that have films; empty: not measured"
    )

    @property
    def in_words(self) -> str:
        """The films, e.g. '1,040 films of 560 patients'."""
        return films_in_words(self.films, self.patients, self.unknown_patients)

    @property
    def patients_in_words(self) -> str:
        """The patients, e.g. '560'."""
        return patients_in_words(self.films, self.patients, self.unknown_patients)


def films_in_words(films: int, patients: int, unknown: int) -> str:
    """A count of films that says no more of patients than is known.

    Args:
        films: number of films.
        patients: number of patients, where each film whose patient is not known counts as one, or its study does.
        unknown: number of films whose patient is not known.
    """
    counted = f"{films:,} film{'' if films == 1 else 's'}"
    if unknown:
        return f"{counted}, patients {patients_in_words(films, patients, unknown)}"
    return f"{counted} of {patients:,} patient{'' if patients == 1 else 's'}"


def patients_in_words(films: int, patients: int, unknown: int) -> str:
    """The number of patients alone, e.g. '560', or that it is not known; arguments as of `films_in_words`."""
    if unknown and unknown == films:
        return "unknown"
    return f"unknown for {unknown:,} of them" if unknown else f"{patients:,}"
