"""Who sees what a silent service answers: callers with the scope `trial`, and they see that it is a trial."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from schemas.api import Mode, Prediction
from schemas.errors import SilentError
from service.answers.silence import marked, silenced
from service.http.authorization import caller_of
from service.http.current import services_in


@dataclass(frozen=True, slots=True)
class Audience:
    """What this caller may see."""

    mode: Mode
    sees_trial: bool

    def shown(self, prediction: Prediction) -> Prediction:
        """The prediction as this caller gets it."""
        if self.mode == "active":
            return prediction
        return marked(prediction) if self.sees_trial else silenced(prediction)

    def check(self) -> None:
        """Whether answers may be shown whole.

        Raises:
            SilentError: the service is silent, and the caller has not the scope `trial`.
        """
        if self.mode == "silent" and not self.sees_trial:
            msg = (
                "the service is silent (CXR_MODE): it shows what it finds to callers with the scope 'trial' alone, "
                "which this caller has not been given"
            )
            raise SilentError(msg)


def audience_of(request: Request) -> Audience:
    """What the caller of a route may see, whom its `Requires` has let in."""
    return Audience(services_in(request).mode, "trial" in caller_of(request).scopes)


async def _audience_of(request: Request) -> Audience:
    return audience_of(request)


CurrentAudience = Annotated[Audience, Depends(_audience_of)]
