"""Rules of the table of answers: the service's decisions, and nothing that names a patient."""

from pathlib import Path
from typing import Any

import numpy as np

from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.judging.outputs import SavedOutputs
from trainer.judging.predictions import prediction_table

NONE = Estimate(value=0.9, low=0.8, high=1)
CLASSES = ("NORMAL", "PNEUMONIA")
FIELDS: dict[str, Any] = {
    "classes": CLASSES,
    "negative_class": "NORMAL",
    "calibration": Calibration(
        temperature=2,
        operating_points=(
            OperatingPoint(
                finding="PNEUMONIA", threshold=0.4, target_sensitivity=0.9, sensitivity=NONE, specificity=NONE, data="v"
            ),
        ),
        conformal=ConformalQuantiles(alpha=0.1, quantiles={"NORMAL": 0.3, "PNEUMONIA": 0.6}),
        out_of_distribution=None,
        data="v",
    ),
}
RECORD = TrialRecord.model_construct(**FIELDS)


def films(count: int) -> list[Film]:
    names = [Path(f"SMITH^JOHN/person{index}.jpeg") for index in range(count)]
    return [Film(name, "NORMAL", f"person{index}", None, sha256=f"{index:x}" * 64) for index, name in enumerate(names)]


def table(odds: list[float], *, unfamiliarity=None, spread=None) -> list[str]:
    saved = SavedOutputs(
        films=np.array([]),
        patients=np.array([]),
        labels=np.zeros(len(odds), np.int64),
        logits=np.array([[0.0, 2 * np.log(odd)] for odd in odds], np.float32),
        unfamiliarity=unfamiliarity,
        spread=spread,
    )
    return prediction_table(RECORD, "validation", saved, films(len(odds))).splitlines()


def test_a_row_holds_truth_probabilities_label_decision_and_set() -> None:
    lines = table([1 / 4, 4, 1])

    assert lines == [
        "film,split,truth,label,decision,set,familiar,spread,probability NORMAL,probability PNEUMONIA",
        "000000000000,validation,NORMAL,NORMAL,negative,NORMAL,,,0.800000,0.200000",
        "111111111111,validation,NORMAL,PNEUMONIA,positive,PNEUMONIA,,,0.200000,0.800000",
        "222222222222,validation,NORMAL,PNEUMONIA,positive,PNEUMONIA,,,0.500000,0.500000",
    ]


def test_an_unclear_and_an_unfamiliar_film_are_abstained_from() -> None:
    lines = table([1 / 3, 1 / 4, 1 / 4], unfamiliarity=np.array([0.5, 1.0, 1.01]), spread=np.array([0.1, 0, 0.25]))

    assert lines[1:] == [
        "000000000000,validation,NORMAL,NORMAL,negative,NORMAL,yes,0.100000,0.750000,0.250000",
        "111111111111,validation,NORMAL,NORMAL,negative,NORMAL,yes,0.000000,0.800000,0.200000",
        "222222222222,validation,NORMAL,NORMAL,abstain,NORMAL,no,0.250000,0.800000,0.200000",
    ]
    assert table([2 / 3])[1] == "000000000000,validation,NORMAL,PNEUMONIA,positive,PNEUMONIA,,,0.600000,0.400000"
    assert table([0.6])[1].split(",")[3:6] == ["NORMAL", "abstain", ""]
