"""Parts of the body: what BodyPartExamined and AnatomicRegionSequence call a chest, in several languages.

What is stated and is not known as a chest counts as another part: names of other parts are too many to list, and a
film of one of them must not be taken for a chest. A film of more than the chest (a whole newborn) is another part too.

Source: DICOM PS3.16 annex L (BodyPartExamined), CID 4009 and 4031 (anatomy of DX); and what vendors write.
"""

from typing import Final

from imaging.dicom.header.words import folded, word_set, words_of
from schemas.population import BodyPart

_NOTHING_STATED: Final = word_set(
    "UNKNOWN UNSPECIFIED UNDEFINED NONE NA DEFAULT OTHER ANY NOTSPECIFIED NOTAPPLICABLE MISC"
)
"""Letters in the place of a value."""

_CHEST_WORDS: Final = word_set("LUNG LUNGS LUNGE LUNGEN LUNGA LUNGER KEUHKOT TUDO OGK GOGUS GRUDNAYA CXR")
"""Chest as a whole word: as a part of a word they occur in other names, as in the German `Stellung`."""
_CHEST_STEMS: Final = (
    *("CHEST", "THORAX", "THORAKS", "THORAC", "THORAK", "TORAX", "TORACE", "TORACIC", "TORAKS", "TORAK"),
    *("PULMO", "POUMON", "POLMON", "BRUSTKORB", "BROSTKORG", "BORSTKAS", "PIERSIOW", "HRUDN", "MELLKAS", "AKCIGER"),
)
_MORE_OR_ELSE_STEMS: Final = (
    *("ABD", "PELV", "NECK", "CERVI", "LUMB", "LENDEN", "SPINE", "SPINAL", "VERTEB", "COLUM", "COLON", "WIRBEL"),
    *("RACHIS", "RIB", "RIPPE", "COSTA", "COSTILLA", "STERN", "CLAVIC", "BREAST", "MAMM", "BABYGRAM", "BODY"),
    *("AORTA", "HALS", "HEART", "CARDIA", "RYGG", "ESOPH", "OESOPH", "INLET", "OUTLET", "APEX"),
)
"""Beside a word for the chest these name a part of it, its spine or more than it."""

_CHEST_CODES: Final = word_set("816094009 51185008 302551006 39607008 43799004 T-D3000 T-28000 T-D3200")
"""Chest or thorax, lung, and what lies within the thorax; of SNOMED CT and of SNOMED RT."""


def part_of_words(text: str) -> BodyPart | None:
    """What a text names, e.g. `CHEST`, `TORAX`, `PORT CHEST`; None where it states nothing."""
    plain = folded(text)
    letters = "".join(filter(str.isalpha, plain))
    if not letters or letters in _NOTHING_STATED:
        return None
    is_chest = bool(words_of(text) & _CHEST_WORDS) or any(stem in plain for stem in _CHEST_STEMS)
    return "chest" if is_chest and not any(stem in plain for stem in _MORE_OR_ELSE_STEMS) else "other"


def part_of_code(value: str, meaning: str) -> BodyPart | None:
    """The part of a code, by its value, or else by the words of its meaning; None where it states nothing."""
    if value in _CHEST_CODES:
        return "chest"
    return part_of_words(meaning) or ("other" if value else None)
