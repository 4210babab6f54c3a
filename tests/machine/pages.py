"""What a reader does who follows a page: its marked blocks, as one script.

`<!-- run -->` before a block: its lines are run as they are. `<!-- file PATH -->`: the block is what that file then
holds. A block is indented or fenced. Nothing in it is replaced: the machine has the names, ports and folders of the
pages.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass

from tests.docs.pages import ROOT

_MARK = re.compile(
    r"^( *)<!-- (run|file (\S+)) -->\n\n?((?:\1    .*\n|\1 *\n)+|\1```\w*\n(?:.*\n)*?\1```\n)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Step:
    """One block."""

    heading: str
    line: int
    file: str | None
    text: str


def steps(page: str) -> list[Step]:
    """The marked blocks of docs/PAGE, in order, below the heading that is next above each."""
    content = (ROOT / "docs" / page).read_text()
    assert len(_MARK.findall(content)) == len(re.findall(r"<!-- (?:run|file \S+) -->", content)), page
    found = []
    for mark in _MARK.finditer(content):
        before = content[: mark.start()]
        headings = re.findall(r"^#+ (.+)$", before, re.MULTILINE)
        lines = [line for line in textwrap.dedent(mark[4]).strip("\n").splitlines() if not line.startswith("```")]
        found.append(Step(headings[-1], before.count("\n") + 1, mark[3], "\n".join(lines) + "\n"))
    return found


def script(page: str, *headings: str) -> str:
    """What runs the page's steps, or those below some headings, in one shell; it prints the line of each step."""
    chosen = [step for step in steps(page) if not headings or step.heading in headings]
    assert chosen, (page, headings)
    return "".join(f"echo '== {page}:{step.line}'\n{_commands(step)}" for step in chosen)


def _commands(step: Step) -> str:
    if step.file is None:
        return step.text
    folder = shlex.quote(step.file.rpartition("/")[0])
    return f"mkdir -p {folder}\ncat >{shlex.quote(step.file)} <<'END-OF-FILE'\n{step.text}END-OF-FILE\n"
