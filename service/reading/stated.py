"""What a caller states of a film, in words: checked, and put into the form of a header's statements."""

import re
from typing import Final

from imaging.dicom.header.ages import OLDEST_YEARS, age_years
from imaging.dicom.header.views import view_of_words
from imaging.radiograph import HeaderFacts, Statement
from schemas.errors import InvalidParameterError

AGE: Final = "age"
VIEW: Final = "view"
"""Names of the parameters, by which answers refer to them."""


def stated_facts(age: str | None, view: str | None) -> HeaderFacts:
    """What a caller states; nothing where both are None.

    Args:
        age: in years, e.g. `4` or `0.5`, or as DICOM writes it, e.g. `018M`.
        view: a word for one, e.g. `PA`, `frontal`, `LL`.

    Raises:
        InvalidParameterError: one of them cannot be read; the message does not repeat it.
    """
    statements: list[Statement] = []
    if view is not None:
        stated = view_of_words(view)
        if stated is None:
            msg = f"{VIEW} names no view that is known; state one such as PA, AP, frontal, lateral or oblique"
            raise InvalidParameterError(msg)
        statements.append(Statement("view", stated.view, VIEW))
        if stated.projection is not None:
            statements.append(Statement("projection", stated.projection, VIEW))
    return HeaderFacts(None if age is None else _years(age), AGE, tuple(statements))


def _years(age: str) -> float:
    text = age.strip().upper()
    years = age_years(text)
    if years is None and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text):
        years = float(text)
    if years is None or years > OLDEST_YEARS:
        msg = f"{AGE} is not the age of a person; state years from 0 to {OLDEST_YEARS}, e.g. 4 or 0.5, or 018M"
        raise InvalidParameterError(msg)
    return years
