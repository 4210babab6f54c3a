"""The file of CXR_DESTINATIONS: YAML to checked entries, with the place of every fault."""

from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from schemas.errors import SettingsError
from service.destinations.entry import Entry
from service.destinations.kinds.table import KINDS
from service.settings.rules import named, shown

_EXAMPLE: Final = "docs/destinations.md has an example"
_MOST: Final = 50
"""Destinations of a file: each has loops of its own."""


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The destinations of a file.

    Raises:
        SettingsError: it cannot be read, or is not a file of destinations; the message names each place.
    """
    file = f"CXR_DESTINATIONS {named(path)}"
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        msg = f"{file} cannot be read ({error.strerror}); give a file that the service may read"
        raise SettingsError(msg) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}"
        msg = f"{file} is not YAML{where}; mend it, {_EXAMPLE}"
        raise SettingsError(msg) from error
    rows = content.get("destinations") if isinstance(content, dict) else None
    if not isinstance(rows, list) or len(content) > 1:
        msg = f"{file} must hold one key, destinations, with a list of them; {_EXAMPLE}"
        raise SettingsError(msg)
    if len(rows) > _MOST:
        msg = f"{file} has {len(rows)} destinations, and {_MOST} are the most; remove some"
        raise SettingsError(msg)
    faults: list[str] = []
    entries = [entry for number, row in enumerate(rows, 1) if (entry := _entry(number, row, faults)) is not None]
    names = [entry.name for entry in entries]
    faults += [
        f"{name} names more than one destination; rename one" for name in sorted({*names}) if names.count(name) > 1
    ]
    if faults:
        msg = f"{file}: {'; '.join(faults)}; {_EXAMPLE}"
        raise SettingsError(msg)
    return tuple(entries)


def _entry(number: int, row: Any, faults: list[str]) -> Entry | None:
    place = f"destination {number}"
    if not isinstance(row, dict):
        faults.append(f"{place} must be fields with values, such as name: ris")
        return None
    if isinstance(row.get("name"), str):
        place += f" ({shown(row['name'])})"
    kind = KINDS.get(row["kind"]) if isinstance(row.get("kind"), str) else None
    if kind is None:
        faults.append(f"{place}: kind={shown(row.get('kind'))!r} must be one of {', '.join(sorted(KINDS))}")
        return None
    try:
        return kind.entry.model_validate(row)
    except ValidationError as error:
        faults += [_sentence(place, fault) for fault in error.errors(include_url=False)]
        return None


def _sentence(place: str, fault: Any) -> str:
    rule = str(fault["msg"]).removeprefix("Value error, ")
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{place}: {where} is not a field of this kind; correct or remove it"
    if not where or fault["type"] == "missing":
        return f"{place}: {where + ' is missing' if where else rule}"
    value = shown(fault["input"])
    return f"{place}: {where}{'' if value is None else f'={value!r}'}: {rule}"
