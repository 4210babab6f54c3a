"""Verdicts as a table."""

import pytest

from schemas.errors import CxrError, InvalidParameterError
from service.surveillance.reports.table import read_table
from service.surveillance.statements import FilmName

HEAD = "sop_instance_uid,study_instance_uid,accession_number,verdict,findings,corrected,truth\n"


def rows(text):
    return list(read_table(text.encode()))


def test_each_row_is_a_verdict_or_the_truth_of_one_film_or_study() -> None:
    text = (
        "\ufeff"
        + HEAD
        + "1.2,,,Accept,,,\n,1.3,,modify,,A=absent; B=present,\n,,N-1,,,,A=present\n1.4,,,reject,A;B,,\n"
    )
    found = [(line, each.film, each.request, each.truth) for line, each in rows(text)]

    assert [line for line, *_ in found] == [2, 3, 4, 5]
    assert [film for _, film, *_ in found] == [
        FilmName(sop_instance_uid="1.2"),
        FilmName(study_instance_uid="1.3"),
        FilmName(accession_number="N-1"),
        FilmName(sop_instance_uid="1.4"),
    ]
    assert found[0][2].verdict == "accept"
    assert found[1][2].corrected == {"A": "absent", "B": "present"}
    assert (found[2][2], found[2][3]) == (None, {"A": "present"})
    assert found[3][2].findings == ("A", "B")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",,,accept,,,", "names its film 0 times"),
        ("1.2,1.3,,accept,,,", "names its film 2 times"),
        ("1.2,,,,,,", "needs a verdict, or the truth"),
        ("1.2,,,accept,,,A=present", "and not both"),
        ("1.2,,,perhaps,,,", "not a verdict"),
        ("1.2,,,modify,,,", "needs `corrected`"),
        ("1.2,,,modify,,A=maybe,", "FINDING=present"),
        ('1.2,,,"accept,,,', "cannot be read from this line on"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_and_the_others_stand(row, words) -> None:
    first, (line, fault) = rows(f"{HEAD}1.1,,,accept,,,\n{row}\n")[:2]

    assert not isinstance(first[1], CxrError)
    assert line >= 2
    assert words in str(fault)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"film,verdict\n", b"sop_instance_uid\n1.2\n", b"sop_instance_uid,verdict,name\n"]
)
def test_what_is_not_such_a_table_is_refused(content) -> None:
    with pytest.raises(InvalidParameterError):
        list(read_table(content))
