"""Other renditions of films: found by name, checked by their pixels, drawn by training."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.phantom import phantom
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from tests.films import indexed
from trainer.films.cache import prepared_films
from trainer.films.copies.renditions import Renditions, read_renditions
from trainer.films.dataset import prepare_dataset
from trainer.films.film import Film
from trainer.films.options import DataOptions
from trainer.films.task import LabelledFilms
from trainer.folder import RunFolder

SPEC = PreprocessSpec(size=64)


@pytest.fixture
def films(tmp_path: Path) -> tuple[Film, ...]:
    """Six films of 64 pixels; the last two have larger renditions in another folder."""
    for number in range(6):
        folder = tmp_path / "films" / ("AB"[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        picture = phantom(256, 200, seed=number)
        cv2.imwrite(str(folder / f"p{number}.png"), cv2.resize(picture, (64, 64)))
        if number >= 4:
            (tmp_path / "large").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / "large" / f"p{number}.jpg"), picture)
    return tuple(sorted(indexed(tmp_path / "films").films, key=lambda film: film.path.name))


def found(films: tuple[Film, ...], tmp_path: Path) -> Renditions:
    prepared = prepared_films(films, SPEC, tmp_path / "cache")
    return read_renditions(films, prepared, tmp_path / "large", SPEC, tmp_path / "cache")


def test_renditions_are_found_by_their_names_whatever_the_ending(films, tmp_path) -> None:
    renditions = found(films, tmp_path)

    assert dict(renditions.of) == {4: 0, 5: 1}
    assert renditions.films.shape == (2, 1, 64, 64)


def test_training_draws_the_film_or_its_rendition_and_of_others_the_film(films, tmp_path) -> None:
    prepared = prepared_films(films, SPEC, tmp_path / "cache")
    renditions = found(films, tmp_path)
    labelled = LabelledFilms(prepared, np.zeros(6, np.int64), 2, renditions=renditions)

    assert np.array_equal(labelled.drawn(4, 0), prepared[4])
    assert np.array_equal(labelled.drawn(4, 1), renditions.films[0])
    assert np.array_equal(labelled.drawn(0, 1), prepared[0])


def test_a_file_that_shows_another_picture_is_named(films, tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "large" / "p4.jpg"), np.rot90(phantom(256, 200, seed=4)))
    with pytest.raises(TrainingDataError, match=r"1 files .* show another picture(.|\n)*p4\.jpg"):
        found(films, tmp_path)


def test_a_folder_without_any_of_the_films_and_two_files_of_one_name_are_refused(films, tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "large" / "p5.png"), phantom(256, 200, seed=5))
    with pytest.raises(TrainingDataError, match=r"have the name of another; keep one of each:(.|\n)*p5"):
        found(films, tmp_path)
    (tmp_path / "large" / "p5.png").unlink()
    with pytest.raises(TrainingDataError, match="so there are no renditions"):
        found(films[:4], tmp_path)


def test_only_films_that_train_have_renditions(tmp_path) -> None:
    for number in range(120):
        for folder in ("films/" + "AB"[number % 2], "large"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"p{number}.png"), phantom(64, 64, seed=number))
    options = DataOptions(
        path=str(tmp_path / "films"),
        cache=str(tmp_path / "cache"),
        renditions=str(tmp_path / "large"),
        val_fraction=0.45,
        test_fraction=0,
        near_duplicates=1,
        altered_copies="never",
    )
    (tmp_path / "run").mkdir()
    dataset = prepare_dataset(options, RunFolder(tmp_path / "run"))
    plain = dataset.prepared(dataset.films("val"), SPEC)
    train = dataset.prepared_for_training(dataset.films("train"), SPEC)

    assert plain.renditions is None
    assert train.renditions is not None
    assert len(train.renditions.of) == len(train.films) < 120
