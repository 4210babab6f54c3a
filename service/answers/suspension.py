"""What a suspended service answers: the film is analysed, and nothing is claimed about it."""

from dataclasses import dataclass

from schemas.api import Prediction
from schemas.monitoring import Suspension


@dataclass(slots=True)
class StopSwitch:
    """Whether the service is suspended; the surveillance sets it, every answer looks at it."""

    suspension: Suspension | None = None

    def applied(self, prediction: Prediction) -> Prediction:
        """The prediction as it is answered: withheld while the service is suspended."""
        return prediction if self.suspension is None else withheld_by(self.suspension, prediction)


def withheld_by(suspension: Suspension, prediction: Prediction) -> Prediction:
    """The prediction with every claim taken out; its probabilities stay, for those who look into the matter."""
    limit = suspension.limit
    return prediction.model_copy(
        update={
            "decision": "abstain",
            "abstention_reasons": ("suspended", *prediction.abstention_reasons),
            "confidence_band": "low",
            "findings": tuple(
                each.model_copy(update={"decision": "abstain", "confidence_band": "low"})
                for each in prediction.findings
            ),
            "recommendation": f"No answer: the service is suspended since {suspension.since:%Y-%m-%d %H:%M} UTC, as "
            f"the {limit.figure} of {limit.finding} fell below its limit of {limit.at_least:.1%} here. "
            "Have the film read by a radiologist.",
        }
    )
