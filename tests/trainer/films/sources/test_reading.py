"""The films that a source names: read once, attributed to patients whose ids go nowhere, or a message that lists the
bad ones."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_classes, write_kermany
from tests.imaging.files import dicom_bytes, dicom_dataset


def write_dicom(path: Path, *, seed: int, **attributes: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(dicom_dataset(unlike(32, seed=seed), **attributes)))


def test_a_kermany_folder_gives_classes_splits_and_patients(kermany_like) -> None:
    index = indexed(kermany_like)

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
        ("train_person12_virus_3.jpeg", "person12", "person12_virus"),
        ("PNEUMONIA-person12_bacteria_3.jpeg", "person12", "person12_bacteria"),
        ("val_NORMAL2-IM-0246-0001.jpeg", "NORMAL2-IM-0246", "NORMAL2-IM-0246"),
        ("BACTERIA-1234567-0001.jpeg", "1234567", "1234567"),
    ],
)
def test_the_patient_is_read_from_kermany_names_and_any_other_film_stands_for_itself(
    tmp_path, name, patient, numbered_patient
) -> None:
    write_classes(tmp_path, {"A": 0, "B": 1})
    (tmp_path / "A" / name).write_bytes(encode(unlike(32, seed=99)))

    film = indexed(tmp_path).films[0]

    assert (film.patient, film.numbered_patient) == (patient, numbered_patient)


def test_an_index_is_the_same_wherever_the_folder_lies(tmp_path, kermany_like) -> None:
    copy = shutil.copytree(kermany_like, tmp_path / "copy")

    assert [(film.patient, film.sha256) for film in indexed(copy).films] == [
        (film.patient, film.sha256) for film in indexed(kermany_like).films
    ]


def test_a_validation_set_too_small_to_decide_anything_becomes_part_of_train(tmp_path) -> None:
    index = indexed(write_kermany(tmp_path, patients=3, side=32, splits=("train", "val", "test")))

    assert index.counts == {"train": {"NORMAL": 12, "PNEUMONIA": 12}, "test": {"NORMAL": 6, "PNEUMONIA": 6}}
    assert index.notes == ("the 12 films given for val became part of train: fewer than 50 decide nothing",)


def test_a_validation_set_that_is_large_enough_stays(tmp_path) -> None:
    index = indexed(write_classes(tmp_path, {"train/A": 2, "train/B": 2, "val/A": 25, "val/B": 25}))

    assert index.counts["val"] == {"A": 25, "B": 25}


def test_films_are_known_by_content_whatever_their_extension_and_hidden_files_are_skipped(tmp_path) -> None:
    write_classes(tmp_path, {"A": 1, "B": 1})
    (tmp_path / "A" / "0.png").rename(tmp_path / "A" / "film")
    (tmp_path / "A" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")

    assert [film.path.name for film in indexed(tmp_path).films] == ["film", "0.png"]


def test_progress_counts_every_film_once(tmp_path) -> None:
    seen = []

    indexed(write_classes(tmp_path, {"A": 3, "B": 2}), progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_files_that_are_not_films_are_counted_and_the_first_ten_named(tmp_path) -> None:
    write_classes(tmp_path, {"A": 3, "B": 1})
    for number in range(12):
        (tmp_path / "A" / f"notes{number:02d}.txt").write_text("not a film")
    (tmp_path / "B" / "empty.jpeg").touch()

    with pytest.raises(TrainingDataError) as refused:
        indexed(tmp_path)
    message = str(refused.value)

    assert message.startswith("13 of 17 files cannot be read as films")
    assert "A/notes09.txt" in message
    assert "A/notes10.txt" not in message
    assert message.endswith("… and 3 more")


def test_unreadable_films_are_left_out_and_each_recorded_with_its_reason_when_asked(tmp_path) -> None:
    write_classes(tmp_path, {"A": 3, "B": 2})
    (tmp_path / "A" / "notes.txt").write_text("not a film")
    (tmp_path / "B" / "empty.png").touch()

    index = indexed(tmp_path, skip_unreadable=True)

    assert index.counts == {None: {"A": 3, "B": 2}}
    assert index.notes == ("skipped 2 unreadable films",)
    assert [line.split(": ")[:2] for line in index.dropped] == [
        ["A/notes.txt", "unreadable"],
        ["B/empty.png", "unreadable"],
    ]
    assert "the file is empty" in index.dropped[1]


NOT_UTF8 = b"caf\xe9.png"


def _misnamed(root: Path, name: bytes) -> None:
    write_classes(root, {"A": 3, "B": 2})
    place = os.fsencode(root / "A") + b"/" + name
    try:
        os.rename(root / "A" / "2.png", place)  # noqa: PTH104 - pathlib has no bytes
    except OSError:
        pytest.skip("the file system takes only names in UTF-8")


@pytest.mark.parametrize(
    ("name", "shown"), [(NOT_UTF8, r"A/caf\\xe9\.png"), (b"a\rb.png", r"A/a\\rb\.png"), (b"a\nb.png", r"A/a\\nb\.png")]
)
def test_names_that_no_record_can_hold_are_refused_in_one_sentence_or_left_out(tmp_path, name, shown) -> None:
    _misnamed(tmp_path, name)

    with pytest.raises(TrainingDataError, match=rf"1 of 5 files have names that are not UTF-8 .*convmv.*\n  {shown}$"):
        indexed(tmp_path)
    index = indexed(tmp_path, skip_unreadable=True)

    assert index.counts == {None: {"A": 2, "B": 2}}
    assert re.match(shown, index.dropped[0])
    index.dropped[0].encode()


def test_a_class_whose_films_are_all_unreadable_is_refused_even_when_they_are_skipped(tmp_path) -> None:
    write_classes(tmp_path, {"A": 2, "B": 0})
    (tmp_path / "B" / "empty.png").touch()

    with pytest.raises(TrainingDataError, match="class B has no film in the data"):
        indexed(tmp_path, skip_unreadable=True)


def test_data_without_one_readable_film_is_refused_with_its_list(tmp_path) -> None:
    for label in "AB":
        (tmp_path / label).mkdir()
        (tmp_path / label / "notes.txt").write_text("not a film")

    with pytest.raises(TrainingDataError, match="2 of 2 files cannot be read"):
        indexed(tmp_path, skip_unreadable=True)


def test_a_file_that_cannot_be_opened_is_named(tmp_path) -> None:
    write_classes(tmp_path, {"A": 1, "B": 1})
    (tmp_path / "B" / "gone.png").symlink_to(tmp_path / "nowhere")

    with pytest.raises(TrainingDataError, match=r"1 of 3 files .*\n  B/gone\.png: .*No such file"):
        indexed(tmp_path)


def test_the_patient_of_dicom_films_is_their_patient_id_which_is_not_kept(tmp_path) -> None:
    for number, (label, patient) in enumerate([("A", "778-1"), ("A", "778-2"), ("B", "778-1"), ("B", None)]):
        write_dicom(tmp_path / label / f"{number}.dcm", seed=number, PatientID=patient)
    (tmp_path / "B" / "9.png").write_bytes(encode(unlike(32, seed=9), ".png"))

    index = indexed(tmp_path)

    assert [film.patient for film in index.films] == ["A/0.dcm", "A/1.dcm", "A/0.dcm", "B/3.dcm", "B/9.png"]
    assert "778" not in repr(index)
    assert index.patients.patients == {"DICOM PatientID": 3}
    assert index.patients.unknown == 2


def test_a_patient_id_counts_for_more_than_a_name_like_kermanys(tmp_path) -> None:
    for label, patient in (("A", "one"), ("B", "two")):
        write_dicom(tmp_path / label / f"person7_virus_{label}1.dcm", seed=ord(label), PatientID=patient)
    for label, kind in (("A", "virus"), ("B", "bacteria")):
        write_dicom(tmp_path / label / f"person8_{kind}_1.dcm", seed=3 * ord(label), PatientID="three")

    films = indexed(tmp_path).films

    assert len({film.patient for film in films}) == 3
    assert [film.numbered_patient for film in films] == [film.patient for film in films]


def test_the_attributes_of_dicom_films_are_known(tmp_path) -> None:
    write_dicom(tmp_path / "A" / "0.dcm", seed=0, PatientSex="F", PatientAge="034Y", ViewPosition="PA")
    write_dicom(tmp_path / "B" / "0.dcm", seed=1, ViewPosition="AP")

    assert [dict(film.attributes) for film in indexed(tmp_path).films] == [
        {"sex": "F", "age": "34", "view": "PA"},
        {"view": "AP"},
    ]


@pytest.mark.real_data
def test_the_real_set_has_the_published_counts(real_films) -> None:
    index = indexed(real_films / "kermany224")

    assert index.counts == {
        "train": {"NORMAL": 1349, "PNEUMONIA": 3883},
        "test": {"NORMAL": 234, "PNEUMONIA": 390},
    }
    assert len({film.patient for film in index.films}) == 3118
    assert len({film.numbered_patient for film in index.films}) == 4097


@pytest.mark.real_data
def test_real_dicom_films_are_read(real_films, tmp_path) -> None:
    for label, name in (("A", "966_fixed.dcm"), ("B", "rsna_cr_chest_monochrome2_jpeg.dcm")):
        (tmp_path / label).mkdir()
        shutil.copy(real_films / "dicom" / name, tmp_path / label / name)

    films = indexed(tmp_path).films

    assert Counter(film.label for film in films) == {"A": 1, "B": 1}
    assert all(film.patient == f"{film.label}/{film.path.name}" for film in films)
    assert all(film.attributes for film in films)
