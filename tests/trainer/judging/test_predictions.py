"""Rules of the table of answers: the service's decisions, and nothing that names a patient."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, LogitScaling, OperatingPoint
from schemas.model.trial import TrialRecord
from trainer.films.film import Film
from trainer.films.marks import Marks, text_of
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


def test_findings_have_a_decision_each_and_the_film_lists_those_that_are_called() -> None:
    findings = ("Effusion", "Mass")
    points = tuple(
        OperatingPoint(
            finding=name, threshold=0.5, target_sensitivity=0.9, sensitivity=NONE, specificity=NONE, data="v"
        )
        for name in findings
    )
    calibration = Calibration(
        temperature=1,
        scaling={name: LogitScaling(slope=1, offset=0) for name in findings},
        operating_points=points,
        conformal=ConformalQuantiles(
            alpha=0.1, quantiles=dict.fromkeys(findings, 0.4), absent=dict.fromkeys(findings, 0.3)
        ),
        out_of_distribution=None,
        data="v",
    )
    fields: dict[str, Any] = {
        "classes": findings,
        "negative_class": None,
        "activation": "sigmoid",
        "calibration": calibration,
    }
    record = TrialRecord.model_construct(**fields)
    marks: tuple[Marks, ...] = ({"Effusion": "present", "Mass": "unknown"}, {"Effusion": "absent", "Mass": "absent"})
    films = [Film(Path(f"{n}.png"), text_of(one), "p", "val", f"{n}" * 64, marks=one) for n, one in enumerate(marks)]
    logits = np.array([[3.0, 2.0], [-3.0, -0.3]], np.float32)
    outputs = SavedOutputs(np.array(["0", "1"]), np.array(["p", "p"]), np.array([[1, np.nan], [0, 0]]), logits)

    rows = list(csv.DictReader(io.StringIO(prediction_table(record, "validation", outputs, films))))

    assert [row["truth"] for row in rows] == ["Effusion|Mass (unknown)", "no finding"]
    assert [row["label"] for row in rows] == ["Effusion|Mass", "no finding"]
    assert [row["decision"] for row in rows] == ["positive", "abstain"]
    assert [row["decision Mass"] for row in rows] == ["positive", "abstain"]
    assert [row["decision Effusion"] for row in rows] == ["positive", "negative"]
    assert [row["set"] for row in rows] == ["Effusion|Mass", ""]
    assert rows[0]["probability Mass"] == "0.880797"
