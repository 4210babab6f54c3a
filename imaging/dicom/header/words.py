"""Free text of headers as words that can be compared: capitals without accents."""

import re
import unicodedata

_LETTERS = re.compile(r"[A-Z]+")


def folded(text: str) -> str:
    """In capitals, without accents; letters that have no other form stay as they are."""
    apart = unicodedata.normalize("NFKD", text.upper().replace("Ø", "O").replace("Ł", "L").replace("ß", "SS"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def words_of(text: str) -> frozenset[str]:
    """The words of a text, also with what stands between their letters left out: `L-LAT` is L, LAT and LLAT."""
    plain = folded(text)
    return frozenset(_LETTERS.findall(plain)) | frozenset(_LETTERS.findall(re.sub(r"[-./]", "", plain)))


def word_set(*lines: str) -> frozenset[str]:
    """The words of some lines, separated by blanks: how the tables here are written."""
    return frozenset(word for line in lines for word in line.split())
