"""CHANGELOG.md in the form of Keep a Changelog: its versions, their dates and their text."""

import re
from dataclasses import dataclass
from datetime import date

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """One version; `day` is None where the heading has no date."""

    version: str
    day: date | None
    text: str


def sections(changelog: str) -> list[Section]:
    """The sections, newest first.

    Raises:
        ValueError: A heading has a date that does not exist.
    """
    headings = list(_HEADING.finditer(changelog))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    return [
        Section(
            version=heading["version"],
            day=date.fromisoformat(heading["day"]) if heading["day"] else None,
            text=changelog[heading.end() : end].strip(),
        )
        for heading, end in zip(headings, ends, strict=True)
    ]


def disagreements(changelog: str, version: str, tag: str | None = None) -> list[str]:
    """Why the changelog, the version of the software and the tag do not belong together; empty where they do.

    Args:
        changelog: The text of CHANGELOG.md.
        version: Of the software.
        tag: As git has it, `v` and the version; None before there is one.
    """
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        found.append(f"the version {version!r} is not MAJOR.MINOR.PATCH; correct schemas/version.py")
    if tag is not None and tag != f"v{version}":
        found.append(
            f"the tag is {tag!r} and the software is {version}; tag it v{version}, or correct schemas/version.py"
        )
    listed = sections(changelog)
    if not listed or listed[0].version != UNRELEASED:
        found.append(f"CHANGELOG.md does not begin with ## [{UNRELEASED}]")
    elif tag is not None and listed[0].text:
        found.append(f"CHANGELOG.md has entries under {UNRELEASED}; move them under {version}")
    released = [section for section in listed if section.version != UNRELEASED]
    if not released or released[0].version != version:
        found.append(f"the newest version of CHANGELOG.md is not {version}; cut it, or correct schemas/version.py")
    elif released[0].day is None or not released[0].text:
        found.append(f"the section {version} of CHANGELOG.md needs a date (## [{version}] - YYYY-MM-DD) and a text")
    return found


def notes(changelog: str, version: str) -> str:
    """The text of one version.

    Raises:
        ValueError: The changelog does not contain it.
    """
    for section in sections(changelog):
        if section.version == version:
            return section.text
    msg = f"CHANGELOG.md has no section {version}"
    raise ValueError(msg)
