"""Heat maps of a trained trial, drawn for a reader and measured, on its validation films alone."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from biostatistics.intervals import mean_estimate
from bundle.files import write_whole
from schemas.estimate import Estimate
from schemas.record import Record
from trainer.folder import RunFolder
from trainer.heat_maps import sheets
from trainer.heat_maps.attention import (
    FRAME_AREA,
    border_shares,
    centers_of_mass,
    consistency,
    looks_at_the_border,
    with_heat,
)
from trainer.heat_maps.explained_films import ExplainedFilms, read_explained_films
from trainer.heat_maps.faithfulness import STEPS, ExplainedNetwork, Faithfulness, area, insertion_deletion

MAPS_PER_CLASS = 100
JUDGED_FILMS = 60
_FEWEST = 10  # maps; of fewer no interval is to be believed


class Sheet(Record):
    """One picture in the folder of the record."""

    title: str
    caption: str
    file: str = Field(description="PNG in the report's folder")


class ClassAttention(Record):
    """The maps of one class over films of that class, one film a patient, in the square that the network sees.

    Figures are null where fewer than ten maps have heat.
    """

    name: str
    films: int = Field(description="maps with heat")
    empty: int = Field(description="maps without any heat, which count nowhere else")
    center_of_mass: tuple[Estimate, Estimate] | None = Field(description="mean x and y in [0, 1] from the top left")
    consistency: Estimate | None = Field(description="mean correlation of the maps of two films, in [-1, 1]")
    border_share: Estimate | None = Field(description="mean share of a map's mass in the outer tenth of the film")
    shortcut_alarm: bool = Field(description="the whole interval of border_share lies above the border's area")


class ExplanationReport(Record):
    """What the heat maps of a trial show."""

    trial: str
    method: str
    data: str
    classes: tuple[ClassAttention, ...]
    border_area: float = Field(description="share of the film that its outer tenth covers")
    shortcut_alarm: bool = Field(description="the alarm of any class")
    judged_films: int = Field(description="films of insertion and deletion, one a patient")
    insertion: Estimate = Field(description="area under the probability while pixels are given, hottest first")
    deletion: Estimate = Field(description="area under the probability while pixels are taken, hottest first")
    insertion_deletion_gap: Estimate = Field(
        description="insertion less deletion, less the same of a random order; 0: the maps mark nothing"
    )
    sheets: tuple[Sheet, ...]


def write_explanations(folder: RunFolder, trial: str, *, films_per_class: int = 4) -> ExplanationReport:
    """Explain a trial's answers on validation films and write `explanations/<trial>/` in the run's folder.

    Sheets show, for each class, correct, wrong and borderline films, each next to its map for the
    class that it was called; the mean map over the mean film; and where the maps' centres lie.

    Args:
        folder: of the run.
        trial: name of the trial's folder.
        films_per_class: films of each kind on a sheet.

    Raises:
        TrainingDataError: the trial has not ended, or its films cannot be read.
    """
    target = folder.explanations(trial)
    target.make()
    explained = read_explained_films(folder.trial(trial))
    attention, drawn = _explain_classes(explained, films_per_class)
    faithfulness = _faithfulness(explained)
    drawn.append(_curve_sheet(faithfulness))
    for sheet, png in drawn:
        write_whole(target.sheet(sheet.file), png)
    report = ExplanationReport(
        trial=trial,
        method="Grad-CAM",
        data=explained.data,
        classes=tuple(attention),
        border_area=FRAME_AREA,
        shortcut_alarm=any(row.shortcut_alarm for row in attention),
        judged_films=len(faithfulness.gaps),
        insertion=mean_estimate(area(faithfulness.insertion)),
        deletion=mean_estimate(area(faithfulness.deletion)),
        insertion_deletion_gap=mean_estimate(faithfulness.gaps),
        sheets=tuple(sheet for sheet, _ in drawn),
    )
    write_whole(target.record, report.model_dump_json(indent=2).encode())
    return report


def _explain_classes(
    explained: ExplainedFilms, films_per_class: int
) -> tuple[list[ClassAttention], list[tuple[Sheet, bytes]]]:
    attention = []
    drawn = []
    for index, name in enumerate(explained.classes):
        chosen = explained.of_patients(index, MAPS_PER_CLASS)
        maps = with_heat(explained.maps(chosen, np.full(len(chosen), index)))
        attention.append(_attention(name, maps, len(chosen)))
        drawn += _class_sheets(explained, index, chosen, maps, films_per_class)
    return attention, drawn


def _attention(name: str, maps: NDArray[np.float64], judged: int) -> ClassAttention:
    enough = len(maps) >= _FEWEST
    centers = centers_of_mass(maps)
    share = mean_estimate(border_shares(maps)) if enough else None
    return ClassAttention(
        name=name,
        films=len(maps),
        empty=judged - len(maps),
        center_of_mass=(mean_estimate(centers[:, 0]), mean_estimate(centers[:, 1])) if enough else None,
        consistency=consistency(maps) if enough else None,
        border_share=share,
        shortcut_alarm=share is not None and looks_at_the_border(share),
    )


def _class_sheets(
    explained: ExplainedFilms, index: int, chosen: NDArray[np.intp], maps: NDArray[np.float64], count: int
) -> list[tuple[Sheet, bytes]]:
    name = explained.classes[index]
    rows = {kind: explained.panels(films, index) for kind, films in explained.kinds(index, count).items()}
    shown = Sheet(
        title=f"{name}: films and their heat maps",
        caption=f"Validation films of {name}, each next to its Grad-CAM for {explained.what_is_explained}, with the "
        "calibrated probability of that. Correct: evenly spaced from the surest to the least sure. Wrong: the "
        "surest first. Borderline: nearest to a threshold. Heat maps show what moved the answer, not where disease is.",
        file=f"class{index}-films.png",
    )
    drawn = [(shown, sheets.film_sheet(f"Truth: {name}", rows))]
    if len(maps):
        mean_film = np.asarray(explained.films[chosen, 0].mean(axis=0), np.float32)
        place = Sheet(
            title=f"{name}: where the heat lies",
            caption=f"Mean of {len(chosen)} films of {name} (one a patient), mean of their {len(maps)} Grad-CAMs for "
            f"{name} that have heat, and the centre of mass of each. Outside the dashed line lies the outer "
            "tenth of the film.",
            file=f"class{index}-attention.png",
        )
        drawn.append((place, sheets.attention_sheet(mean_film, maps, centers_of_mass(maps))))
    return drawn


def _faithfulness(explained: ExplainedFilms) -> Faithfulness:
    """The curves of the same number of films of each class; a map without heat has no gap."""
    share = max(1, JUDGED_FILMS // len(explained.classes))
    by_class = [explained.of_patients(index, share) for index in range(len(explained.classes))]
    chosen = np.concatenate(by_class)
    targets = np.concatenate([explained.explained(index, films) for index, films in enumerate(by_class)])
    maps = explained.maps(chosen, targets)
    network = ExplainedNetwork(explained.network, explained.probabilities_of)
    return insertion_deletion(network, explained.films[chosen], maps, targets)


def _curve_sheet(faithfulness: Faithfulness) -> tuple[Sheet, bytes]:
    sheet = Sheet(
        title="Insertion and deletion",
        caption=f"Mean probability of what is explained of {len(faithfulness.gaps)} films while pixels are given to a "
        f"blurred film (insertion) or taken away (deletion) in {STEPS} steps, hottest first, and in a random order. "
        "Where maps mark what the network needs, insertion rises and deletion falls earlier than at random.",
        file="insertion-deletion.png",
    )
    return sheet, sheets.curve_sheet(faithfulness)
