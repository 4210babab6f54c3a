"""A CSV of films is read whole, or its faults are listed."""

from pathlib import Path

import pytest

from schemas.errors import TrainingDataError
from tests.films import indexed, write_classes


@pytest.fixture
def films(tmp_path) -> Path:
    """Films 0.png, 1.png, … in a/ and b/."""
    return write_classes(tmp_path, {"a": 3, "b": 3})


def table(folder: Path, *lines: str) -> Path:
    path = folder / "films.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_films_labels_patients_splits_and_attributes_are_read(films) -> None:
    path = table(
        films,
        "path,label,patient,split,sex,hospital",
        "a/0.png,TB,MRN-1,train,F,north",
        'b/0.png,"NORMAL",MRN-2,train,,"south, new"',
        "a/1.png,TB,MRN-3,test,M,north",
        " b/1.png , NORMAL , MRN-4 , test ,,",
        "",
        "a/2.png,TB,MRN-1,train,F,north",
        "b/2.png,NORMAL,,train,,",
    )

    index = indexed(path)

    assert index.root == films
    assert index.classes == ("NORMAL", "TB")
    assert index.counts == {"train": {"NORMAL": 2, "TB": 2}, "test": {"NORMAL": 1, "TB": 1}}
    assert [film.patient for film in index.films] == ["a/0.png", "b/0.png", "a/1.png", "b/1.png", "a/0.png", "b/2.png"]
    assert dict(index.films[0].attributes) == {"sex": "F", "hospital": "north"}
    assert dict(index.films[1].attributes) == {"hospital": "south, new"}
    assert dict(index.films[5].attributes) == {}
    assert "MRN" not in repr(index)


def test_the_columns_of_a_table_may_be_written_in_capitals(films) -> None:
    assert indexed(table(films, "Path,Label,SPLIT", "a/0.png,TB,train", "b/0.png,NORMAL,train")).counts == {
        "train": {"NORMAL": 1, "TB": 1}
    }


def test_path_and_label_are_enough_and_a_byte_order_mark_does_no_harm(films) -> None:
    path = table(films, "\ufefflabel,path", "TB,a/0.png", "NORMAL,b/0.png")

    assert indexed(path).counts == {None: {"NORMAL": 1, "TB": 1}}


@pytest.mark.parametrize(
    "column",
    [
        "patient", "Patient", "PATIENT", "pid", "subject_id", "patientnumber", "Patient ID", "patient_id", "PatientID",
        "patientId", "Patient-Nr.", "SubjectID", "subject", "person_id", "MRN", "empi_anon", "Patientennummer",
        "anon_patient_id", "participant", "case_id", "dicom_patient_id", "Patient number",
    ],
)  # fmt: skip
def test_a_column_of_patients_is_known_by_its_name_and_written_nowhere(films, column) -> None:
    lines = [f"path,label,{column},sex"]
    lines += [f"{label}/{number}.png,{label},SECRET-{number},F" for label in "ab" for number in range(3)]

    index = indexed(table(films, *lines))

    assert [film.patient for film in index.films] == 2 * ["a/0.png", "a/1.png", "a/2.png"]
    assert {tuple(film.attributes) for film in index.films} == {("sex",)}
    assert index.patients.patients == {f"column {column}": 6}
    assert index.patients.unknown == 0
    assert "SECRET" not in repr(index)


@pytest.mark.parametrize("column", ["Patient Age", "PatientSex", "patient_position", "pixel", "case_severity", "paid"])
def test_what_is_known_of_a_patient_is_an_attribute(films, column) -> None:
    index = indexed(table(films, f"path,label,{column}", "a/0.png,A,x", "b/0.png,B,x"))

    assert dict(index.films[0].attributes) == {column: "x"}
    assert index.patients.unknown == 2


def test_any_column_can_be_named_as_that_of_the_patients(films) -> None:
    lines = ["path,label,Fall,patient", "a/0.png,A,7,1", "b/0.png,B,7,2", "a/1.png,A,8,3", "b/1.png,B,8,4"]

    index = indexed(table(films, *lines), patients="Fall")

    assert [film.patient for film in index.films] == ["a/0.png", "a/0.png", "a/1.png", "a/1.png"]
    assert not index.films[0].attributes
    assert index.notes == ("not kept, because they name patients: the columns patient",)


