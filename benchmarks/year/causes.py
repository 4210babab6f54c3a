"""What happens in the year besides films: each cause with its time, and the alerts that are for it."""

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Cause:
    """One planted cause."""

    name: str
    day: int
    """Of the year, from 0."""
    hour: float
    lasts_s: float
    alerts: frozenset[str]
    """Those that are for it."""
    tail_s: float = 2 * HOUR
    """For how long after its end they may go on: windows of rates, and of what is compared with the week before."""

    @property
    def start_s(self) -> float:
        """Seconds from the year's begin."""
        return self.day * DAY + self.hour * HOUR

    @property
    def end_s(self) -> float:
        """Seconds from the year's begin."""
        return self.start_s + self.lasts_s

    def covers(self, at_s: float) -> bool:
        """Whether it goes on."""
        return self.start_s <= at_s < self.end_s

    def explains(self, at_s: float) -> bool:
        """Whether an alert at this time may be its doing."""
        return self.start_s <= at_s < self.end_s + self.tail_s


def _cause(name: str, when: tuple[int, float], lasts_s: float, alerts: str, tail_s: float = 2 * HOUR) -> Cause:
    return Cause(name, *when, lasts_s, frozenset(f"Cxr{each}" for each in alerts.split()), tail_s)


BURNS: Final = "AvailabilityBurnFast AvailabilityBurnSlow"
CAUSES: Final = (
    _cause("the process is gone", (20, 10), 10 * MINUTE, "TargetDown"),
    _cause("no bundle can be loaded after a restart", (27, 10), 15 * MINUTE, f"NotReady {BURNS}", 7 * HOUR),
    _cause("the bundle of adults is taken away", (34, 10), 15 * MINUTE, "BundleMissing"),
    _cause("a codec crashes on films of one room", (41, 10), 20 * MINUTE, "DecodeWorkerDeaths"),
    _cause("a new bundle with a wrong hash", (48, 11), 2 * MINUTE, "ModelRefused"),
    _cause("a new bundle in order", (55, 11), 2 * MINUTE, ""),
    _cause("the disk of the audit log is full", (62, 10), 20 * MINUTE, f"AuditWriteFailures {BURNS}", 7 * HOUR),
    _cause("the PACS is away for three hours", (69, 9), 3 * HOUR, "PacsUnreachable SpoolWaits"),
    _cause("the analysis stands still", (76, 9), 1 * HOUR, "SpoolWaits"),
    _cause("the PACS refuses a film for good", (83, 9), 8 * DAY, "DeadLetters"),
    _cause("nobody tries the refused film again", (91, 9), 2 * MINUTE, "DeadLettersForgotten"),
    _cause("the receiver of webhooks is away", (97, 9), 2 * HOUR, "DestinationWaits"),
    _cause("the receiver refuses a message", (104, 9), 8 * DAY, "DestinationDeadLetters"),
    _cause("nobody sends the message again", (112, 9), 2 * MINUTE, "DestinationLettersForgotten"),
    _cause("the hospital's audit repository is away", (118, 9), 2 * HOUR, "AuditUnsent"),
    _cause("the DICOM listener is gone", (125, 9), 10 * MINUTE, "DimseDown"),
    _cause("a modality sends what is not accepted", (132, 9), 1 * HOUR, "DimseRefuses"),
    _cause("the challenger fails", (139, 9), 3 * HOUR, "ChallengerMisses"),
    _cause("memory leaks until a restart", (146, 0), 2 * DAY, "MemoryHigh"),
    _cause(
        "a flood from a migration",
        (153, 10),
        45 * MINUTE,
        f"{BURNS} QueueNearlyFull Shedding LatencyBurnFast LatencyBurnSlow PredictSlow",
        7 * HOUR,
    ),
    _cause(
        "another program takes the cores", (160, 9), 1 * HOUR, "LatencyBurnFast LatencyBurnSlow PredictSlow", 7 * HOUR
    ),
    _cause(
        "a modality is swapped: other films for three weeks",
        (190, 8),
        21 * DAY,
        "Drift PositiveRateShift AbstentionShift",
        8 * DAY,
    ),
    _cause("no verdicts arrive for 25 days", (230, 0), 25 * DAY, "VerdictsStale"),
    _cause("the network misses pneumonia", (280, 8), 60 * DAY, "StopEvidence Suspended", 9 * DAY),
)
