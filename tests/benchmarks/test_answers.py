"""Decisions of a real server, counted by class: what is not answered is in no rate."""

from collections import Counter

import cv2
import numpy as np
import pytest

from benchmarks.answers import FLIPPED, Counts, counts, page, rates
from benchmarks.resilience.server import running
from bundle.opening import open_bundle
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from trainer.films.film import Film


def film(folder, gray, label):
    path = folder / f"{gray}.png"
    path.write_bytes(flat_film(gray))
    return Film(path, label, str(gray), "test", sha256=str(gray))


@pytest.mark.process
def test_the_servers_decisions_are_counted_by_class(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path / "models"))
    films = [film(tmp_path, 200, "PNEUMONIA"), film(tmp_path, 210, "NORMAL"), film(tmp_path, 60, "NORMAL")]
    with running(models_dir=tmp_path / "models") as server:
        ill, well = counts(server, bundle.manifest, "test", films)

    assert (ill.truth, ill.decisions) == ("PNEUMONIA", Counter(positive=1))
    assert (well.truth, well.decisions) == ("NORMAL", Counter(positive=1, negative=1))


def test_rates_are_of_what_is_answered_and_say_how_much_that_is() -> None:
    ill = Counts("test", "PNEUMONIA", Counter(positive=8, negative=2, undecided=6, unfamiliar=3, outside=1))
    well = Counts("test", "NORMAL", Counter(positive=1, negative=3, undecided=1))
    _, answered, sensitivity, specificity = rates(ill, well)

    assert ill.row()[2:7] == ("8", "2", "6", "3", "1")
    assert [cell.split()[0] for cell in (ill.row()[7], answered, sensitivity, specificity)] == [
        "0.500",
        "0.560",
        "0.800",
        "0.750",
    ]
    assert "| test | PNEUMONIA | 8 | 2 | 6 | 3 | 1 | 0.500" in page("tiny/1.0.0", [(ill, well)], [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("validation, mirrored", [[2, 1], [4, 3]]), ("validation, upside down", [[3, 4], [1, 2]])],
)
def test_a_film_is_flipped_as_it_is_called(tmp_path, name, expected) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(cv2.imencode(".png", np.array([[1, 2], [3, 4]], np.uint8))[1].tobytes())
    sent = FLIPPED[name](Film(path, "NORMAL", "p", "val", sha256="s"))

    assert cv2.imdecode(np.frombuffer(sent, np.uint8), cv2.IMREAD_GRAYSCALE).tolist() == expected