@pytest.mark.parametrize("column", ["study_id", "StudyInstanceUID", "StudyID", "exam"])
def test_a_column_of_studies_keeps_them_together_and_is_written_nowhere(films, column) -> None:
    index = indexed(table(films, f"path,label,{column}", "a/0.png,A,S7", "a/1.png,A,S7", "b/0.png,B,S8"))

    assert [film.patient for film in index.films] == ["study:a/0.png", "study:a/0.png", "study:b/0.png"]
    assert index.patients.studies == {f"column {column}": 3}
    assert not index.films[0].attributes
    assert "S7" not in repr(index)


def test_columns_that_distinguish_the_same_patients_need_no_choice(films) -> None:
    index = indexed(table(films, "path,label,PatientID,pid", "a/0.png,A,7,x", "b/0.png,B,7,x", "a/1.png,A,8,y"))

    assert [film.patient for film in index.films] == ["a/0.png", "a/0.png", "a/1.png"]
    assert not index.films[0].attributes


def test_a_column_with_a_value_for_nearly_every_film_is_not_kept(tmp_path) -> None:
    write_classes(tmp_path, {"a": 15, "b": 15})
    lines = [f"{label}/{number}.png,{label},X{label}{number},{number}" for label in "ab" for number in range(15)]

    index = indexed(table(tmp_path, "path,label,Vorgang,age", *lines))

    assert set(index.films[0].attributes) == {"age"}
    assert "the columns Vorgang" in index.notes[0]


LISTS = ("TB|Effusion", "TB;Effusion", "['TB', 'Effusion']", "TB\nEffusion")
PERHAPS_LISTS = ("TB, Effusion", "TB & Effusion", "TB and Effusion")


@pytest.mark.parametrize(
    ("label", "task"), [*((label, "classes") for label in LISTS), *((label, "auto") for label in PERHAPS_LISTS)]
)
def test_labels_of_several_findings_are_refused_as_classes_with_what_can_be_trained(films, label, task) -> None:
    path = table(films, "path,label", "a/0.png,TB", "b/0.png,Effusion", f'a/1.png,"{label}"')

    with pytest.raises(TrainingDataError, match=r"(?s)1 films have several findings.*one for each film.*a/1\.png: "):
        indexed(path, task=task)


@pytest.mark.parametrize("label", LISTS)
def test_a_label_that_lists_several_findings_makes_each_a_finding_of_its_own(films, label) -> None:
    path = table(films, "path,label", "a/0.png,TB", "b/0.png,Effusion", f'a/1.png,"{label}"', "b/1.png,", "a/2.png,")

    index = indexed(path, findings=("TB", "Effusion"))

    assert index.task == "findings"
    assert index.classes == ("TB", "Effusion")
    assert [film.label for film in index.films] == ["TB", "Effusion", "TB|Effusion", "no finding", "no finding"]
    assert index.negative_class is None


def test_a_table_of_public_sets_is_read_as_it_lies(films) -> None:
    path = table(films, "Image Index,Finding Labels,Patient ID", "a/0.png,TB|Mass,7", "b/0.png,No Finding,8")

    index = indexed(path, findings=("TB", "Mass"))

    assert [film.label for film in index.films] == ["TB|Mass", "no finding"]
    assert index.patients.patients == {"column Patient ID": 2}


def test_a_table_may_be_separated_by_tabs(films) -> None:
    path = films / "films.tsv"
    path.write_text("path\tlabel\na/0.png\tTB\nb/0.png\tNORMAL\n", encoding="utf-8")

    assert indexed(path).counts == {None: {"NORMAL": 1, "TB": 1}}


def test_a_comma_within_the_name_of_one_finding_is_no_second_one(films) -> None:
    path = table(films, "path,label", 'a/0.png,"Pneumonia, viral"', "b/0.png,Normal")

    assert indexed(path).classes == ("Normal", "Pneumonia, viral")


