"""Every warning has its line in the documentation and its words on the page, and no other has."""

import re
from pathlib import Path

from service.answers.population import CALLER_CONTRADICTS, RULES
from service.reading.tensors import PREPARED_BY_CALLER

ROOT = Path(__file__).parents[2]
CELLS = re.findall(
    r"^\| (`[^|]*`) \|", (ROOT / "docs/preprocessing.md").read_text().partition("## Warnings")[2], re.MULTILINE
)
TABLE = [name for cell in CELLS for name in re.findall(r"`(\w+)`", cell)]
DOCUMENTED = set(TABLE[: TABLE.index("size")])
FILES = [
    *(ROOT / "imaging").rglob("*.py"),
    ROOT / "service/answers/guide.py",
    ROOT / "service/reading/routing.py",
]
SOURCE = "\n".join(path.read_text() for path in FILES)


def test_the_documentation_and_the_page_name_the_same_warnings() -> None:
    words = (ROOT / "service/static/page/words.js").read_text().partition("const WARNINGS = {")[2].partition("};")[0]

    assert len(DOCUMENTED) == 33
    assert set(re.findall(r"^  (\w+): ", words, re.MULTILINE)) == DOCUMENTED


def test_the_warnings_of_the_code_are_those_of_the_documentation() -> None:
    keys = set(re.findall(r'^        "([a-z_]+)": ', SOURCE, re.MULTILINE))  # of the tables of conditions
    alone = set(re.findall(r'\("([a-z_]+)",\)', SOURCE))

    unknown = {"age_unknown", *(f"{rule.aspect}_unknown" for rule in RULES)}
    assert keys | alone | unknown | {CALLER_CONTRADICTS, PREPARED_BY_CALLER} == DOCUMENTED
