"""An operating point with a guarantee: the cuts of a score that keep two risks, each by an exact binomial bound."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biostatistics.exact import most_failures, smallest_promise, trials_needed


class TooFewFilmsError(ValueError):
    """The films cannot promise the risk; the message names what they can."""

    def __init__(self, kind: str, films: int, risk: float, confidence: float) -> None:
        """`kind` of films, e.g. 'positives'."""
        self.kind = kind
        self.films = films
        self.needed = trials_needed(risk, confidence=confidence)
        self.promise = None if films == 0 else smallest_promise(films, confidence=confidence)
        if self.promise is None:
            promise = "without one, nothing can be promised"
        else:
            # Rounded up: what is named is promised.
            percent = math.ceil(self.promise * 100)
            promise = f"with {films} {kind} and no miss, {percent} % is what can be promised"
        super().__init__(f"too few {kind}: {promise}; a risk of {risk:.1%} takes {self.needed} {kind} at least")


@dataclass(frozen=True, slots=True)
class ScoredFilms:
    """N films whose truth is known."""

    truth: NDArray[np.bool_]  # [N], whether the film has the finding
    scores: NDArray[np.float64]  # [N], larger where the finding is likelier
    withheld: NDArray[np.bool_]  # [N], whether the film is not answered whatever its score is


@dataclass(frozen=True, slots=True)
class Risks:
    """What a site accepts; each of the two holds with `confidence` by itself, over the draw of the films."""

    missed: float
    """Largest P(called negative | finding), answered or not, in (0, 1)."""
    false_alarms: float
    """Largest P(called positive | no finding), answered or not, in (0, 1)."""
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a score decides: negative below `lower`, positive above `upper`, nothing claimed from one to the other.

    Invariant: `lower` <= `threshold` <= `upper`.
    """

    lower: float
    upper: float
    threshold: float
    missed: int
    """Films with the finding below `lower`, of those that chose it."""
    false_alarms: int
    """Films without it above `upper`."""


def miss_cut(positives: ArrayLike, others: ArrayLike, risk: float, *, confidence: float = 0.95) -> float:
    """The highest cut below which films may be called negative: P(score < cut | finding) <= risk, with `confidence`.

    The share of films with the finding that lie below a cut grows with the cut, so the cuts are tested from the lowest
    one upwards and the first that fails ends it: no correction for their number is needed. With n films and the
    largest k whose exact bound is at most the risk, the cut is the film of rank k + 1; its place is a tolerance limit
    that holds for every distribution. Ties only help: a film on the cut is not below it.

    A film that is not answered whatever its score is counts as infinitely high: it is not missed.

    Args:
        positives: [P], scores of films with the finding; infinity where no answer is given.
        others: [Q], scores of films without it: the cut lies half-way down to the next film of either kind.
        risk: in (0, 1).
        confidence: over the draw of the films.

    Returns:
        Infinity where no film with the finding limits it.

    Raises:
        TooFewFilmsError: not even without a miss could P films promise the risk.

    Source: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test, arXiv:2110.01052 (2021), section 3
        (fixed-sequence testing of a monotone risk by binomial bounds).
    """
    ranked = np.sort(np.asarray(positives, np.float64))
    allowed = None if len(ranked) == 0 else most_failures(len(ranked), risk, confidence=confidence)
    if allowed is None:
        kind = "positives"
        raise TooFewFilmsError(kind, len(ranked), risk, confidence)
    return _below(float(ranked[allowed]), np.concatenate([ranked, np.asarray(others, np.float64)]))


def alarm_cut(negatives: ArrayLike, others: ArrayLike, risk: float, *, confidence: float = 0.95) -> float:
    """The lowest cut above which films may be called positive: P(score > cut | no finding) <= risk; see `miss_cut`.

    Args:
        negatives: [Q], scores of films without the finding; minus infinity where no answer is given.
        others: [P], scores of films with it.
        risk: in (0, 1).
        confidence: over the draw of the films.

    Raises:
        TooFewFilmsError: not even without a false alarm could Q films promise the risk.
    """
    try:
        return -miss_cut(
            -np.asarray(negatives, np.float64), -np.asarray(others, np.float64), risk, confidence=confidence
        )
    except TooFewFilmsError as error:
        kind = "negatives"
        raise TooFewFilmsError(kind, error.films, risk, confidence) from error


def controlled_cuts(films: ScoredFilms, risks: Risks, threshold: float) -> Cuts:
    """Cuts that keep both risks, with as few films between them as both allow.

    Where the risks leave room, the present threshold stays if it keeps both, else it moves as little as they ask; then
    no film is left unanswered for its score.

    Args:
        films: of the site, with their truth.
        risks: to be kept.
        threshold: of the score, the present one.

    Raises:
        TooFewFilmsError: films of one kind cannot promise the risk.
    """
    truth, withheld = films.truth, films.withheld
    positives = np.where(withheld, np.inf, films.scores)[truth]
    negatives = np.where(withheld, -np.inf, films.scores)[~truth]
    answered = films.scores[~withheld]
    lower = miss_cut(positives, answered, risks.missed, confidence=risks.confidence)
    upper = alarm_cut(negatives, answered, risks.false_alarms, confidence=risks.confidence)
    middle = float(np.clip(threshold, min(lower, upper), max(lower, upper)))
    if upper < lower:
        lower = upper = middle
    return Cuts(
        lower=lower,
        upper=upper,
        threshold=middle,
        missed=int((positives < lower).sum()),
        false_alarms=int((negatives > upper).sum()),
    )


def _below(value: float, films: NDArray[np.float64]) -> float:
    """Half-way from a film down to the next: another processor's rounding moves no film over the cut."""
    lower = films[films < value]
    following = float(lower.max(initial=-np.inf))
    if math.isinf(value) or math.isinf(following):
        return value
    return following + (value - following) / 2
