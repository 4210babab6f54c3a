"""A film that was altered is recognised among films of others, and the gate treats it as the copy that it is."""

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmarks.alterations import ALTERATIONS, altered
from imaging.phantom import phantom
from schemas.errors import TrainingDataError
from tests.films import encode, indexed
from trainer.films.copies.marking import mark_altered
from trainer.films.copies.picture import SIDE
from trainer.films.copies.search import MOST_FILMS, find_altered_copies, search
from trainer.films.dataset import prepare_dataset
from trainer.films.film import Film, FilmIndex
from trainer.films.options import DataOptions
from trainer.folder import RunFolder

KINDS = tuple(ALTERATIONS)[:-2]
"""Those that the search is made for."""


def chest(seed, side=200):
    """A phantom with vessels of its own, at all scales: what tells the films of two patients apart."""
    random = np.random.default_rng(seed)
    film = phantom(side, side, seed=seed).astype(np.float64)
    for cells in (6, 12, 24, 48):
        pattern = random.normal(0, 14, (cells, cells))
        film += cv2.resize(pattern, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(film, 0, 255).astype(np.uint8)


def write(folder, contents):
    """Films of the contents, in files."""
    folder.mkdir(parents=True, exist_ok=True)
    films = []
    for number, data in enumerate(contents):
        path = folder / f"{number:03d}.jpeg"
        path.write_bytes(data)
        films.append(Film(path, "A", f"patient {number}", None, hashlib.sha256(data).hexdigest()))
    return films


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """For each kind a film and its altered copy, all in one search: the pairs by kind, and all other pairs."""
    folder = tmp_path_factory.mktemp("copies")
    chests = [chest(seed) for seed in range(len(KINDS))]
    copies = [altered(film, kind, seed) for seed, (film, kind) in enumerate(zip(chests, KINDS, strict=True))]
    films = write(folder / "films", [*(encode(film) for film in chests), *copies])
    pairs = set(find_altered_copies(films, folder / "cache").pairs)
    own = {(number, len(KINDS) + number): kind for number, kind in enumerate(KINDS)}
    return {own[pair] for pair in pairs if pair in own}, pairs - own.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_an_altered_copy_is_found(found, kind) -> None:
    assert kind in found[0]


def test_films_of_others_are_not_called_copies(found) -> None:
    assert found[1] == set()


def test_a_film_and_its_own_bytes_are_no_altered_copies(tmp_path) -> None:
    data = encode(chest(1))

    assert find_altered_copies(write(tmp_path / "films", [data, data]), tmp_path / "cache").pairs == ()


def test_what_was_found_is_kept_and_films_that_are_too_small_are_counted(tmp_path) -> None:
    small = encode(chest(3, side=SIDE - 1))
    films = write(tmp_path / "films", [encode(chest(1)), encode(chest(1)[:, ::-1]), small, small])
    calls = []

    first = find_altered_copies(films, tmp_path / "cache", lambda done, total: calls.append((done, total)))
    read_and_compared = list(calls)
    again = find_altered_copies(films, tmp_path / "cache", lambda done, total: calls.append((done, total)))

    assert first == again
    assert (first.pairs, first.too_small) == (((0, 1),), 2)
    assert read_and_compared == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 2), (2, 2)] == calls
    assert "1 pairs among 4 films, 2 of them too small, below 96 pixels" in first.in_words
    assert "turned by more than 20 degrees" in first.in_words


def test_many_films_are_compared_only_where_that_is_wanted(tmp_path) -> None:
    film = write(tmp_path / "films", [encode(chest(1))])[0]
    many = [replace(film, patient=str(number)) for number in range(MOST_FILMS + 1)]

    left_out = search(many, "auto", tmp_path / "cache")

    assert not left_out.searched
    assert "altered copies: not searched (20,001 films; data.altered_copies=always does" in left_out.in_words
    assert not search([film], "never", tmp_path / "cache").searched
    assert search([film], "always", tmp_path / "cache").searched


