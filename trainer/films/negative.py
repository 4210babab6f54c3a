"""The class that means none of the others: named by the user, or recognised by its name or its one counterpart."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import TrainingDataError

NO_CLASS = "none"
"""What a user writes who means that every class is a finding."""

_WORDS = """
normal|normals|norm|normal anatomy|normal finding|normal findings|no finding|no findings|nofinding|nofindings|negative
neg|healthy|health|control|controls|healthy control|healthy controls|clear|unremarkable|no disease|disease free
no abnormality|no abnormalities|no abnormality detected|nad|nothing|no pathology|not sick
gesund|negativ|unauffällig|kein befund|ohne befund|o b|normalbefund|kontrolle|keine auffälligkeit|keine auffälligkeiten
normale|normaux|sain|saine|sains|négatif|négative|sans anomalie|aucune anomalie|pas d anomalie|rien à signaler|témoin
sano|sana|sanos|negativo|negativa|sin hallazgo|sin hallazgos|sin patología|saudável|sem achados|sem achado|normais
nessun reperto|nella norma|senza reperti|normaal|gezond|negatief|geen afwijking|geen afwijkingen|geen bevindingen
normalny|prawidłowy|prawidłowe|zdrowy|norma|w normie|normální|zdravý|egészséges|sănătos|sağlikli|negatif|sehat
frisk|frisk kontroll|normalt|uten funn|utan fynd|ingen fund|terve|normaali|bình thường|khỏe mạnh
норма|нормальный|нормальная|здоров|здоровый|здоровые|отрицательный|без патологии|φυσιολογικό|φυσιολογικός|υγιής
正常|阴性|陰性|健康|未见异常|異常なし|정상|음성|이상없음|طبيعي|سليم|سلبي|نرمال|सामान्य|स्वस्थ|תקין|בריא
"""
_PAIRS = (
    ("0", "1"), ("-1", "1"), ("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("absent", "present"),
    ("neg", "pos"), ("negative", "positive"), ("normal", "abnormal"), ("nein", "ja"), ("nej", "ja"), ("nee", "ja"),
    ("non", "oui"), ("no", "si"), ("nao", "sim"), ("falsch", "wahr"), ("faux", "vrai"), ("falso", "verdadero"),
    ("falso", "verdadeiro"), ("falso", "vero"), ("negatif", "positif"), ("negativ", "positiv"),
    ("negativo", "positivo"), ("nie", "tak"), ("нет", "да"), ("否", "是"), ("无", "有"), ("無", "有"), ("阴性", "阳性"),
    ("陰性", "陽性"), ("いいえ", "はい"), ("아니오", "예"), ("لا", "نعم"), ("without", "with"), ("-", "+"),
)  # fmt: skip
_NOT = "no|non|not|without|keine?|ohne|sans|pas de|aucune?|sin|sem|senza|nessuna?|geen|brak|ingen|без|нет|无|無"
_FILLERS = re.compile(r"(?:chest|lungs?|x|rays?|xrays?|cxr|films?|images?|cases?|patients?|class|\d+)")


@dataclass(frozen=True, slots=True)
class NegativeClass:
    """The class that means none of the findings, and why it was taken for this."""

    name: str | None
    reason: str
    """A sentence for the output of a run."""


def find_negative(classes: Sequence[str], wanted: str | None = None) -> NegativeClass:
    """Find the class that means none of the others.

    Args:
        classes: at least two.
        wanted: the class that the user names, in any spelling, or `NO_CLASS`; None: by the names.

    Raises:
        TrainingDataError: the user names a class that is not there.
    """
    if wanted is not None:
        return _wanted(classes, wanted)
    by_word = [name for name in classes if is_negative_name(name)]
    if len(by_word) == 1:
        return NegativeClass(by_word[0], f"negative class: {by_word[0]}, by its name; another one by --negative-class")
    pair = None if by_word or len(classes) != 2 else _of_pair(*classes) or _of_pair(*reversed(classes))  # noqa: PLR2004
    if pair is not None:
        other = next(name for name in classes if name != pair)
        reason = (
            f"negative class: {pair}, as what {other} is not; if it is the other way round, --negative-class {other}"
        )
        return NegativeClass(pair, reason)
    several = (
        f"{' and '.join(by_word)} may both be the negative class" if by_word else "no negative class was recognised"
    )
    reason = (
        f"{several}, so each of {', '.join(classes)} is a finding; if one of them means none of the others, name it by "
        "--negative-class"
    )
    return NegativeClass(None, reason)


def is_negative_name(name: str) -> bool:
    """Whether a name alone says that nothing was found, in any of many languages: `No Finding`, `Négatif`, `正常`."""
    plain = _plain(name)
    return plain in _NEGATIVE or " ".join(word for word in plain.split() if not _FILLERS.fullmatch(word)) in _NEGATIVE


def _wanted(classes: Sequence[str], wanted: str) -> NegativeClass:
    name = next((name for name in classes if name == wanted), None)
    name = name or next((name for name in classes if _plain(name) == _plain(wanted)), None)
    if name is None and wanted != NO_CLASS:
        msg = f"--negative-class {wanted} is none of the classes {', '.join(classes)}; name one, or {NO_CLASS}"
        raise TrainingDataError(msg)
    if name is None:
        return NegativeClass(None, "no negative class, as --negative-class says: every class is a finding")
    return NegativeClass(name, f"negative class: {name}, as --negative-class says")


def _of_pair(one: str, other: str) -> str | None:
    """`one`, where it is the absence of `other`: 0 of 1, `no TB` of `TB`, `covid_neg` of `covid_pos`."""
    negative = _plain(one)
    positive = _plain(other)
    if (negative, positive) in _PAIRS or (one.strip(), other.strip()) in _PAIRS:
        return one
    if re.fullmatch(rf"(?:{_NOT})\W*(?:{re.escape(positive)})", negative):
        return one
    *start, last = negative.split() or [""]
    *same, counterpart = positive.split() or [""]
    if (
        start
        and start == same
        and ((last, counterpart) in _PAIRS or (last in _NEGATIVE and counterpart not in _NEGATIVE))
    ):
        return one
    return None


def _plain(name: str) -> str:
    """Small letters without accents, words apart by one blank; 0.0 is 0."""
    small = name.casefold().replace("\N{LATIN SMALL LETTER DOTLESS I}", "i")
    letters = "".join(one for one in unicodedata.normalize("NFKD", small) if not unicodedata.combining(one))
    if number := re.fullmatch(r"\s*([+-]?\d+)(?:\.0*)?\s*", letters):
        return number[1]
    return " ".join(re.findall(r"[^\W_]+", letters))


_NEGATIVE = frozenset(_plain(word) for word in re.split(r"[|\n]", _WORDS.strip()))
