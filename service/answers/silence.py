"""What a silent service answers those who may not see its trial; pure."""

from schemas.api import Prediction

_RECOMMENDATION = (
    "No answer: the service is silent, which is a trial without any effect on care. Have the film read as if the "
    "service were not there."
)
MARK = "SILENT TRIAL, not for care: "
"""Before the recommendation of an answer that a caller with the scope `trial` sees."""


def silenced(prediction: Prediction) -> Prediction:
    """The prediction without anything that the network found: it must not reach who treats the patient.

    The operating point stays: it is of the bundle, not of the film.
    """
    return Prediction(
        label="",
        probabilities={},
        decision="abstain",
        abstention_reasons=("silent",),
        prediction_set=(),
        operating_point=prediction.operating_point,
        calibrated=prediction.calibrated,
        confidence_band="low",
        in_distribution=None,
        out_of_distribution_score=None,
        recommendation=_RECOMMENDATION,
    )


def marked(prediction: Prediction) -> Prediction:
    """The prediction as those see it who judge the trial."""
    return prediction.model_copy(update={"recommendation": MARK + prediction.recommendation})
