"""Views of films: the words that ViewPosition holds in practice, and the codes of ViewCodeSequence.

Source: DICOM PS3.3 C.8.1.1 (ViewPosition of CR), C.8.11.5.1.3 (of DX); PS3.16 CID 4010 DX View and CID 4011 DX View
Modifier, with the codes of SNOMED CT (SCT) and of SNOMED RT (SRT), which older files have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from imaging.dicom.header.words import word_set, words_of
from schemas.population import Projection, View


@dataclass(frozen=True, slots=True)
class StatedView:
    """A view, and the way of the beam where it is a frontal one that states it."""

    view: View
    projection: Projection | None = None


_WORDS: Final[Mapping[View, frozenset[str]]] = {
    # Those that are not frontal first: a film of which both is said is not taken for a frontal one.
    "other": word_set(
        "RLD LLD DECUB DECUBITUS LORDOTIC LORDOTICA LORD APICAL AXIAL TANGENTIAL TANG SUNRISE SWIMMERS OUTLET",
        "CROSSTABLE MLO CC ML LM XCCL XCCM SMV PLANTODORSAL DORSOPLANTAR",
    ),
    "oblique": word_set("LAO RAO LPO RPO LLO RLO OBL OBLIQUE OBLIQUA OBLICUA OBLICUO OBLIQUO SCHRAG SCHRAEG"),
    "lateral": word_set(
        "LL RL LAT LATERAL LATERALE LATERALIS LLAT RLAT LATL LATR SEITLICH PROFIL PERFIL SAGITTAL",
    ),
    "frontal": word_set(
        "AP PA FRONTAL FRONTALE FRONTALIS FRENTE FACE ANTEROPOSTERIOR POSTEROANTERIOR ANTERIORPOSTERIOR",
        "POSTERIORANTERIOR",
    ),
}
_PROJECTIONS: Final[Mapping[Projection, frozenset[str]]] = {
    "AP": frozenset(("AP", "ANTEROPOSTERIOR", "ANTERIORPOSTERIOR")),
    "PA": frozenset(("PA", "POSTEROANTERIOR", "POSTERIORANTERIOR")),
}
_CODES: Final[Mapping[StatedView, str]] = {
    StatedView("frontal"): "399033003 R-10202",
    StatedView("frontal", "AP"): "399348003 R-10206",
    StatedView("frontal", "PA"): "272479007 R-10214 R-40888",
    StatedView("lateral"): "399067008 R-102CD 399198007 R-10232 399173006 R-10236 399352003 R-10228 399260004 R-10224 "
    "30730003 G-A145",
    StatedView("oblique"): "399160007 R-10204 399132005 R-10252 399312000 R-10208 399038007 R-10210 399006002 R-10212 "
    "399059000 R-10216 399356000 R-40985 R-10218 399135007 R-10220 399236003 R-10234 399184004 R-10238 399182000 "
    "R-102C1 260427002 R-40783 260426006 R-40782 399099002 R-10230 399368009 R-10226 399004004 R-10246 399325008 "
    "R-10254 399225005 399288005",
    # Beams that are tilted, or come from elsewhere, and what is no chest at all; with the modifiers of CID 4011.
    StatedView("other"): "399061009 R-10241 399110001 R-102C2 399162004 R-10242 399196006 R-10244 399242004 399335002 "
    "260499007 399351005 399316002 399272005 399071006 399255003 399360002 119376003 111069 118438002 272466003 "
    "278318001 272476000 286866000",
}
_BY_CODE: Final[Mapping[str, StatedView]] = {code: view for view, codes in _CODES.items() for code in codes.split()}


def view_of_words(text: str) -> StatedView | None:
    """The view that a text names, e.g. `PA`, `L LAT`, `LAO`, `CHEST AP`; None where it names none that is known."""
    words = words_of(text)
    view = next((view for view, known in _WORDS.items() if words & known), None)
    if view != "frontal":
        return None if view is None else StatedView(view)
    beams = [projection for projection, known in _PROJECTIONS.items() if words & known]
    return StatedView("frontal", beams[0] if len(beams) == 1 else None)


def view_of_code(value: str, meaning: str) -> StatedView | None:
    """The view of a code, by its value, or else by the words of its meaning; None where neither is known."""
    return _BY_CODE.get(value) or view_of_words(meaning)