def test_a_copy_of_a_copy_is_marked_with_the_first_film_of_test(tmp_path) -> None:
    film = chest(5)
    contents = [encode(film[:, ::-1]), encode(film), encode(255 - film), encode(chest(6))]
    films = [
        replace(each, split=split, label=label)
        for each, split, label in zip(
            write(tmp_path / "films", contents), ("train", "test", "train", "train"), "AABB", strict=True
        )
    ]

    marked = mark_altered(FilmIndex(tmp_path, tuple(films), ("A", "B")), tmp_path / "cache", "auto")

    assert [each.content for each in marked.films] == [films[1].sha256] * 3 + [films[3].sha256]
    assert marked.notes[0].endswith("pairs of films show one film, cut, moved, turned, mirrored or changed otherwise")
    assert "lie under two labels" in marked.notes[1]


@pytest.mark.parametrize(("known", "marked"), [(True, 0), (False, 1)])
def test_films_of_one_known_patient_are_not_called_copies_of_each_other(tmp_path, known, marked) -> None:
    films = write(tmp_path / "films", [encode(chest(5)), encode(chest(5)[:, ::-1])])
    of_one = tuple(replace(film, patient="1", patient_known=known) for film in films)

    index = mark_altered(FilmIndex(tmp_path, of_one, ("A", "B")), tmp_path / "cache", "auto")

    assert sum(film.copy_of != "" for film in index.films) == marked
    assert any("of one patient are as alike" in note for note in index.notes) is known


@pytest.fixture
def folder(tmp_path):
    """Train and test films of two classes; one of train is a mirrored film of test."""
    for split, first in (("train", 0), ("test", 100)):
        for place, label in enumerate(("NORMAL", "PNEUMONIA")):
            (tmp_path / "films" / split / label).mkdir(parents=True)
            for number in range(12):
                film = chest(first + 50 * place + number)
                (tmp_path / "films" / split / label / f"{split}{number}{label}.png").write_bytes(encode(film, ".png"))
    (tmp_path / "films" / "train" / "NORMAL" / "mirrored.png").write_bytes(encode(chest(100)[:, ::-1], ".png"))
    return tmp_path / "films"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def options(folder, **chosen):
    return DataOptions(path=str(folder), cache=str(folder.parent / "cache"), **chosen)


def test_an_altered_copy_in_train_and_test_stops_the_run(folder, run) -> None:
    with pytest.raises(TrainingDataError, match=r"near copy: .*mirrored\.png"):
        prepare_dataset(options(folder), run)


def test_an_altered_copy_is_dropped_from_train_where_that_is_wanted(folder, run) -> None:
    record = prepare_dataset(options(folder, on_duplicates="drop"), run).record

    assert len(record.dropped) == 1
    assert "mirrored.png: copy of test/NORMAL/test0NORMAL.png" in record.dropped[0]
    assert record.altered_copies in record.sentences
    assert record.altered_copies.startswith("altered copies: 1 pairs among 49 films; copies that lost a fifth at each")


def test_a_run_that_looks_for_none_says_so(folder, run) -> None:
    record = prepare_dataset(options(folder, altered_copies="never"), run).record

    assert record.altered_copies.startswith("altered copies: not searched (49 films")


def test_altered_copies_stay_in_one_split_where_the_trainer_draws_it(tmp_path, run) -> None:
    for place, label in enumerate(("NORMAL", "PNEUMONIA")):
        (tmp_path / "films" / label).mkdir(parents=True)
        for number in range(20):
            film = chest(50 * place + number)
            (tmp_path / "films" / label / f"{number}.png").write_bytes(encode(film, ".png"))
            (tmp_path / "films" / label / f"{number} turned.png").write_bytes(encode(np.rot90(film), ".png"))

    dataset = prepare_dataset(options(tmp_path / "films"), run)

    splits = {}
    for film in dataset.split.films:
        splits.setdefault(film.content, set()).add(film.split)
    assert len(splits) == 40
    assert all(len(places) == 1 for places in splits.values())


def test_the_index_of_a_folder_is_not_searched_by_itself(folder) -> None:
    assert indexed(folder).altered_copies == ""
