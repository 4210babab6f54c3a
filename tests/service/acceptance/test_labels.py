"""Rules of the table of labels."""

import pytest

from schemas.errors import EvidenceError
from service.acceptance.labels import read_labels


def labels(tmp_path, text, finding="PNEUMONIA", negative="NORMAL"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, finding, negative)


def test_a_table_names_films_findings_and_groups(tmp_path) -> None:
    table = "\ufefffilm, pneumonia ,Sex,station\na.png,1,F,\nb/c.dcm,0,,CR 2\n"
    read = labels(tmp_path, table.replace(" pneumonia ", "pneumonia"))

    assert {name: label.present for name, label in read.by_film.items()} == {"a.png": True, "b/c.dcm": False}
    assert [dict(label.groups) for label in read.by_film.values()] == [{"sex": "F"}, {"station": "CR 2"}]


def test_the_column_label_holds_classes(tmp_path) -> None:
    read = labels(tmp_path, "SOPInstanceUID,label\n1.2.3,PNEUMONIA\n1.2.4,normal\n")

    assert [label.present for label in read.by_film.values()] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,truth\na,1\n", "has the columns name, truth; it needs `film`"),
        ("film,PNEUMONIA\na,1\na,0\n", "line 3: names a film that an earlier line names"),
        ("film,PNEUMONIA\n,1\n", "line 2: names no film"),
        ("film,PNEUMONIA\na,Jane Doe\n", "line 2: the label is neither 1 nor 0"),
        ("film,PNEUMONIA\na\n", "line 2: the label is neither 1 nor 0"),
        ("film,PNEUMONIA\n", "holds no film"),
        (b"film,PNEUMONIA\n\xff,1\n", "is not a CSV table in UTF-8"),
        ("", "has the columns none"),
    ],
)
def test_a_table_that_is_not_one_of_labels_is_refused(tmp_path, text, message) -> None:
    with pytest.raises(EvidenceError, match=message) as refused:
        labels(tmp_path, text)

    assert "Jane" not in str(refused.value)


def test_a_table_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", "PNEUMONIA", None)
