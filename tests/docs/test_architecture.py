"""The map of the source names what exists, and names every package."""

import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
PACKAGES = ("schemas", "imaging", "bundle", "trainer", "export", "service")
NAMED = sorted(set(re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w/.]*)`", PAGE)))
QUESTIONS = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", PAGE.partition("## Where is it decided?")[2], re.MULTILINE)


@pytest.mark.parametrize("path", NAMED)
def test_a_path_of_the_page_exists(path):
    named = ROOT / path

    assert named.is_dir() if path.endswith("/") else named.is_file()


def test_every_question_is_answered_by_a_module():
    without_module = [question for _, question, answer in QUESTIONS if not re.search(r"`[\w/]+\.py`", answer)]

    assert [int(number) for number, _, _ in QUESTIONS] == list(range(1, len(QUESTIONS) + 1))
    assert len(QUESTIONS) >= 30
    assert without_module == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_stands_in_the_map(package):
    inside = {f"{package}/{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}

    assert inside <= set(NAMED)
