"""Rules of the prose that a program can check; the others stand in CONTRIBUTING.md."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, named

MOST_LINES = 120
AFTER_BLOCK = re.compile(r"(?:^```\n|^(?: {4}|\t)\S.*\n)\n+(?! {4}|\t|```)(\S[^\n]*)", re.MULTILINE)
OLD_WAYS = re.compile(
    r"\b(?:is|are) no (?:\w+ )?(?:film|bundle|setting|archive|test)\b|\bwhat becomes of\b|\bwhat befalls\b"
)
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_sentence_after_a_block_of_code_names_its_subject(page):
    text = page.read_text()

    assert [line for line in AFTER_BLOCK.findall(text) if re.match(r"[a-z]", line)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_keeps_to_ordinary_words(page):
    assert OLD_WAYS.findall(page.read_text()) == []


@pytest.mark.parametrize("page", RUNBOOKS, ids=named)
def test_every_query_of_a_runbook_stands_in_a_block(page):
    queries = [
        line
        for line in page.read_text().splitlines()
        if re.match(r"(?:sum|rate|histogram|curl|\w+:?cxr_|process_)\b", line)
    ]

    assert queries == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize(
    "name", ["README.md", "docs/index.md", "docs/first-answer.md", "docs/architecture.md", "docs/glossary.md"]
)
def test_a_page_where_a_reader_may_begin_says_what_a_film_is(name):
    assert "one frontal chest radiograph" in " ".join((ROOT / name).read_text().split())
