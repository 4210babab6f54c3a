"""What the official test films are like: names taken apart, pixels measured, answers counted by stretch and series."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.official_split import Answers, Looked, alarm_rows, germ_rows, look, series_table
from trainer.films.film import Film, SplitName


def film(name: str, split: SplitName = "test") -> Film:
    return Film(Path(name), "any", name.split("_", maxsplit=1)[0], split, sha256=name)


def looked(name: str, number: int, contrast: float, split: SplitName = "test", series: str = "person, virus") -> Looked:
    return Looked(film(name, split), series, number, contrast, sharpness=-4.0)


@pytest.mark.parametrize(
    ("name", "series", "number"),
    [
        ("person12_virus_35.png", "person, virus", 12),
        ("person100_bacteria_475.png", "person, bacteria", 100),
        ("IM-0115-0001.png", "IM", 115),
        ("NORMAL2-IM-0246-0001-0002.png", "NORMAL2-IM", 246),
    ],
)
def test_a_films_name_tells_its_series_and_number_and_its_pixels_contrast_and_sharpness(
    tmp_path, name, series, number
) -> None:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:, 20:] = 255
    Image.fromarray(pixels).save(tmp_path / name)

    seen = look(film(str(tmp_path / name)))

    assert (seen.series, seen.number) == (series, number)
    assert seen.contrast == pytest.approx(0.5)
    # The edge answers ±1 in two of forty columns; the filter's mean is 0.
    assert seen.sharpness == pytest.approx(np.log(2 / 40))


def test_other_films_are_refused_by_name(tmp_path) -> None:
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "chest.png")

    with pytest.raises(SystemExit, match=r"chest\.png is not named as Kermany's films"):
        look(film(str(tmp_path / "chest.png")))


def test_series_are_counted_by_split_with_their_numbers_and_medians() -> None:
    films = [looked(f"person{number}_virus_1", number, 0.1 * number, split="val") for number in (1, 2, 4)]

    line = series_table([*films, looked("person9_virus_1", 9, 0.9)]).splitlines()[2]

    assert line == "| person, virus: val | 3 | 3 | 1 to 4 | -4.00 | 0.200 |"


def test_germs_are_told_apart_by_stretch_of_numbers_normal_films_left_out() -> None:
    numbers = [1, 2, 3, 4, 300, 301, 302]
    labels = [1, 1, 2, 2, 1, 2, 0]
    contrast = [0.1, 0.2, 0.3, 0.4, 0.9, 0.1, 0.5]
    films = tuple(looked(f"person{number}_x", number, value) for number, value in zip(numbers, contrast, strict=True))
    logits = np.zeros((7, 3), np.float32)
    logits[:, 2] = [4, 3, 2, 1, 0, 1, 9]

    rows = {row[0]: row for row in germ_rows("test", Answers(films, np.array(labels), {"network": logits}))}

    assert set(rows) == {"test, 0 to 1999", "test, 0 to 199", "test, 200 to 499"}
    assert rows["test, 0 to 1999"][1] == "3 + 3"
    counts, by_contrast, by_network = rows["test, 0 to 199"][1:]
    assert counts == "2 + 2"
    assert by_contrast.startswith("1.000 [")
    assert by_network.startswith("0.000 [")
    assert rows["test, 200 to 499"][2].startswith("0.000 [")


def test_false_alarms_are_counted_by_series_of_normal_films() -> None:
    names = ["IM", "IM", "NORMAL2-IM", "NORMAL2-IM", "person, virus"]
    films = tuple(looked(str(place), place, 0.2, series=name) for place, name in enumerate(names))
    logits = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]], np.float32)

    rows = list(alarm_rows("test", Answers(films, np.array([0, 0, 0, 0, 2]), {"one": logits, "two": -logits})))

    assert rows == [("test, IM", "2", "1", "1"), ("test, NORMAL2-IM", "2", "2", "0")]
