"""Settings of a trial: whether the service is silent, and which bundle challenges the one that serves."""

from typing import Annotated, Final

from pydantic import Field

from schemas.api import Mode
from service.settings.models import Choice
from service.settings.section import Section

MODE_HEADER: Final = "X-CXR-Mode"
"""On every answer of a silent service."""


class TrialSettings(Section):
    """Trials on a hospital's own films: a silent service, a bundle that reads along."""

    mode: Mode = Field(
        default="active",
        description="silent: films are analysed and results stored, nothing is delivered to the PACS, and callers see "
        "no answer unless their key has the scope `trial`",
    )
    challenger: Choice | None = Field(
        default=None,
        description="a second bundle, `name` or `name/version`, that reads the films of DICOMweb at the lowest "
        "priority; its answers are stored and compared, and never delivered; default: none",
    )
    challenger_queue: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=256,
        description="films that wait for the challenger, each with the network's input in memory (200 KB at 224 "
        "pixels); it does not read those beyond",
    )
    promotion_films: Annotated[int, Field(ge=10, le=100_000)] = Field(
        default=200,
        description="the rule of promotion looks at the films with the first so many verdicts of each side: with the "
        "finding, and without it",
    )
    promotion_margin: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.05,
        description="by how much the challenger's sensitivity, specificity and AUROC may be lower, at most, by the "
        "95 % interval of the paired difference",
    )
