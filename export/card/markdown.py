"""Tables and lists in Markdown."""

from collections.abc import Iterable


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in lines)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table, whatever its cells hold."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def without_title(text: str) -> str:
    """A Markdown text as a part of another: without a heading in its first line."""
    first, _, rest = text.lstrip().partition("\n")
    return (rest if first.startswith("# ") else text).strip()
