"""A folder becomes films with labels, patients and hashes, or a message that says what is wrong with it."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from imaging.phantom import phantom
from schemas.errors import TrainingDataError
from tests.films import encode, write_kermany
from trainer.films import Film, data_sha256, index_films


def write_classes(root: Path, films: dict[str, int], *, extension: str = ".png") -> Path:
    """Folders `<class>/<number>.png` of that many different films each."""
    for seed, (folder, count) in enumerate(films.items()):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = phantom(32, 32, seed=1000 * seed + number)
            (root / folder / f"{number}{extension}").write_bytes(encode(pixels, extension))
    return root


def test_a_kermany_folder_gives_classes_splits_and_patients(kermany_like):
    index = index_films(kermany_like)

    assert index.classes == ("NORMAL", "PNEUMONIA")
    assert index.negative_class == "NORMAL"
    assert index.counts == {"train": {"NORMAL": 24, "PNEUMONIA": 24}, "test": {"NORMAL": 24, "PNEUMONIA": 24}}
    assert set(Counter(film.patient for film in index.films).values()) == {2}
    assert index.notes == ()


@pytest.mark.parametrize(
    ("name", "patient", "numbered_patient"),
    [
        ("person1000_bacteria_2931.jpeg", "person1000", "person1000_bacteria"),
        ("person1000_virus_1681.jpeg", "person1000", "person1000_virus"),
        ("person124_virus_3_4.jpeg", "person124", "person124_virus"),
        ("IM-0115-0001.jpeg", "IM-0115", "IM-0115"),
        ("IM-0115-0001-0002.jpeg", "IM-0115", "IM-0115"),
        ("NORMAL2-IM-0246-0001-0002.jpeg", "NORMAL2-IM-0246", "NORMAL2-IM-0246"),
        ("COVID-12.png", "A/COVID-12.png", "A/COVID-12.png"),
        ("someperson12_virus_1.png", "A/someperson12_virus_1.png", "A/someperson12_virus_1.png"),
    ],
)
def test_the_patient_is_read_from_kermany_names_and_any_other_film_stands_for_itself(
    tmp_path, name, patient, numbered_patient
):
    write_classes(tmp_path, {"A": 0, "B": 1})
    (tmp_path / "A" / name).write_bytes(encode(phantom(32, 32, seed=99)))

    film = index_films(tmp_path).films[0]

    assert (film.patient, film.numbered_patient) == (patient, numbered_patient)


def test_a_folder_without_splits_says_of_no_film_where_it_belongs(tmp_path):
    index = index_films(write_classes(tmp_path, {"TB": 3, "COVID": 2}))

    assert index.classes == ("COVID", "TB")
    assert index.counts == {None: {"COVID": 2, "TB": 3}}


@pytest.mark.parametrize(
    ("classes", "negative"),
    [
        (("COVID", "Normal", "TB"), "Normal"),
        (("No Finding", "TB"), "No Finding"),
        (("healthy", "sick"), "healthy"),
        (("COVID", "TB"), None),
        (("healthy", "normal"), None),
    ],
)
def test_the_negative_class_is_found_by_its_name_and_only_where_it_is_single(tmp_path, classes, negative):
    assert index_films(write_classes(tmp_path, dict.fromkeys(classes, 1))).negative_class == negative


def test_a_validation_set_too_small_to_decide_anything_becomes_part_of_train(tmp_path):
    index = index_films(write_kermany(tmp_path, patients=3, side=32, splits=("train", "val", "test")))

    assert index.counts == {"train": {"NORMAL": 12, "PNEUMONIA": 12}, "test": {"NORMAL": 6, "PNEUMONIA": 6}}
    assert index.notes == ("the val folder's 12 films became part of train: fewer than 50 decide nothing",)


def test_a_validation_set_that_is_large_enough_stays(tmp_path):
    index = index_films(write_classes(tmp_path, {"train/A": 2, "train/B": 2, "val/A": 25, "val/B": 25}))

    assert index.counts["val"] == {"A": 25, "B": 25}


def test_films_are_known_by_content_whatever_their_extension_and_hidden_files_are_skipped(tmp_path):
    write_classes(tmp_path, {"A": 1, "B": 1})
    (tmp_path / "A" / "0.png").rename(tmp_path / "A" / "film")
    (tmp_path / "A" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")

    assert [film.path.name for film in index_films(tmp_path).films] == ["film", "0.png"]


def test_the_data_hash_depends_on_content_and_labels_but_not_on_names_or_order(tmp_path):
    here, there = (write_classes(tmp_path / name, {"A": 2, "B": 2}) for name in ("here", "there"))
    (there / "A" / "0.png").rename(there / "A" / "9.png")
    films = index_films(here).films
    relabelled = [Film(film.path, "B", film.patient, film.split, film.sha256) for film in films]

    assert index_films(here).data_sha256 == index_films(there).data_sha256
    assert data_sha256(reversed(films)) == data_sha256(films)
    assert data_sha256(relabelled) != data_sha256(films)
    assert data_sha256(films[:-1]) != data_sha256(films)


def test_progress_counts_every_film_once(tmp_path):
    seen = []

    index_films(write_classes(tmp_path, {"A": 3, "B": 2}), progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(TrainingDataError, match="nowhere is not a folder"):
        index_films(tmp_path / "nowhere")


def test_an_empty_class_folder_is_refused_by_name(tmp_path):
    with pytest.raises(TrainingDataError, match="train/B holds no films"):
        index_films(write_classes(tmp_path, {"train/A": 1, "train/B": 0}))


@pytest.mark.parametrize(("films", "count"), [({"train/A": 2, "test/A": 2}, 1), ({"A": 2}, 1), ({}, 0)])
def test_fewer_than_two_classes_are_refused(tmp_path, films, count):
    with pytest.raises(TrainingDataError, match=f"has {count} class folders .* at least two"):
        index_films(write_classes(tmp_path, films))


@pytest.mark.parametrize("test_class", ["Pneumonia", "TB"])
def test_class_names_that_differ_between_the_splits_are_refused_with_both_lists(tmp_path, test_class):
    write_classes(tmp_path, {"train/NORMAL": 1, "train/PNEUMONIA": 1, "test/NORMAL": 1, f"test/{test_class}": 1})

    with pytest.raises(TrainingDataError, match=f"train has the classes NORMAL, PNEUMONIA, test has .*{test_class}"):
        index_films(tmp_path)


def test_a_split_without_a_class_is_refused(tmp_path):
    write_classes(tmp_path, {"train/A": 1, "train/B": 1, "test/A": 1})

    with pytest.raises(TrainingDataError, match="test has A; every split needs"):
        index_films(tmp_path)


def test_split_folders_without_train_are_refused(tmp_path):
    with pytest.raises(TrainingDataError, match="has test but no train"):
        index_films(write_classes(tmp_path, {"test/A": 1, "test/B": 1}))


def test_folders_beside_the_splits_are_ignored_and_noted(tmp_path):
    write_classes(tmp_path, {"train/A": 1, "train/B": 1, "__MACOSX/train": 1})

    assert index_films(tmp_path).notes == ("ignored beside train: __MACOSX",)


def test_folders_within_a_class_are_refused_because_they_may_hold_masks(tmp_path):
    with pytest.raises(TrainingDataError, match=r"holds films, not folders.*\n  A/masks/"):
        index_films(write_classes(tmp_path, {"A": 1, "A/masks": 1, "B": 1}))


def test_files_that_are_not_films_are_counted_and_the_first_ten_named(tmp_path):
    write_classes(tmp_path, {"A": 3, "B": 1})
    for number in range(12):
        (tmp_path / "A" / f"notes{number:02d}.txt").write_text("not a film")
    (tmp_path / "B" / "empty.jpeg").touch()

    with pytest.raises(TrainingDataError) as refused:
        index_films(tmp_path)
    message = str(refused.value)

    assert message.startswith("13 of 17 files cannot be read as films")
    assert "A/notes09.txt" in message
    assert "A/notes10.txt" not in message
    assert message.endswith("… and 3 more")


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    write_classes(tmp_path, {"A": 1, "B": 1})
    (tmp_path / "B" / "gone.png").symlink_to(tmp_path / "nowhere")

    with pytest.raises(TrainingDataError, match=r"1 of 3 files .*\n  B/gone\.png: .*No such file"):
        index_films(tmp_path)


@pytest.mark.real_data
def test_the_real_set_has_the_published_counts(real_films):
    index = index_films(real_films / "kermany224")

    assert index.counts == {
        "train": {"NORMAL": 1349, "PNEUMONIA": 3883},
        "test": {"NORMAL": 234, "PNEUMONIA": 390},
    }
    assert len({film.patient for film in index.films}) == 3118
    assert len({film.numbered_patient for film in index.films}) == 4097


def test_an_index_is_the_same_wherever_the_folder_lies(tmp_path, kermany_like):
    copy = shutil.copytree(kermany_like, tmp_path / "copy")

    assert [(film.patient, film.sha256) for film in index_films(copy).films] == [
        (film.patient, film.sha256) for film in index_films(kermany_like).films
    ]
