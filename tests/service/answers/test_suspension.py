"""What a suspended service answers."""

from datetime import UTC, datetime

from schemas.monitoring import StopLimit, Suspension
from service.answers.suspension import StopSwitch
from tests.service.results.films import film, several

STOP = Suspension(
    since=datetime(2026, 11, 29, 15, 39, tzinfo=UTC),
    limit=StopLimit(figure="specificity", finding="Effusion", at_least=0.9),
    bundle="tiny/1.0.0",
    films=30,
    wrong=9,
    evidence=50,
    needed=20,
    reason="too many",
    limits_sha256="1" * 64,
)


def test_nothing_is_claimed_and_the_reasons_that_there_were_stay() -> None:
    prediction = several(film(), abstention_reasons=("unfamiliar",), decision="abstain").prediction
    answered = StopSwitch(STOP).applied(prediction)

    assert answered.decision == "abstain"
    assert answered.abstention_reasons == ("suspended", "unfamiliar")
    assert {finding.decision for finding in answered.findings} == {"abstain"}
    assert {finding.confidence_band for finding in answered.findings} == {"low"} == {answered.confidence_band}
    assert answered.probabilities == prediction.probabilities
    assert "suspended since 2026-11-29 15:39 UTC, as the specificity of Effusion fell below its limit of 90.0%" in (
        answered.recommendation
    )


def test_a_service_that_is_not_suspended_answers_as_it_is() -> None:
    prediction = several(film()).prediction

    assert StopSwitch().applied(prediction) is prediction
