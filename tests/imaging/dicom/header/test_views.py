"""Views as hospitals write them, and as DICOM codes them."""

import pytest
from pydicom.sr.codedict import codes

from imaging.dicom.header.views import StatedView, view_of_code, view_of_words


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        ("PA", StatedView("frontal", "PA")),
        ("ap", StatedView("frontal", "AP")),
        ("P.A.", StatedView("frontal", "PA")),
        ("A-P", StatedView("frontal", "AP")),
        ("CHEST PA", StatedView("frontal", "PA")),
        ("AP_SUPINE", StatedView("frontal", "AP")),
        ("POSTERO-ANTERIOR", StatedView("frontal", "PA")),
        ("FRONTAL", StatedView("frontal")),
        ("AP/PA", StatedView("frontal")),
        ("FACE", StatedView("frontal")),
        ("LL", StatedView("lateral")),
        ("L LAT", StatedView("lateral")),
        ("L-LAT", StatedView("lateral")),
        ("RLAT", StatedView("lateral")),
        ("PROFIL", StatedView("lateral")),
        ("PA LAT", StatedView("lateral")),
        ("LAO", StatedView("oblique")),
        ("RAO", StatedView("oblique")),
        ("LLO", StatedView("oblique")),
        ("Schräg", StatedView("oblique")),
        ("RLD", StatedView("other")),
        ("AP LORDOTIC", StatedView("other")),
        ("AP LLD", StatedView("other")),
    ],
)
def test_a_word_names_a_view_and_one_that_is_not_frontal_is_believed_first(words, stated) -> None:
    assert view_of_words(words) == stated


@pytest.mark.parametrize("words", ["", "STANDING", "PORTABLE", "?", "ERECT 1", "胸部正面"])
def test_a_word_that_names_no_view_states_none(words) -> None:
    assert view_of_words(words) is None


FRONTAL = {"Frontal": None, "AnteroPosterior": "AP", "PosteroAnterior": "PA"}


@pytest.mark.parametrize("name", codes.cid4010.dir())
def test_every_code_of_cid_4010_is_known_and_three_are_frontal(name) -> None:
    stated = view_of_code(getattr(codes.cid4010, name).value, "")

    assert stated is not None
    assert (stated.view == "frontal") == (name in FRONTAL)
    assert stated.projection == FRONTAL.get(name)


@pytest.mark.parametrize("name", codes.cid4011.dir())
def test_no_modifier_of_cid_4011_leaves_a_view_frontal(name) -> None:
    assert view_of_code(getattr(codes.cid4011, name).value, "") == StatedView("other")


@pytest.mark.parametrize(
    ("value", "meaning", "view"),
    [("R-10206", "", "frontal"), ("R-10232", "", "lateral"), ("R-10220", "", "oblique"), ("X1", "L LAT", "lateral")],
)
def test_older_codes_are_known_and_private_ones_count_by_their_meaning(value, meaning, view) -> None:
    stated = view_of_code(value, meaning)

    assert stated is not None
    assert stated.view == view


def test_a_code_that_nobody_knows_states_nothing() -> None:
    assert view_of_code("X1", "the usual") is None
