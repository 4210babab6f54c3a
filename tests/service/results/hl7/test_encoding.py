"""Delimiters, escapes and character sets of HL7 v2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.results.hl7.encoding import CHARACTER_SETS, components, encoded, escaped, segment
from tests.service.results.hl7.reading import unescaped


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a|b", r"a\F\b"),
        ("a^b", r"a\S\b"),
        ("a&b", r"a\T\b"),
        ("a~b", r"a\R\b"),
        ("C:\\12", r"C:\E\12"),
        ("one\r\ntwo", r"one\X0D\\X0A\two"),
        ("\x0b\x1c", r"\X0B\\X1C\ ".strip()),
        ("Müller 山田", "Müller 山田"),
    ],
)
def test_what_would_end_a_field_is_escaped(text, written) -> None:
    assert escaped(text) == written


@given(st.text())
@pytest.mark.clause("HL7-v2 2.7", "delimiters and control characters in text are escaped")
def test_every_text_comes_back_as_it_was_and_ends_neither_field_nor_frame(text) -> None:
    written = escaped(text)

    assert unescaped(written) == text
    assert not set(written) & set("|^&~\r\n\x0b\x1c")


def test_components_leave_out_what_is_empty_at_the_end() -> None:
    assert components("1", "", "", ("NORTH", "1.2", "ISO"), "MR") == "1^^^NORTH&1.2&ISO^MR"
    assert components("1", "", "", ("", "", "")) == "1"
    assert components("a^b", ("c&d", "")) == r"a\S\b^c\T\d"
    assert components("") == ""


def test_fields_stand_at_their_numbers() -> None:
    assert segment("OBX", {1: "1", 5: "x"}) == "OBX|1||||x\r"
    assert segment("MSH", {3: "a", 5: "b"}) == "MSH|^~\\&|a||b\r"


@pytest.mark.parametrize(
    ("text", "asked", "used"),
    [
        ("Müller", "8859/1", "8859/1"),
        ("Müller", "ASCII", "UNICODE UTF-8"),
        ("山田", "8859/1", "UNICODE UTF-8"),
        ("Doe", "ASCII", "ASCII"),
    ],
)
def test_no_letter_is_ever_replaced_by_another(text, asked, used) -> None:
    content, character_set = encoded(text, asked)

    assert character_set == used
    assert content.decode(CHARACTER_SETS[used]) == text


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_in_every_set_control_characters_are_single_bytes(name) -> None:
    codec = CHARACTER_SETS[name]

    for code in range(0x20, 0x3000):
        with_letter = chr(code).encode(codec, "ignore")
        assert not set(with_letter) & set(range(0x20))
