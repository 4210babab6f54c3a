"""Which findings are learned, and what missing and uncertain labels count as, is decided aloud."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import indexed, unlike, write_classes
from trainer.films.options import DataOptions

CELLS = ("1,0,,0.0", "0,1,-1,0", "1,1,u,0", ",,,1.0", "0,,1,0", "0,0,0,")


@pytest.fixture
def films(tmp_path) -> Path:
    """films/0.png to films/5.png."""
    return write_classes(tmp_path, {"films": 6})


def columns(folder: Path, *, head: str = "path,Edema,Mass,Nodule,No Finding") -> Path:
    path = folder / "films.csv"
    lines = [head, *(f"films/{number}.png,{cells}" for number, cells in enumerate(CELLS))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def labels(path: Path, **options) -> list[str]:
    return [film.label for film in indexed(path, findings=("Edema", "Mass", "Nodule"), **options).films]


def test_a_column_for_each_finding_is_read_with_what_is_missing_and_uncertain(films) -> None:
    index = indexed(columns(films), findings=("Edema", "mass", "Nodule"))

    assert index.classes == ("Edema", "Mass", "Nodule")
    assert [film.label for film in index.films] == [
        "Edema|Nodule (unknown)",
        "Mass|Nodule (unknown)",
        "Edema|Mass|Nodule (unknown)",
        "no finding",  # its column of no finding says so of the empty cells
        "Mass (unknown)|Nodule",
        "no finding",
    ]
    assert index.counts == {None: {"Edema": 2, "Mass": 2, "Nodule": 1}}
    assert "not known, and counted nowhere: Mass 1, Nodule 3" in index.notes
    assert "uncertain: Nodule 2: they are not learned, by data.uncertain" in index.notes


@pytest.mark.parametrize(
    ("uncertain", "second", "third"),
    [
        ("ignore", "Mass|Nodule (unknown)", "Edema|Mass|Nodule (unknown)"),
        ("positive", "Mass|Nodule", "Edema|Mass|Nodule"),
        ("negative", "Mass", "Edema|Mass"),
        ("soft", "Mass|Nodule (uncertain)", "Edema|Mass|Nodule (uncertain)"),
    ],
)
def test_an_uncertain_finding_counts_as_the_option_says(films, uncertain, second, third) -> None:
    assert labels(columns(films), uncertain=uncertain)[1:3] == [second, third]


def test_columns_of_marks_without_a_label_are_findings_of_themselves(tmp_path) -> None:
    write_classes(tmp_path, {"films": 200})
    lines = ["path,sex,age,patient,Edema,Mass,Hernia"]
    lines += [
        f"films/{number}.png,{'FM'[number % 2]},{number % 4 // 2},{number % 5 // 3},"
        f"{number % 2},{number % 3 % 2},{int(number < 9)}"
        for number in range(200)
    ]
    (tmp_path / "films.csv").write_text("\n".join(lines), encoding="utf-8")

    index = indexed(tmp_path / "films.csv")

    assert index.classes == ("Edema", "Mass")
    assert dict(index.films[0].attributes) == {"sex": "F", "age": "0"}
    assert any(note.startswith("task: findings, each judged by itself, because 37 films") for note in index.notes)
    assert any(
        note.startswith("findings that are not learned, with the films that have them: Hernia 9;")
        for note in index.notes
    )


def test_a_film_of_which_nothing_is_known_is_left_out_by_name(films) -> None:
    index = indexed(columns(films), findings=("Mass", "Nodule"))

    assert [film.path.name for film in index.films] == ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png"]

    index = indexed(columns(films, head="path,Edema,Mass,Nodule,score"), findings=("Mass", "Nodule"))

    assert index.dropped == ("films/3.png: none of the findings is known",)


def test_single_labels_are_findings_where_the_user_says_so(tmp_path) -> None:
    write_classes(tmp_path, {"Mass": 3, "Normal": 2, "Edema": 2})

    index = indexed(tmp_path, task="findings", findings=("Edema", "Mass"))

    assert index.task == "findings"
    assert index.counts == {None: {"Edema": 2, "Mass": 3}}
    assert [film.label for film in index.films].count("no finding") == 2
    assert "task: findings, each judged by itself, as data.task says" in index.notes


def test_a_word_for_no_finding_can_be_named(films) -> None:
    path = films / "films.csv"
    rows = ("A|B", "A", "B", "fine", "fine", "A")
    path.write_text("path,label\n" + "\n".join(f"films/{n}.png,{row}" for n, row in enumerate(rows)), encoding="utf-8")

    index = indexed(path, findings=("A", "B"), negative_class="Fine")

    assert [film.label for film in index.films] == ["A|B", "A", "B", "no finding", "no finding", "A"]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (("A|B", "A", "No Finding"), {}, "fewer than two findings .*the data has A .2., B .1.: name the findings"),
        (("A|B", "A", ""), {"findings": ("A", "C")}, "data.findings names C; the data has A, B"),
        (("A|B", "A|No Finding", ""), {}, r"1 films have a finding and no finding .*\n  films/1.png: A\|No Finding"),
        (("A|B", "A, B", ""), {}, r"1 films have several findings in one name, such as A, B; separate .*films/1.png"),
        (("A|B", "A|B", "A|B"), {"findings": ("A", "B")}, "finding A is known to be absent on no film in the data"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused_with_the_remedy(films, rows, options, message) -> None:
    path = films / "films.csv"
    lines = [f'films/{number}.png,"{row}"' for number, row in enumerate(rows)]
    path.write_text("path,label\n" + "\n".join(lines), encoding="utf-8")

    with pytest.raises(TrainingDataError, match=f"(?s){message}"):
        indexed(path, **options)


def test_a_cell_that_is_no_mark_is_refused(films) -> None:
    path = columns(films)
    path.write_text(path.read_text(encoding="utf-8").replace("0.png,1", "0.png,maybe"), encoding="utf-8")

    with pytest.raises(
        TrainingDataError, match=r"(?s)1 cells of findings .* none of 1, 0, -1, u or empty.*Edema: maybe"
    ):
        indexed(path, findings=("Edema", "Mass"))


def test_findings_and_classes_are_not_asked_for_together(films) -> None:
    with pytest.raises(ValueError, match="task=classes has none; leave one out"):
        DataOptions(path="films", task="classes", findings=("A", "B"))
    with pytest.raises(TrainingConfigError, match="kermany3 gives each film one class"):
        indexed(columns(films), findings=("Edema", "Mass"), classes="kermany3")


def chest(path: Path, count: int = 14) -> Path:
    """An archive as ChestMNIST's: 120 films to train, 60 to validate, 60 to test; finding k on film i if bit k is."""
    arrays: dict[str, Any] = {}
    for split, (films, seed) in {"train": (120, 0), "val": (60, 1000), "test": (60, 2000)}.items():
        arrays[f"{split}_images"] = np.stack([unlike(28, seed=seed + film) for film in range(films)])
        arrays[f"{split}_labels"] = np.random.default_rng(seed).integers(2, size=(films, count), dtype=np.uint8)
    np.savez(path, **arrays)
    return path


def test_an_archive_with_a_row_of_labels_has_findings_by_the_names_of_chest_mnist(tmp_path) -> None:
    index = indexed(chest(tmp_path / "chestmnist.npz"), cache=tmp_path / "cache")
    labels = np.load(tmp_path / "chestmnist.npz")["train_labels"]

    assert len(index.classes) == 14
    assert index.classes[:2] == ("atelectasis", "cardiomegaly")
    assert index.counts["train"]["hernia"] == labels[:, 13].sum()
    assert [film.marks["effusion"] == "present" for film in index.films[:120]] == (labels[:, 2] == 1).tolist()


def test_other_archives_of_findings_have_numbers_or_the_names_that_are_given(tmp_path) -> None:
    archive = chest(tmp_path / "films.npz", 3)

    assert indexed(archive, cache=tmp_path / "cache").classes == ("0", "1", "2")
    names = ("A", "B", "C")
    assert indexed(archive, cache=tmp_path / "cache", label_names=names).classes == names
    with pytest.raises(TrainingDataError, match=r"without data\.task=classes"):
        indexed(archive, cache=tmp_path / "cache", task="classes")