def test_the_words_of_splits_are_understood_and_labels_have_one_spelling(films) -> None:
    index = indexed(
        table(
            films,
            "path,label,split",
            "a/0.png,TB,Training",
            "b/0.png,ok,training",
            "a/1.png,tb,TEST",
            "b/1.png,ok,test",
        )
    )

    assert index.counts == {"train": {"TB": 1, "ok": 1}, "test": {"TB": 1, "ok": 1}}
    assert any(note.startswith("splits by the column split: Training is train") for note in index.notes)


def test_blanks_at_the_ends_of_labels_are_left_out_with_a_note(films) -> None:
    index = indexed(table(films, "path,label", "a/0.png,SICK ", "a/1.png,SICK", 'b/0.png," ok"', "b/1.png,ok"))

    assert index.counts == {None: {"SICK": 2, "ok": 2}}
    assert "blanks at the ends of class names are left out: ' ok', 'SICK '" in index.notes


def test_a_label_of_blanks_is_empty(films) -> None:
    with pytest.raises(TrainingDataError, match="line 2: path or label is empty"):
        indexed(table(films, "path,label", "a/0.png,  ", "b/0.png,ok"))


def test_an_empty_split_column_says_nothing(films) -> None:
    assert set(indexed(table(films, "path,label,split", "a/0.png,A,", "b/0.png,B,")).counts) == {None}


def test_what_a_run_wrote_about_films_is_computed_again(films) -> None:
    index = indexed(table(films, "path,label,sha256,copy_of", "a/0.png,A,beef,cafe", "b/0.png,B,beef,"))

    assert index.films[0].sha256 != "beef"
    assert dict(index.films[0].attributes) == {}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "starts with nothing; it needs a header path,label"),
        (["path,truth", "a/0.png,A"], "starts with path,truth; it needs"),
        (["path,label,sex,sex", "a/0.png,A,F,F"], "of distinct names"),
        (["path,label,", "a/0.png,A,F"], "of distinct names"),
        (["path,label"], "needs rows of 2 cells .*no rows"),
        (["path,label", "a/0.png,A,extra", "b/0.png"], "\n  line 2: 3 cells\n  line 3: 1 cells"),
        (["path,label", "a/0.png,A", "a/9.png,A"], "1 faults .*\n  line 3: a/9.png is not a file"),
        (["path,label", "a/0.png,A", "a/0.png,B"], "a/0.png stands in it more than once"),
        (
            ["path,label", "../x.png,A", "/etc/passwd,B"],
            "line 2: ../x.png is not below .*\n  line 3: /etc/passwd is not",
        ),
        (["path,label", "a/0.png,", ",B"], "2 faults .*\n  line 2: path or label is empty"),
        (["path,label,split", "a/0.png,A,holdout"], "the split holdout is none of train, val, test"),
        (["path,label,split", "a/0.png,A,train", "b/0.png,B,"], "1 films .* have no split .*\n  line 3"),
        (["path,label,split", "a/0.png,A,test", "b/0.png,B,val"], "no film with split train"),
        (["path,label,split", "a/0.png,A,train", "b/0.png,B,train", "a/1.png,A,test"], "class B has no film in test"),
        (["path,label", "a/0.png,A", "a/1.png,A"], "1 classes .A.; training needs at least two"),
        (["path,label,Accession Number", "a/0.png,A,7"], "has the columns Accession Number, which may identify people"),
        (
            ["path,label,subject_id,mrn", "a/0.png,A,7,1", "b/0.png,B,7,2"],
            "the columns subject_id, mrn, which distinguish different patients; name one by --patients subject_id",
        ),
        (["path,label,patient_name", "a/0.png,A,x"], "call the one that distinguishes patients `patient`"),
        (["path,label", 'a/0.png,"A'], "cannot be read as comma-separated UTF-8"),
    ],
)
def test_each_fault_of_a_table_is_said(films, lines, message) -> None:
    path = films / "films.csv"
    path.write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(TrainingDataError, match=f"(?s){message}"):
        indexed(path)


def test_a_table_in_another_encoding_is_refused(films) -> None:
    (films / "films.csv").write_bytes("path,label\na/0.png,Lungenentzündung\n".encode("latin-1"))

    with pytest.raises(TrainingDataError, match="cannot be read as comma-separated UTF-8"):
        indexed(films / "films.csv")
