"""The worst mistakes are wrong labels in which the network was surest; films that are gone have no picture."""

import cv2
import numpy as np
import pytest

from bundle.files import sha256_of
from imaging.phantom import phantom
from schemas.model.decision import finding_label, softmax
from schemas.preprocess import PreprocessSpec
from tests.films import encode
from tests.runs import write_run
from trainer.films.film import Film
from trainer.folder import RunFolder
from trainer.report.mistakes import JudgedFilm, borderline, is_nearly_black, judged_films, thumbnails, worst
from trainer.report.records import read_run


def _film(path: str, truth: str, label: str, probability: float) -> JudgedFilm:
    return JudgedFilm(path, truth, label, {"NORMAL": 1 - probability, "PNEUMONIA": probability})


@pytest.fixture
def films():
    return (
        _film("right", "PNEUMONIA", "PNEUMONIA", 0.99),
        _film("missed", "PNEUMONIA", "NORMAL", 0.02),
        _film("called", "NORMAL", "PNEUMONIA", 0.9),
        _film("called, unsure", "NORMAL", "PNEUMONIA", 0.25),
    )


def test_the_worst_are_the_wrong_ones_with_the_least_probability_for_the_truth(films) -> None:
    assert [film.path for film in worst(films, 2)] == ["missed", "called"]
    assert [film.path for film in worst(films, 9)] == ["missed", "called", "called, unsure"]


def test_borderline_are_those_nearest_to_the_threshold_right_or_wrong(films) -> None:
    assert [film.path for film in borderline(films, {"PNEUMONIA": 0.2}, 2)] == ["called, unsure", "missed"]
    assert borderline(films, {"PNEUMONIA": 0.98}, 1)[0].path == "right"


def test_a_film_is_judged_by_the_calibrated_probabilities_at_the_operating_point(tmp_path) -> None:
    winner = read_run(RunFolder(write_run(tmp_path / "run"))).winner
    outputs = winner.outputs["test"]
    calibration = winner.record.calibration
    row = softmax(outputs.logits[17], calibration.temperature)

    film = judged_films(outputs, winner.record)[17]

    assert film.path == "test/017.png"
    assert film.truth == "PNEUMONIA"
    assert film.label == finding_label(row, winner.record.classes, "NORMAL", calibration.operating_points)
    assert film.probabilities["PNEUMONIA"] == pytest.approx(row[1])


def test_a_picture_of_twelve_bits_in_a_range_of_sixteen_is_nearly_black() -> None:
    film = phantom(48, 64, seed=1)

    assert not is_nearly_black(encode(film, ".png"))
    assert is_nearly_black(encode(film // 16, ".png"))


def test_a_thumbnail_is_the_film_as_the_network_sees_it_and_a_missing_film_has_none(tmp_path) -> None:
    pixels = phantom(48, 64, seed=1)
    (tmp_path / "there.png").write_bytes(encode(pixels, ".png"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "changed.png").write_bytes(encode(pixels[::-1], ".png"))
    names = ("there.png", "changed.png", "broken.png", "gone.png")
    indexed = dict.fromkeys(names, "0" * 64) | {"there.png": sha256_of(tmp_path / "there.png")}
    films = {name: Film(tmp_path / name, "NORMAL", name, "val", indexed[name]) for name in names}

    pictures = thumbnails([*names, "never of the run.png"], films, PreprocessSpec(size=32))

    assert list(pictures) == ["there.png"]
    shown = cv2.imdecode(np.frombuffer(pictures["there.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    expected = cv2.resize(pixels.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    assert shown.shape == (32, 32)
    assert np.abs(shown - expected).max() <= 1
