"""What follows of an answer to a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.results.hl7.acknowledgement import Acknowledgement, read_acknowledgement

HEADER = b"MSH|^~\\&|RIS|H|cxr|H|20261121||ACK^R01^ACK|9|P|2.5.1\r"


@pytest.mark.parametrize(
    ("segments", "answer"),
    [
        (b"MSA|AA|KEY", Acknowledgement("AA", "KEY", ())),
        (b"MSA|CA|KEY|all well\r", Acknowledgement("CA", "KEY", ())),
        (b"MSA|AE|KEY\rERR||PID^1|101^Required field missing^HL70357|E", Acknowledgement("AE", "KEY", ("101",))),
        (b"MSA|AE|KEY\nERR|PID^1^3^103&Table value not found&HL70357", Acknowledgement("AE", "KEY", ("103",))),
        (b"MSA|AR|KEY\r\nERR|\r\nERR|||207", Acknowledgement("AR", "KEY", ("207",))),
    ],
)
def test_an_answer_is_read_in_old_and_new_versions(segments, answer) -> None:
    assert read_acknowledgement(HEADER + segments) == answer


def test_an_answer_may_have_other_delimiters() -> None:
    content = b"MSH#*~\\&#RIS#H\rMSA#AE#KEY\rERR###207*x\r"

    assert read_acknowledgement(content) == Acknowledgement("AE", "KEY", ("207",))


@pytest.mark.parametrize(
    ("code", "errors", "verdict"),
    [
        ("AA", (), "accepted"),
        ("CA", (), "accepted"),
        ("AE", (), "later"),
        ("CE", (), "later"),
        ("AR", (), "refused"),
        ("CR", (), "refused"),
        ("AE", ("101",), "refused"),
        ("AE", ("207",), "later"),
        ("AR", ("206",), "later"),
        ("AR", ("200",), "refused"),
        ("AE", ("207", "101"), "refused"),
    ],
)
@pytest.mark.clause("HL7-v2 2.9.2", "acknowledgements AA, AE, AR, CA, CE, CR and the codes of ERR are judged")
def test_the_code_of_an_error_decides_and_without_one_an_error_may_pass(code, errors, verdict) -> None:
    assert Acknowledgement(code, "KEY", errors).verdict == verdict


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MSH",
        b"MSH|^~\\&|RIS",
        HEADER,
        HEADER + b"MSA|AA",
        HEADER + b"MSA|OK|KEY",
        b"MSA|AA|KEY",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"MSHAA",
        b"\xff\xfe",
    ],
)
def test_what_is_not_an_acknowledgement_is_none(content) -> None:
    assert read_acknowledgement(content) is None


pieces = st.sampled_from(
    [b"MSH", b"|", b"^~\\&", b"\r", b"MSA", b"AA", b"AE", b"ERR", b"207", b"KEY", b"\n", b"&", b"\0"]
)


@given(st.one_of(st.binary(max_size=400), st.lists(pieces, max_size=60).map(b"".join)))
def test_no_answer_breaks_the_reader(content) -> None:
    answer = read_acknowledgement(content)

    assert answer is None or answer.verdict in ("accepted", "refused", "later")
    assert answer is None or all(code.isdigit() for code in answer.errors)
